import TextReading

/// UTF-16 and UTF-32, with a byte-order mark or without.
enum UnicodeForm: CaseIterable {
    case utf32LE, utf32BE, utf16LE, utf16BE

    var encoding: EncodingName {
        switch self {
        case .utf16LE: .known("UTF-16LE")
        case .utf16BE: .known("UTF-16BE")
        case .utf32LE: .known("UTF-32LE")
        case .utf32BE: .known("UTF-32BE")
        }
    }

    /// The name of the encoding with a byte-order mark.
    var markedName: String { unit == 2 ? "UTF-16" : "UTF-32" }

    var unit: Int { encoding.unitBytes }

    private var isLittleEndian: Bool { self == .utf16LE || self == .utf32LE }

    var mark: [UInt8] {
        let mark: [UInt8] = unit == 2 ? [0xFE, 0xFF] : [0, 0, 0xFE, 0xFF]
        return isLittleEndian ? mark.reversed() : mark
    }

    /// Returns the form whose byte-order mark the region begins with.
    static func marked(_ region: FileRegion) throws -> UnicodeForm? {
        let head = try region.head(4)
        // UTF-16 whose first character is NUL begins like UTF-32, but no text begins that way.
        return allCases.first { head.starts(with: $0.mark) && region.bytes % $0.unit == 0 }
            ?? allCases.first { $0.unit == 2 && head.starts(with: $0.mark) }
    }

    /// Returns the form that the positions of NUL bytes suggest and that decodes to text.
    static func unmarked(_ region: FileRegion, _ survey: ByteSurvey) throws -> UnicodeForm? {
        let nuls = survey.nuls
        let units = max(1, region.bytes / 4)
        // Every character has a NUL in its highest byte, and nearly every one in the next.
        let candidates: [UnicodeForm] =
            if nuls[3] >= units - 1, nuls[2] * 10 >= units * 9, nuls[0] * 10 < units {
                [.utf32LE]
            } else if nuls[0] >= units - 1, nuls[1] * 10 >= units * 9, nuls[3] * 10 < units {
                [.utf32BE]
            } else if (nuls[1] + nuls[3]) > 4 * (nuls[0] + nuls[2]) {
                [.utf16LE]
            } else if (nuls[0] + nuls[2]) > 4 * (nuls[1] + nuls[3]) {
                [.utf16BE]
            } else {
                []
            }
        // White space and ASCII punctuation occur in the text of every script.
        guard survey.allNuls * 1000 >= region.bytes else { return nil }
        return try candidates.first { try $0.isText(region) }
    }

    /// Whether the beginning of a file looks like UTF-32, or Latin letters in UTF-16, without a byte-order mark: nearly
    /// every unit begins with NUL bytes and is not a control character.
    static func isUnmarked(_ head: [UInt8]) -> Bool {
        allCases.contains { form in
            let units = head.count / form.unit
            let characters = (0..<units).count { form.isUsual(head[$0 * form.unit..<($0 + 1) * form.unit]) }
            return units > 1 && characters * 20 >= units * 19
        }
    }

    private func isUsual(_ bytes: ArraySlice<UInt8>) -> Bool {
        var value: UInt32 = 0
        for byte in isLittleEndian ? Array(bytes.reversed()) : Array(bytes) { value = value << 8 | UInt32(byte) }
        return (0x20..<(unit == 2 ? 0x100 : 0x10000)).contains(value) || (0x09...0x0D).contains(value)
    }

    /// Whether the region decodes without an error to text: assigned characters without control characters.
    private func isText(_ region: FileRegion) throws -> Bool {
        guard region.bytes % unit == 0, let decoder = IconvDecoder(encoding) else { return false }
        var characters = CharacterCounts()
        let replaced = try region.decode(with: decoder, most: 0) { characters.append($0) }
        return replaced.undecodable == 0 && characters.isText
    }
}

/// Counts the characters of UTF-8, and those of them that ordinary text does not contain.
private struct CharacterCounts {
    private var all = 0
    private var unusual = 0
    /// Whether a character of the Basic Multilingual Plane occurs in ordinary text; nil until it is looked up.
    private var isUsual = [Bool?](repeating: nil, count: 1 << 16)

    var isText: Bool { unusual * 200 <= all }

    mutating func append(_ piece: UnsafeRawBufferPointer) {
        // A piece can be cut only within its last character.
        for scalar in String(decoding: piece, as: UTF8.self).unicodeScalars {
            all += 1
            let value = Int(scalar.value)
            guard value < isUsual.count else { continue }
            if let known = isUsual[value] {
                if !known { unusual += 1 }
                continue
            }
            let usual = Self.isUsual(scalar)
            isUsual[value] = usual
            if !usual { unusual += 1 }
        }
    }

    private static func isUsual(_ scalar: Unicode.Scalar) -> Bool {
        switch scalar.properties.generalCategory {
        case .control: "\t\n\r\u{0B}\u{0C}\u{1A}\u{85}".unicodeScalars.contains(scalar)
        case .unassigned, .privateUse, .surrogate: false
        default: scalar.value != 0xFFFD
        }
    }
}
