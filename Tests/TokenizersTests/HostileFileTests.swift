import Durable
import Foundation
import Glibc
import Testing
import Tokenizers

/// Malicious tokenizer files are rejected with an error that states the location.
@Suite(.timeLimit(.minutes(15))) struct HostileFileTests {
    private func refusal(_ text: String, file: String = "tokenizer.json") throws -> TokenizerError {
        try Fixtures.withTemporaryDirectory { folder in
            try Data(text.utf8).write(to: URL(filePath: "\(folder)/\(file)"))
            if file == "merges.txt" {
                try Data(#"{"a": 0, "b": 1, "ab": 2}"#.utf8).write(to: URL(filePath: "\(folder)/vocab.json"))
            }
            return try #require(throws: TokenizerError.self) { try ByteLevelBPETokenizer.load(directory: folder) }
        }
    }

    private func tokenizer(vocabulary: String, merges: String, added: String = "") -> String {
        """
        {"added_tokens": [\(added)], "pre_tokenizer": {"type": "ByteLevel"}, "decoder": {"type": "ByteLevel"},
        "model": {"type": "BPE", "vocab": {\(vocabulary)}, "merges": [\(merges)]}}
        """
    }

    @Test func limitsNestingDepth() throws {
        let deep = String(repeating: "[", count: 1_000_000)
        #expect(try refusal(deep).expected.contains("levels of nesting"))
        let objects = String(repeating: "{\"a\":", count: 1_000_000)
        #expect(try refusal(objects).expected.contains("levels of nesting"))
    }

    /// The number of values is limited, which bounds memory.
    @Test func limitsNumberOfValues() throws {
        let many = "[" + String(repeating: "0,", count: 8_000_001) + "0]"
        #expect(try refusal(many).expected.contains("at most 8000000 values"))
    }

    @Test func limitsMergesToNumberOfTokens() throws {
        let vocabulary = #""a": 0, "b": 1, "ab": 2"#
        let pair = #"["a", "b"]"#
        let error = try refusal(
            tokenizer(vocabulary: vocabulary, merges: Array(repeating: pair, count: 4).joined(separator: ",")))
        #expect(
            error.expected == "at most as many merges as tokens" && error.place?.contains("model.merges[3]") == true)
        let lines = String(repeating: "a b\n", count: 100_000)
        let text = try refusal(lines, file: "merges.txt")
        #expect(text.expected == "at most as many merges as tokens" && text.place == "line 4")
        // A line as long as the file is shortened in the message.
        let long = try refusal(String(repeating: "x", count: 1 << 20) + "\n", file: "merges.txt")
        #expect(long.found.count < 200)
    }

    @Test(arguments: ["-1", "2147483648", "9223372036854775808", "1e3", "\"0\"", "1.0"])
    func rejectsInvalidIds(id: String) throws {
        let error = try refusal(tokenizer(vocabulary: "\"a\": \(id)", merges: ""))
        #expect(error.place?.contains("model.vocab.a") == true, "\(error)")
        let added = #"{"content": "<s>", "special": true, "id": "# + id + "}"
        let other = try refusal(tokenizer(vocabulary: "\"a\": 0", merges: "", added: added))
        #expect(other.place?.contains("added_tokens[0].id") == true, "\(other)")
    }

    @Test func limitsAddedTokens() throws {
        let added = (1...1_025).map { #"{"id": \#($0), "content": "<\#($0)>"}"# }.joined(separator: ",")
        #expect(try refusal(tokenizer(vocabulary: "\"a\": 0", merges: "", added: added)).expected == "at most 1024")
    }

    @Test func rejectsDuplicateKeys() throws {
        let error = try refusal(#"{"model": {}, "model": {}, "pre_tokenizer": {"type": "ByteLevel"}}"#)
        #expect(error.expected == "unique keys", "\(error)")
    }

    @Test(arguments: ["tokenizer.json", "vocab.json"])
    func doesNotReadTooLargeFiles(file: String) throws {
        try Fixtures.withTemporaryDirectory { folder in
            try Data("{}".utf8).write(to: URL(filePath: "\(folder)/\(file)"))
            guard truncate("\(folder)/\(file)", 1 << 40) == 0 else { return }
            let error = try #require(throws: TokenizerError.self) {
                try ByteLevelBPETokenizer.load(directory: folder)
            }
            #expect(error.found.contains("bytes"))
        }
    }

    @Test(arguments: ["<s>", "<pad>", "</s>", "<unk>", "<mask>"])
    func requiresSpecialTokensAtTheirIds(token: String) throws {
        try Fixtures.withTemporaryDirectory { folder in
            let trained = try BPETrainer(vocabularySize: 300, minFrequency: 2).train()
            #expect(trained.failureReason(rows: trained.vocabularySize) == nil)
            #expect(trained.failureReason(rows: trained.vocabularySize - 1)?.contains("rows") == true)
            try trained.save(directory: folder, modelMaxLength: 128)
            let url = URL(filePath: "\(folder)/tokenizer.json")
            let text = try String(contentsOf: url, encoding: .utf8)
            try Data(text.replacing("\"\(token)\"", with: "\"[other]\"").utf8).write(to: url)
            let other = try ByteLevelBPETokenizer.load(directory: folder)
            #expect(other.failureReason(rows: .max)?.contains("`\(token)`") == true)
        }
    }

    /// Word counts with a valid checksum and manipulated values.
    @Test func rejectsInconsistentWordCounts() throws {
        try Fixtures.withTemporaryDirectory { folder in
            let path = "\(folder)/counts.words"
            let counts = WordCounts()
            Array("the human the human then".utf8).withUnsafeBytes { counts.add(text: $0) }
            try counts.save(path)
            let whole = try Data(contentsOf: URL(filePath: path))
            #expect(try WordCounts.load(path).count == counts.count)
            let values: [UInt64] = [0, 1, 5, 1 << 31, 1 << 32, 1 << 60, 1 << 63, .max, .max - 7]
            for place in stride(from: 8, to: whole.count - 8, by: 4) {
                for value in values {
                    for bytes in [4, 8] where place + bytes <= whole.count - 8 {
                        var changed = whole
                        withUnsafeBytes(of: value.littleEndian) {
                            changed.replaceSubrange(place..<place + bytes, with: Data($0.prefix(bytes)))
                        }
                        let sum = [UInt8](changed.dropLast(8)).withUnsafeBytes { WordCounts.checksum($0) }
                        changed.replaceSubrange(
                            (changed.count - 8)..., with: withUnsafeBytes(of: sum.littleEndian) { Data($0) })
                        try changed.write(to: URL(filePath: path))
                        // A changed count or letter cannot be detected; everything else must throw.
                        do { _ = try WordCounts.load(path) } catch is TokenizerError {}
                    }
                }
            }
            // An oversized word length must not cause reads beyond the end of the file.
            var longer = whole
            longer[24 + 8 * counts.count] = 0xFF
            let sum = [UInt8](longer.dropLast(8)).withUnsafeBytes { WordCounts.checksum($0) }
            longer.replaceSubrange((longer.count - 8)..., with: withUnsafeBytes(of: sum.littleEndian) { Data($0) })
            try longer.write(to: URL(filePath: path))
            #expect(throws: TokenizerError.self) { try WordCounts.load(path) }
        }
    }
}
