import Testing
import Tokenizers

/// Encoding a text in parts yields the ids of the whole text.
@Suite struct TokenStreamTests {
    private struct Random: RandomNumberGenerator {
        var state: UInt64
        mutating func next() -> UInt64 {
            state &+= 0x9e37_79b9_7f4a_7c15
            var z = state
            z = (z ^ (z >> 30)) &* 0xbf58_476d_1ce4_e5b9
            z = (z ^ (z >> 27)) &* 0x94d0_49bb_1331_11eb
            return z ^ (z >> 31)
        }
    }

    private static let pieces = [
        "reason", " pure", "  ", "\n", "\n\n", "\t ", "don't", "'s", "'", "’", "42", "ß", "理性", "。", "🙂", "<mask>",
        " <mask> ", "<s>", "</s>", "<ma", "sk>", ".", "...", "é", "\u{301}", "\u{a0}", " ", "a", "'ll", "!'",
    ]

    private func parts(
        _ tokenizer: ByteLevelBPETokenizer, _ text: String, _ specialTokens: SpecialTokensInText = .recognized
    ) throws -> (ids: [Int32], count: Int) {
        var stream = TokenStream(tokenizer, text, specialTokens: specialTokens)
        var (ids, count) = ([Int32](), 0)
        while let part = try stream.next() {
            ids += part
            count += 1
        }
        return (ids, count)
    }

    @Test(arguments: [UInt64(1), 2, 3, 4], SpecialTokensInText.allCases)
    func partsMatchWholeText(seed: UInt64, specialTokens: SpecialTokensInText) throws {
        let tokenizer = try BPETrainer(vocabularySize: BPETrainer.smallestVocabulary, minFrequency: 1).train()
        var random = Random(state: seed)
        for _ in 0..<3 {
            // Odd seeds use only few pieces, so that there are few positions to split.
            let kinds = seed % 2 == 0 ? Self.pieces : (0..<4).map { _ in Self.pieces.randomElement(using: &random)! }
            var text = ""
            while text.utf8.count < 300_000 { text += kinds.randomElement(using: &random)! }
            let whole = tokenizer.encode(text, specialTokens: specialTokens)
            do {
                let found = try parts(tokenizer, text, specialTokens)
                #expect(found.ids == whole, "seed \(seed), \(specialTokens)")
                #expect(found.count > 1)
            } catch is TokenStream.WordTooLong {
                #expect(seed % 2 == 1, "a text with all pieces can always be split")
            }
        }
    }

    @Test func splitsTextWithoutWhiteSpaceBetweenClasses() throws {
        let tokenizer = try BPETrainer(vocabularySize: BPETrainer.smallestVocabulary, minFrequency: 1).train()
        let text = String(repeating: "純粋理性批判、", count: 10_000)
        let found = try parts(tokenizer, text)
        #expect(found.ids == tokenizer.encode(text, specialTokens: .recognized))
        #expect(found.count > 2)
    }

    @Test func rejectsTooLongWord() throws {
        let tokenizer = try BPETrainer(vocabularySize: BPETrainer.smallestVocabulary, minFrequency: 1).train()
        var stream = TokenStream(tokenizer, String(repeating: "a", count: 300_000), specialTokens: .asText)
        #expect(throws: TokenStream.WordTooLong(limit: TokenStream.longestWord)) { try stream.next() }
        var short = TokenStream(tokenizer, "", specialTokens: .asText)
        #expect(try short.next() == nil)
    }
}
