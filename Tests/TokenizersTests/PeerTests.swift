import Foundation
import Testing
import Tokenizers

/// Compares with results of Hugging Face that were written by `Tests/Parity/tokenizer_fixtures.py`.
@Suite struct PeerTests {
    struct Training: Decodable {
        let name: String
        let texts: [String]
        let vocabSize: Int
        let minFrequency: Int
        /// The tokens after the alphabet.
        let tokens: [String]
        let merges: [[String]]
    }

    struct ShapeEncoding: Decodable {
        let text: String
        let ids: [Int32]
        /// The ids with `split_special_tokens=True`.
        let splitIds: [Int32]
        let tokens: [String]
        let decoded: String
        let specialIds: [Int32]
        let skipped: String
    }

    struct RandomEncoding: Decodable {
        let text: String
        let ids: [Int32]
    }

    private func lines<Value: Decodable>(_ name: String, _ type: Value.Type) throws -> [Value] {
        let decoder = JSONDecoder()
        decoder.keyDecodingStrategy = .convertFromSnakeCase
        return try Fixtures.bytes(name).split(separator: UInt8(ascii: "\n")).map {
            try decoder.decode(type, from: Data($0))
        }
    }

    @Test func trainingMatchesHuggingFaceFixtures() throws {
        let trainings = try lines("training.jsonl", Training.self)
        #expect(trainings.count > 20)
        for wanted in trainings {
            let trainer = try BPETrainer(vocabularySize: wanted.vocabSize, minFrequency: wanted.minFrequency)
            for text in wanted.texts { Array(text.utf8).withUnsafeBytes { trainer.addSequence($0) } }
            let tokenizer = try trainer.train()
            let tokens = (261..<Int32(max(tokenizer.vocabularySize, 261))).map { tokenizer.token($0) }
            #expect(tokens == wanted.tokens, "\(wanted.name), \(wanted.vocabSize)")
            try Fixtures.withTemporaryDirectory { folder in
                try tokenizer.save(directory: folder, modelMaxLength: 512)
                let merges = try String(contentsOfFile: folder + "/merges.txt", encoding: .utf8)
                let expected = "#version: 0.2\n" + wanted.merges.map { $0.joined(separator: " ") + "\n" }.joined()
                #expect(sameBytes(merges, expected), "\(wanted.name), \(wanted.vocabSize)")
            }
        }
    }

    @Test(arguments: [
        "roberta-pairs", "roberta-strings", "gpt2-pairs", "gpt2-strings", "added-pairs", "prefix-pairs", "cut-pairs",
        "left-pairs",
    ])
    func readsAllTokenizerJSONVariants(shape: String) throws {
        let tokenizer = try ByteLevelBPETokenizer.load(directory: Fixtures.path("shapes/\(shape)"))
        let encodings = try lines("shapes/\(shape)/encodings.jsonl", ShapeEncoding.self)
        try check(tokenizer, encodings)
        // Saving and loading must not change the results.
        try Fixtures.withTemporaryDirectory { folder in
            try tokenizer.save(directory: folder, modelMaxLength: 512)
            try check(try ByteLevelBPETokenizer.load(directory: folder), encodings)
        }
    }

    private func check(_ tokenizer: ByteLevelBPETokenizer, _ encodings: [ShapeEncoding]) throws {
        #expect(encodings.contains { $0.ids != $0.splitIds })
        let batch = tokenizer.encodeBatch(encodings.map(\.text), specialTokens: .asText)
        #expect(batch == encodings.map(\.splitIds))
        for wanted in encodings {
            let text = Comment(rawValue: wanted.text.debugDescription)
            let ids = tokenizer.encode(wanted.text, specialTokens: .recognized)
            #expect(ids == wanted.ids, text)
            #expect(ids.map { tokenizer.token($0) } == wanted.tokens, text)
            #expect(sameBytes(tokenizer.decode(ids), wanted.decoded), text)
            #expect(tokenizer.encode(wanted.text, specialTokens: .asText) == wanted.splitIds, text)
            let special = tokenizer.encode(wanted.text, specialTokens: .recognized, addSpecialTokens: true)
            #expect(special == wanted.specialIds, text)
            #expect(sameBytes(tokenizer.decode(special, skipSpecialTokens: true), wanted.skipped), text)
        }
    }

    @Test func randomStringsMatchHuggingFace() throws {
        try Fixtures.withBareTokenizer("nasty-700") { tokenizer in
            let encodings = try lines("random.jsonl", RandomEncoding.self)
            for wanted in encodings {
                #expect(
                    tokenizer.encode(wanted.text, specialTokens: .recognized) == wanted.ids,
                    "\(wanted.text.debugDescription)")
            }
            #expect(tokenizer.encodeBatch(encodings.map(\.text), specialTokens: .recognized) == encodings.map(\.ids))
        }
    }

    @Test func truncationKeepsSpecialTokens() throws {
        let trainer = try BPETrainer(vocabularySize: 261, minFrequency: 2)
        let tokenizer = try trainer.train()
        let whole = tokenizer.encode("abcdef", specialTokens: .recognized, addSpecialTokens: true)
        #expect(whole.count == 8)
        #expect(tokenizer.encode("abcdef", specialTokens: .recognized, addSpecialTokens: true, maxLength: 8) == whole)
        #expect(
            tokenizer.encode("abcdef", specialTokens: .recognized, addSpecialTokens: true, maxLength: 5) == Array(
                whole[..<4]) + [
                    SpecialToken.eos.id
                ])
        #expect(tokenizer.encode("abcdef", specialTokens: .recognized, maxLength: 2) == Array(whole[1...2]))
        #expect(
            tokenizer.encode("abcdef", specialTokens: .recognized, addSpecialTokens: true, maxLength: 2) == [
                SpecialToken.bos.id, SpecialToken.eos.id,
            ])
    }

    @Test func publishesBareModelsWithLstripMask() throws {
        try Fixtures.withBareTokenizer("nasty-700") { bare in
            #expect(bare.encode("a <mask>", specialTokens: .recognized).count == 3)
            try Fixtures.withTemporaryDirectory { folder in
                try bare.save(directory: folder, modelMaxLength: 512)
                let saved = try ByteLevelBPETokenizer.load(directory: folder)
                for text in ["a <mask>", "a\u{3000}\n<mask> b", "<s> <mask>"] {
                    #expect(
                        saved.encode(text, specialTokens: .recognized)
                            == bare.published().encode(text, specialTokens: .recognized))
                }
                #expect(
                    saved.encode("a <mask>", specialTokens: .recognized) == [
                        bare.encode("a", specialTokens: .recognized)[0], SpecialToken.mask.id,
                    ])
            }
        }
    }
}
