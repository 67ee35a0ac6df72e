import Foundation
import Testing
import Tokenizers

/// Compares training and encoding with stored results of Hugging Face.
@Suite struct GoldenTests {
    @Test func trainingMatchesHuggingFace() throws {
        let trainer = try BPETrainer(vocabularySize: 700, minFrequency: 2)
        try trainer.addFile(Fixtures.path("nasty.txt"))
        let tokenizer = try trainer.train()
        try Fixtures.withTemporaryDirectory { folder in
            try tokenizer.save(directory: folder, modelMaxLength: 512)
            for name in ["vocab.json", "merges.txt"] {
                let ours = try Data(contentsOf: URL(fileURLWithPath: folder + "/" + name))
                #expect(try ours == Fixtures.bytes("nasty-700/" + name), "\(name)")
            }
        }
    }

    @Test(arguments: ["nasty-700", "kant-320", "kant-1000"])
    func encodingsMatchHuggingFace(name: String) throws {
        try Fixtures.withTemporaryDirectory { folder in
            for file in ["vocab.json", "merges.txt"] {
                try Fixtures.bytes(name + "/" + file).write(to: URL(fileURLWithPath: folder + "/" + file))
            }
            let tokenizer = try ByteLevelBPETokenizer.load(directory: folder)
            for wanted in try Fixtures.encodings(name + "/encodings.jsonl") {
                let ids = tokenizer.encode(wanted.text, specialTokens: .recognized)
                #expect(ids == wanted.ids, "\(wanted.text.debugDescription)")
                #expect(ids.map { tokenizer.token($0) } == wanted.tokens)
                #expect(sameBytes(tokenizer.decode(ids), wanted.decoded))
                #expect(wanted.tokens.map { tokenizer.id(of: $0) } == wanted.ids)
            }
        }
    }

    @Test func prefersTokenizerJSON() throws {
        let tokenizer = try ByteLevelBPETokenizer.load(directory: Fixtures.path("nasty-700"))
        for wanted in try Fixtures.encodings("nasty-700/encodings.jsonl") {
            #expect(
                tokenizer.encode(wanted.text, specialTokens: .recognized) == wanted.ids,
                "\(wanted.text.debugDescription)")
        }
    }
}
