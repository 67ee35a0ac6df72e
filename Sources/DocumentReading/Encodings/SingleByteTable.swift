import TextReading

/// The characters of an encoding with one byte for each, and how well they explain the bytes of a text.
struct SingleByteTable: Sendable {
    let candidate: Candidate
    /// Nil for undefined bytes.
    let scalars: [Unicode.Scalar?]
    private let classes: [CharacterClass]
    private let script: CharacterClass.Script
    /// For each language, the logarithms of the probabilities of the bytes 0x80 to 0xFF.
    private let logProbabilities: [[Double]]

    /// The tables of all candidates that iconv knows.
    static let all: [SingleByteTable] = Candidate.all.compactMap { $0.isSingleByte ? SingleByteTable($0) : nil }

    private init?(_ candidate: Candidate) {
        guard let decoder = IconvDecoder(candidate.encoding) else { return nil }
        self.candidate = candidate
        let scalars = Self.scalars(decoder)
        let classes = scalars.map { CharacterClass($0 ?? "\0") }
        let script = Self.script(classes)
        let characters = Set(scalars.compactMap(\.self))
        logProbabilities = LanguageModel.all.filter { $0.isWritten(in: script, with: characters) }.map { model in
            (0x80...0xFF).map { model.logProbability(scalars[$0] ?? "\0", classes[$0]) }
        }
        self.scalars = scalars
        self.classes = classes
        self.script = script
    }

    /// Returns the table of an encoding, which can have a name that is not a candidate's.
    static func table(of encoding: EncodingName) -> SingleByteTable? {
        if let candidate = Candidate.named(converter: encoding.converter) {
            return all.first { $0.candidate.name == candidate.name }
        }
        guard let decoder = IconvDecoder(encoding) else { return nil }
        let scalars = scalars(decoder)
        return all.first { $0.scalars == scalars }
    }

    private static func scalars(_ decoder: IconvDecoder) -> [Unicode.Scalar?] {
        (0...255).map { byte in
            decoder.decode(whole: [UInt8(byte)]).flatMap { String(decoding: $0, as: UTF8.self).unicodeScalars.first }
        }
    }

    /// The script that the encoding is for: one other than Latin if the encoding has at least as many letters of it as
    /// an alphabet has.
    private static func script(_ classes: [CharacterClass]) -> CharacterClass.Script {
        [.greek, .cyrillic, .hebrew, .arabic, .thai].first { script in
            classes.reduce(0) { $0 + ($1.script == script ? 1 : 0) } >= 20
        } ?? .latin
    }

    /// Returns the logarithm of the probability of the bytes outside ASCII in the language that explains them best.
    func score(_ text: TextStatistics) -> Double {
        var cost = 0.0
        for pair in text.pairs {
            cost += Double(pair.count) * CharacterClass.cost(classes[Int(pair.one)], classes[Int(pair.other)])
        }
        let high = (0x80...0xFF).filter { text.counts[$0] > 0 }
        let best = logProbabilities.map { model in
            high.reduce(0) { $0 + Double(text.counts[$1]) * model[$1 - 0x80] }
        }.max()
        return (best ?? 0) - cost - candidate.rarity
    }

    /// Whether the letters of a script other than Latin form words, more than two together on average. In such an
    /// encoding, stray bytes in English text are letters too, but isolated ones.
    func formsWords(_ text: TextStatistics) -> Bool {
        guard script != .latin else { return true }
        let isLetter = classes.map { $0.script == script }
        let letters = (0x80...0xFF).reduce(0) { $0 + (isLetter[$1] ? text.counts[$1] : 0) }
        let neighbors = text.pairs.reduce(0) {
            $0 + (isLetter[Int($1.one)] && isLetter[Int($1.other)] ? $1.count : 0)
        }
        return 2 * neighbors > letters
    }

    /// Returns how many pairs of bytes are letters of this encoding's script in UTF-8, and improbable in this encoding.
    func sequencesOfLetters(_ text: TextStatistics) -> Int {
        // All alphabets but the Thai one have two bytes per letter in UTF-8. Such a pair is a whole sequence everywhere.
        text.pairs.reduce(0) { $0 + (isUTF8Letter($1.one, $1.other) && isImprobable($1.one, $1.other) ? $1.count : 0) }
    }

    private func isUTF8Letter(_ one: UInt8, _ other: UInt8) -> Bool {
        guard let letters = Self.letters[script], (0xC2...0xDF).contains(one), other & 0xC0 == 0x80 else {
            return false
        }
        return letters.contains(UInt32(one & 0x1F) << 6 | UInt32(other & 0x3F))
    }

    /// Whether two bytes from both halves of the upper code are seldom neighbors in text of this encoding.
    private func isImprobable(_ one: UInt8, _ other: UInt8) -> Bool {
        let (one, other) = (classes[Int(one)], classes[Int(other)])
        // In encodings with Latin letters, the pairs in question are improbable, except at the corners of frames.
        if script == .latin { return one.kind != .drawing || other.kind != .drawing }
        return CharacterClass.cost(one, other) >= 2
    }

    /// The letters of the languages that have encodings with one byte per character.
    private static let letters: [CharacterClass.Script: ClosedRange<UInt32>] = [
        .latin: 0xC0...0x17E, .greek: 0x386...0x3CE, .cyrillic: 0x400...0x45F, .hebrew: 0x5D0...0x5EA,
        .arabic: 0x621...0x64A,
    ]

    func undefinedBytes(_ text: TextStatistics) -> Int {
        (0x80...0xFF).reduce(0) { $0 + (scalars[$1] == nil ? text.counts[$1] : 0) }
    }

    /// Returns how many bytes of the text another encoding decodes differently.
    func differences(_ other: SingleByteTable, _ text: TextStatistics) -> Int {
        (0x80...0xFF).reduce(0) {
            $0 + (Self.unified(scalars[$1]) == Self.unified(other.scalars[$1]) ? 0 : text.counts[$1])
        }
    }

    /// Most encodings with Romanian letters have a cedilla in place of the comma.
    private static func unified(_ scalar: Unicode.Scalar?) -> Unicode.Scalar? {
        switch scalar {
        case "ș": "ş"
        case "ț": "ţ"
        case "Ș": "Ş"
        case "Ț": "Ţ"
        default: scalar
        }
    }
}
