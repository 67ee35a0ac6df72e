import Glibc
import UTF8Sequences

/// What a Unicode scalar does in a text that is split into tokens.
enum CharacterClass: UInt8 {
    /// White space or a control character.
    case space
    /// A letter or digit of a script that is written with spaces.
    case word
    /// A character of a script that is written without spaces: a token of its own.
    case character
    /// A punctuation mark or a symbol: a token of its own.
    case mark
    /// Part of the preceding token.
    case extend
    /// An apostrophe or the like: part of a word between two of its characters, otherwise a mark.
    case joiner

    /// Scalars from here on are classified by ranges.
    static let tableEnd: UInt32 = 0x2_0000
    /// A noncharacter that stands for `*` in a query, so that `reas*` is one word.
    static let wildcard: Unicode.Scalar = "\u{10FFFF}"

    /// Classes of all scalars before `tableEnd`. Never deallocated.
    nonisolated(unsafe) static let table: UnsafePointer<UInt8> = {
        let table = UnsafeMutablePointer<UInt8>.allocate(capacity: Int(tableEnd))
        for value in 0..<tableEnd {
            let scalar = Unicode.Scalar(value)
            (table + Int(value)).initialize(to: scalar.map(classify)?.rawValue ?? CharacterClass.mark.rawValue)
        }
        return UnsafePointer(table)
    }()

    /// Identifies the classification, which depends on the version of Unicode of the standard library. An index that was
    /// built with another one is built again.
    static let fingerprint: UInt64 = Checksum.of(UnsafeRawBufferPointer(start: table, count: Int(tableEnd)))

    static func beyondTable(_ value: UInt32) -> CharacterClass {
        switch value {
        case 0x2_0000...0x3_FFFF: .character
        case 0xE_0000...0xE_0FFF: .extend
        case wildcard.value: .word
        default: .mark
        }
    }

    private static func classify(_ scalar: Unicode.Scalar) -> CharacterClass {
        if scalar.properties.isWhitespace || scalar.properties.isEmojiModifier {
            return scalar.properties.isWhitespace ? .space : .extend
        }
        switch scalar.properties.generalCategory {
        case .control: return .space
        case .uppercaseLetter, .lowercaseLetter, .titlecaseLetter, .modifierLetter, .otherLetter, .decimalNumber,
            .letterNumber, .otherNumber:
            return isUnspaced(scalar.value) ? .character : .word
        case .connectorPunctuation: return .word
        case .nonspacingMark, .spacingMark, .enclosingMark, .format: return .extend
        default: return scalar == "'" || scalar == "\u{2019}" ? .joiner : .mark
        }
    }

    /// Returns whether a letter belongs to a script that is written without spaces between words.
    private static func isUnspaced(_ value: UInt32) -> Bool {
        switch value {
        case 0x0E00...0x0EFF, 0x1000...0x109F, 0x1780...0x17FF, 0x19E0...0x19FF, 0xA9E0...0xA9FF, 0xAA60...0xAA7F:
            true  // Thai, Lao, Myanmar, Khmer
        case 0x2E80...0x312F, 0x31A0...0x31BF, 0x31F0...0x31FF, 0x3400...0x4DBF, 0x4E00...0xA4CF, 0xF900...0xFAFF,
            0xFF66...0xFF9F, 0x1_6FE0...0x1_B2FF:
            true  // Han, Kana, Bopomofo, Yi, Tangut, Khitan, Nushu
        default: false
        }
    }
}

/// FNV-1a, for detecting damage. It protects against accidents; the code that reads an index tolerates anything.
enum Checksum {
    static func of(_ bytes: UnsafeRawBufferPointer) -> UInt64 {
        var hash: UInt64 = 0xcbf2_9ce4_8422_2325
        for byte in bytes { hash = (hash ^ UInt64(byte)) &* 0x100_0000_01b3 }
        return hash
    }
}
