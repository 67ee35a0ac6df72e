import TextReading

/// Recognizes HZ and UTF-7, which are ASCII as well. Only what is unmistakable is recognized: all of the text can be
/// decoded, and it has many characters outside of ASCII that occur together in texts.
enum SevenBitEncoding {
    /// - Parameter region: ASCII
    static func find(_ region: FileRegion) throws -> EncodingName? {
        var hints = SevenBitHints()
        try region.forEachPiece { hints.append($0) }
        if hints.mayBeHZ, let decoder = HZDecoder() {
            let characters = try decode(region, decoder)
            if characters?.areChinese ?? false, decoder.unclosedLines == 0 { return .known("HZ-GB-2312") }
        }
        if hints.mayBeUTF7, let encoding = EncodingName("UTF-7"), let decoder = IconvDecoder(encoding),
            try decode(region, decoder)?.areOfOneScript ?? false
        {
            return encoding
        }
        return nil
    }

    /// Returns the characters outside of ASCII; nil if not all of the region can be decoded.
    private static func decode(_ region: FileRegion, _ decoder: any Decoder) throws -> Characters? {
        var characters = Characters()
        let replaced = try region.decode(with: decoder, most: 0) { piece in
            // A piece can be cut only within its last character.
            for scalar in String(decoding: piece, as: UTF8.self).unicodeScalars { characters.add(scalar) }
        }
        return replaced.all == 0 ? characters : nil
    }

    private struct Characters {
        private var all = 0
        /// Punctuation and symbols, which texts of all scripts have.
        private var common = 0
        private var ideographs = 0
        private var kanaAndHangul = 0
        /// Letters of alphabets, by their block of 256 characters; Latin letters are in several.
        private var letters: [UInt32: Int] = [:]

        /// Fewer ideographs may occur by chance, because most values of two bytes are ideographs.
        private static let fewestIdeographs = 20
        private static let fewestOthers = 3

        mutating func add(_ scalar: Unicode.Scalar) {
            guard scalar.value >= 0x80 else { return }
            all += 1
            switch scalar.value {
            case 0x80..<0xC0, 0x2000..<0x2200, 0x2500..<0x2700, 0x3000..<0x3040, 0xFF00..<0xFFF0: common += 1
            case 0x3040..<0x3100, 0xAC00..<0xD7A4: kanaAndHangul += 1
            case 0x4E00..<0xA000: ideographs += 1
            case 0xC0..<0x250, 0x1E00..<0x1F00: letters[0, default: 0] += 1
            case 0x250..<0x2000
            where scalar.properties.isAlphabetic || scalar.properties.generalCategory == .nonspacingMark:
                letters[scalar.value >> 8, default: 0] += 1
            default: break
            }
        }

        var areChinese: Bool { ideographs >= Characters.fewestIdeographs && (ideographs + common) * 20 >= all * 19 }

        var areOfOneScript: Bool {
            let script = letters.values.max() ?? 0
            let eastAsian = ideographs + kanaAndHangul
            if eastAsian > script {
                return eastAsian >= Characters.fewestIdeographs && (eastAsian + common) * 20 >= all * 19
            }
            return script + common >= Characters.fewestOthers && (script + common) * 20 >= all * 19
        }
    }
}
