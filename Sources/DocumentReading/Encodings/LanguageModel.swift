import Glibc

/// The probabilities of the characters outside ASCII in one language that is written with few of them.
struct LanguageModel: Sendable {
    /// Natural logarithms.
    private let logProbabilities: [Unicode.Scalar: Double]
    private let scripts: Set<CharacterClass.Script>
    private let letters: [(letter: Unicode.Scalar, share: Double)]

    /// The minimum share of a language's letters that an encoding used for it contains.
    private static let leastLetters = 0.97

    static let all: [LanguageModel] = Languages.all.map { LanguageModel($0) }

    /// - Parameter line: see `Languages`
    private init(_ line: String) {
        var found: [Unicode.Scalar: Double] = [:]
        var letters: [(letter: Unicode.Scalar, share: Double)] = []
        var scripts: Set<CharacterClass.Script> = []
        // Splits Unicode scalars instead of characters, because a combining mark forms a character with the space
        // before it.
        for entry in line.unicodeScalars.split(separator: " ") {
            guard let letter = entry.first, let share = Double(String(entry.dropFirst())) else {
                preconditionFailure("expected a letter and its share, found \(String(entry))")
            }
            found[letter] = log(0.93 * share / 1000)
            let character = CharacterClass(letter)
            if character.isLetter {
                letters.append((letter, share))
                scripts.insert(character.script)
            }
        }
        logProbabilities = found
        self.letters = letters
        self.scripts = scripts
    }

    /// Whether an encoding for a script is used for the language.
    func isWritten(in script: CharacterClass.Script, with characters: Set<Unicode.Scalar>) -> Bool {
        // A language without letters of its own has only typography, which needs an encoding with dashes.
        guard !letters.isEmpty else { return script == .latin && characters.contains("–") }
        let all = letters.reduce(0) { $0 + $1.share }
        let found = letters.reduce(0) { $0 + (characters.contains($1.letter) ? $1.share : 0) }
        return scripts.contains(script) && found >= Self.leastLetters * all
    }

    func logProbability(_ scalar: Unicode.Scalar, _ character: CharacterClass) -> Double {
        if let known = logProbabilities[scalar] { return known }
        let folded = scalar.properties.lowercaseMapping.unicodeScalars.first ?? scalar
        if let known = logProbabilities[folded] { return known }
        if let known = Self.common[scalar] { return known }
        return switch character.kind {
        case .lower, .upper, .caseless, .mark: scripts.contains(character.script) ? -9.4 : -13
        case .space: -6
        case .apostrophe, .opening, .closing, .punctuation: -6
        case .drawing: -7
        case .digit, .symbol: -9
        case .control: -16
        }
    }

    /// Characters that occur in every language.
    private static let common: [Unicode.Scalar: Double] = {
        var found: [Unicode.Scalar: Double] = [:]
        for scalar in "«»“”„’–—".unicodeScalars { found[scalar] = -5 }
        for scalar in "§°€·‘‚…£©®½²•".unicodeScalars { found[scalar] = -7 }
        // Tables in DOS texts are drawn with these.
        for (scalar, share) in zip("─═│║█░▒▓".unicodeScalars, [0.12, 0.06, 0.06, 0.03, 0.02, 0.01, 0.01, 0.01]) {
            found[scalar] = log(share)
        }
        return found
    }()
}

/// The probabilities of the characters outside ASCII in a language that is written with thousands of them.
struct IdeographModel: Sendable {
    private let logProbabilities: [Unicode.Scalar: Double]
    private let writing: Writing

    enum Writing { case chinese, japanese, korean }

    static let simplified = IdeographModel(Ideographs.simplified, .chinese)
    static let traditional = IdeographModel(Ideographs.traditional, .chinese)
    static let japanese = IdeographModel(Ideographs.japanese, .japanese)
    static let korean = IdeographModel(Ideographs.korean, .korean)

    private init(_ characters: String, _ writing: Writing) {
        // Zipf's law.
        var found: [Unicode.Scalar: Double] = [:]
        for character in characters.unicodeScalars where found[character] == nil {
            found[character] = 1 / Double(found.count + 10)
        }
        let sum = found.values.reduce(0, +)
        logProbabilities = found.mapValues { log(0.62 * $0 / sum) }
        self.writing = writing
    }

    func logProbability(_ scalar: Unicode.Scalar) -> Double {
        if let known = logProbabilities[scalar] { return known }
        if Self.punctuation.contains(scalar) { return -5 }
        return switch scalar.value {
        case 0x3040..<0x3100: writing == .japanese ? -7.5 : -12
        case 0x4E00..<0xA000:
            switch writing {
            case .korean: -13
            case .chinese, .japanese: CommonIdeographs.all.contains(scalar.value) ? -9.5 : -14
            }
        case 0xAC00..<0xD7A4: writing == .korean ? -9 : -15
        case 0x3000..<0x3040, 0xFF01..<0xFF5F: -8
        case 0xFF61..<0xFFA0: writing == .japanese ? -10 : -15
        case 0x3400..<0x4E00, 0x20000..<0x40000: -16
        case 0xE000..<0xF900, 0xFFFD: -18
        case 0x80..<0xA0: -18
        case 0xA0..<0x530: -11
        default: -10
        }
    }

    private static let punctuation = Set("\u{3000}、。，！？「」『』（）：；《》“”‘’…—・·ー～".unicodeScalars)
}

/// The ideographs that the standards of China, Taiwan and Japan list first, because they are common.
private enum CommonIdeographs {
    static let all: Set<UInt32> = {
        var found: Set<UInt32> = []
        for (converter, leads) in [("GB2312", 0xB0...0xD7), ("EUC-JP", 0xB0...0xCF), ("BIG5", 0xA4...0xC6)] {
            guard let decoder = IconvDecoder(converter) else { continue }
            for lead in leads {
                // Big5 also uses the second bytes of ASCII letters.
                for trail in 0x40...0xFE {
                    guard let text = decoder.decode(whole: [UInt8(lead), UInt8(trail)]) else { continue }
                    found.formUnion(String(decoding: text, as: UTF8.self).unicodeScalars.map(\.value))
                }
            }
        }
        return found
    }()
}
