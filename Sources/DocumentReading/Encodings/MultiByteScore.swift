import TextReading

/// How well an encoding with several bytes for a character explains a sample.
struct MultiByteScore {
    /// The logarithm of the probability of the sample, for each byte outside ASCII.
    let perHighByte: Double
    private let text: [Unicode.Scalar]

    /// - Returns: nil if there is nothing to decode, or iconv does not know the encoding
    init?(_ candidate: Candidate, _ sample: [[UInt8]]) {
        var (sum, high) = (0.0, 0)
        let models = Self.models(candidate)
        var text: [Unicode.Scalar] = []
        for block in sample {
            guard let decoded = Self.decode(candidate, block) else { return nil }
            high += block.reduce(0) { $0 + ($1 >= 0x80 ? 1 : 0) }
            sum += models.map { Self.score(decoded, $0) }.max() ?? 0
            text += decoded
        }
        guard high > 0 else { return nil }
        self.text = text
        perHighByte = sum / Double(high)
    }

    /// Returns the share of the characters that another encoding decodes differently.
    func differences(_ other: MultiByteScore) -> Double {
        guard text.count == other.text.count else { return 1 }
        let all = text.reduce(0) { $0 + ($1.value >= 0x80 ? 1 : 0) }
        let different = zip(text, other.text).reduce(0) { $0 + ($1.0 == $1.1 ? 0 : 1) }
        return Double(different) / Double(max(1, all))
    }

    private static func models(_ candidate: Candidate) -> [IdeographModel] {
        switch candidate.name {
        case "Shift_JIS", "EUC-JP": [.japanese]
        case "EUC-KR", "JOHAB": [.korean]
        case "GB18030": [.simplified, .traditional]
        default: [.traditional]
        }
    }

    private static func decode(_ candidate: Candidate, _ block: [UInt8]) -> [Unicode.Scalar]? {
        guard let decoder = IconvDecoder(candidate.encoding) else { return nil }
        var text: [Unicode.Scalar] = []
        let output = DecodedText { text += String(decoding: $0, as: UTF8.self).unicodeScalars }
        // The closure above does not throw.
        _ = try? block.withUnsafeBytes { _ = try decoder.decode($0, isLast: true, to: output) }
        try? output.flush()
        return text
    }

    private static func score(_ text: [Unicode.Scalar], _ model: IdeographModel) -> Double {
        var score = 0.0
        var last = CharacterClass("\n")
        for scalar in text {
            let character = CharacterClass(scalar)
            if scalar.value >= 0x80 {
                score += model.logProbability(scalar)
                if last.script != .none || character.script != .ideographic {
                    score -= CharacterClass.cost(last, character)
                }
            } else if last.script == .ideographic, character.isLetter {
                score -= CharacterClass.cost(last, character)
            }
            last = character
        }
        return score
    }
}
