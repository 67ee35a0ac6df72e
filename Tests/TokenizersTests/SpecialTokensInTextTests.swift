import Testing
import Tokenizers

/// Special tokens that occur in a text.
@Suite struct SpecialTokensInTextTests {
    private let tokenizer: ByteLevelBPETokenizer

    init() throws { tokenizer = try BPETrainer(vocabularySize: BPETrainer.smallestVocabulary, minFrequency: 1).train() }

    /// The tokens of the bytes of a text.
    private func bytes(_ text: String) -> [Int32] { text.utf8.map { tokenizer.id(of: byteToken($0))! } }

    private func byteToken(_ byte: UInt8) -> String { byte == UInt8(ascii: " ") ? "Ġ" : String(UnicodeScalar(byte)) }

    @Test func asTextEncodesEachCharacter() {
        let text = "<s>a</s> <mask><pad><unk>"
        #expect(tokenizer.encode(text, specialTokens: .asText) == bytes(text))
        #expect(tokenizer.encodeBatch([text, "</s>"], specialTokens: .asText) == [bytes(text), bytes("</s>")])
        #expect(tokenizer.decode(bytes(text), skipSpecialTokens: true) == text)
        let added = tokenizer.encode("</s>", specialTokens: .asText, addSpecialTokens: true)
        #expect(added == [0] + bytes("</s>") + [2])
    }

    @Test func maskOnlyRecognizesOnlyTheMask() {
        // As always, the mask absorbs preceding white space.
        let ids = tokenizer.encode("<s>a <mask></s><<mask>", specialTokens: .maskOnly)
        #expect(ids == bytes("<s>a") + [4] + bytes("</s><") + [4])
        #expect(tokenizer.encode("<mask", specialTokens: .maskOnly) == bytes("<mask"))
    }

    @Test func recognizedIsTheDefaultOfHuggingFace() {
        let ids = tokenizer.encode("<s>a <mask></s><pad><unk>", specialTokens: .recognized)
        #expect(ids == [0] + bytes("a") + [4, 2, 1, 3])
    }

    /// However often a corpus contains them, no merges of characters lead to a special token.
    @Test func trainingNeverLearnsSpecialTokens() throws {
        let trainer = try BPETrainer(vocabularySize: 400, minFrequency: 1)
        let text = String(repeating: "<s>a</s><mask> <pad><unk></s></s>", count: 1000)
        Array(text.utf8).withUnsafeBytes { trainer.addSequence($0) }
        let trained = try trainer.train()
        let ids = trained.encode(text, specialTokens: .asText)
        #expect(ids.allSatisfy { $0 >= 5 })
        #expect(ids.count < text.utf8.count * 2 / 3)
        #expect(trained.decode(ids, skipSpecialTokens: true) == text)
    }
}
