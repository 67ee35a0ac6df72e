/// Ignores case or diacritical marks.
struct Folding: Sendable, Hashable {
    var ignoresCase: Bool
    var ignoresDiacritics: Bool

    private static let tableEnd: UInt32 = 0x1_0000
    /// Lowercase letters of all scalars before `tableEnd`.
    private static let lowercase: [UInt32] = (0..<tableEnd).map { lowercased($0) }
    private static let bases: [UInt32: UInt32] = {
        var bases: [UInt32: UInt32] = [:]
        for group in DiacriticTable.letters.unicodeScalars.split(separator: " ") {
            for letter in group.dropFirst() { bases[letter.value] = group.first!.value }
        }
        return bases
    }()
    /// Letters without their marks, before `tableEnd`. 0 is a mark that is dropped.
    private static let base: [UInt32] = (0..<tableEnd).map { value in
        value > 0 && isDropped(value) ? 0 : bases[value] ?? value
    }

    /// Returns the folded scalar, or nil if it is dropped.
    @inline(__always)
    func callAsFunction(_ value: UInt32) -> UInt32? {
        var value = value
        if ignoresDiacritics, value >= 0x80, value < Self.tableEnd {
            value = Self.base[Int(value)]
            if value == 0 { return nil }
        }
        if ignoresCase { value = value < Self.tableEnd ? Self.lowercase[Int(value)] : Self.lowercased(value) }
        return value
    }

    /// Returns the lowercase letter, if it is one scalar. A final sigma is a sigma.
    private static func lowercased(_ value: UInt32) -> UInt32 {
        guard let scalar = Unicode.Scalar(value) else { return value }
        if value == 0x3C2 { return 0x3C3 }
        let mapped = scalar.properties.lowercaseMapping.unicodeScalars
        return mapped.count == 1 ? mapped.first!.value : value
    }

    /// Returns whether a scalar is a diacritical mark, a point of Hebrew or a vowel sign of Arabic. Vowel signs of other
    /// scripts, such as Devanagari, are letters in all but name.
    private static func isDropped(_ value: UInt32) -> Bool {
        switch value {
        case 0x0300...0x036F, 0x1AB0...0x1AFF, 0x1DC0...0x1DFF, 0x20D0...0x20FF, 0xFE20...0xFE2F: true
        case 0x0591...0x05C7, 0x0610...0x061A, 0x064B...0x065F, 0x0670, 0x06D6...0x06ED:
            Unicode.Scalar(value)?.properties.generalCategory == .nonspacingMark
        default: false
        }
    }
}
