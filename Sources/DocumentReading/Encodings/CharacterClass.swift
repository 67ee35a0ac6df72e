/// The properties of a character that determine how likely it is beside another one.
struct CharacterClass: Equatable {
    enum Kind {
        case space, digit, lower, upper, caseless, mark, apostrophe, opening, closing, punctuation, symbol, drawing,
            control
    }
    enum Script {
        case none, latin, greek, cyrillic, hebrew, arabic, thai, ideographic, other

        /// Whether it writes both vowels and consonants, which mostly alternate.
        var isAlternating: Bool { self == .latin || self == .greek || self == .cyrillic }
    }

    /// The places in a word where a letter stands.
    enum Place { case any, last, notLast, notFirst }

    let kind: Kind
    let place: Place
    let script: Script
    let isVowel: Bool

    var isLetter: Bool { kind == .lower || kind == .upper || kind == .caseless }

    init(_ scalar: Unicode.Scalar) {
        // Most of the characters of multi-byte encodings, without looking up their properties.
        if (0x3041..<0xA000).contains(scalar.value) || (0xAC00..<0xD7A4).contains(scalar.value) {
            (kind, place, script, isVowel) = (.caseless, .any, .ideographic, false)
            return
        }
        kind = Self.kind(scalar)
        place = Self.place(scalar)
        script = kind == .lower || kind == .upper || kind == .caseless || kind == .mark ? Self.script(scalar) : .none
        isVowel = script.isAlternating && Self.isVowel(scalar)
    }

    private static func kind(_ scalar: Unicode.Scalar) -> Kind {
        switch scalar {
        case "\t", "\n", "\r", "\u{0C}", " ", "\u{A0}": return .space
        case "'", "\u{2019}": return .apostrophe
        case "„", "‚", "¿", "¡": return .opening
        case "”": return .closing
        case "ª", "º", "µ", "¤", "¦", "¬", "¨", "¯", "´", "¸", "ˆ", "˜", "†", "‡", "‰", "•", "¶", "§": return .symbol
        case "\u{2500}"..."\u{259F}": return .drawing
        default: break
        }
        return switch scalar.properties.generalCategory {
        case .lowercaseLetter: .lower
        case .uppercaseLetter, .titlecaseLetter: .upper
        case .otherLetter, .modifierLetter: .caseless
        case .nonspacingMark, .spacingMark, .enclosingMark: .mark
        case .decimalNumber: .digit
        case .control, .unassigned, .privateUse, .surrogate: .control
        case .spaceSeparator, .lineSeparator, .paragraphSeparator: .space
        case .dashPunctuation, .openPunctuation, .closePunctuation, .initialPunctuation, .finalPunctuation,
            .otherPunctuation, .connectorPunctuation, .format:
            .punctuation
        default: scalar.value < 0x80 ? .punctuation : .symbol
        }
    }

    private static func place(_ scalar: Unicode.Scalar) -> Place {
        switch scalar {
        case "ς", "ך", "ם", "ן", "ף", "ץ", "ة", "ى": .last
        case "σ", "כ", "מ", "נ", "פ", "צ": .notLast
        case "ь", "ъ", "ы", "Ь", "Ъ", "Ы": .notFirst
        default: .any
        }
    }

    private static func script(_ scalar: Unicode.Scalar) -> Script {
        switch scalar.value {
        case 0..<0x250, 0x1E00..<0x1F00: .latin
        // Combining marks are written over letters of any script.
        case 0x300..<0x370: .none
        case 0x370..<0x400, 0x1F00..<0x2000: .greek
        case 0x400..<0x530: .cyrillic
        case 0x590..<0x600: .hebrew
        case 0x600..<0x700, 0xFB50..<0xFF00: .arabic
        case 0xE00..<0xE80: .thai
        case 0x1100..<0x1200, 0x3000..<0xA000, 0xAC00..<0xD7A4, 0xF900..<0xFB00, 0xFF00..<0xFFF0, 0x20000..<0x40000:
            .ideographic
        default: .other
        }
    }

    private static let vowels = Set(
        "aeiouyàáâãäåæèéêëìíîïòóôõöøùúûüýÿāăąēĕėęěĩīĭįıōŏőœũūŭůűųŷơưаеёиіїоуыэюяєαεηιουωάέήίόύώ".unicodeScalars)

    private static func isVowel(_ scalar: Unicode.Scalar) -> Bool {
        // Vietnamese has vowels with two marks.
        let folded = scalar.properties.lowercaseMapping.unicodeScalars.first ?? scalar
        return vowels.contains(folded) || (0x1EA0..<0x1EFA).contains(scalar.value)
    }

    /// Returns the cost of a character after another one, in nats: high for pairs that are rare in text.
    static func cost(_ one: CharacterClass, _ other: CharacterClass) -> Double {
        if one.kind == .control || other.kind == .control { return 4 }
        if other.kind == .mark {
            return one.isLetter && (other.script == .none || one.script == other.script) || one.kind == .mark ? 0 : 4
        }
        guard other.isLetter else {
            let isInside = one.isLetter && (other.kind == .symbol || other.kind == .drawing || other.kind == .opening)
            // An apostrophe is inside a word or at its end.
            if one.kind == .space, other.kind == .apostrophe { return 2 }
            let place = one.place == .notLast ? 2.5 : 0
            return place + (isInside ? 2.5 : other.kind == .symbol && one.kind == .symbol ? 0.5 : 0)
        }
        guard one.isLetter else {
            if one.kind == .symbol || one.kind == .drawing { return 3.5 }
            // In Swedish and Finnish, the same mark is at the beginning.
            if one.kind == .closing { return 1 }
            // A mark ends a letter, after which the word continues.
            if one.kind == .mark { return 0 }
            return (other.kind == .upper ? 1.6 : 0.2) + (other.place == .notFirst ? 3 : 0)
        }
        if one.script != other.script { return one.script == .ideographic || other.script == .ideographic ? 1.5 : 6 }
        let syllable = one.script.isAlternating ? (one.isVowel == other.isVowel ? 1 : 0.35) : 0.0
        let place = one.place == .last ? 4.0 : 0
        return switch (one.kind, other.kind) {
        case (.lower, .upper): 4 + syllable + place
        case (.upper, .lower): 0.3 + syllable
        case (.upper, .upper): 0.4 + syllable
        default: syllable + place
        }
    }
}
