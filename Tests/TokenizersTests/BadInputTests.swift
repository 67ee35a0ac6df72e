import Foundation
import Testing
import Tokenizers

/// Invalid input is rejected with an error that states the location, what was expected and what was found.
@Suite struct BadInputTests {
    @Test(arguments: [(260, 2, "vocab_size", "260"), (0, 2, "vocab_size", "0"), (261, 0, "min_frequency", "0")])
    func rejectsInvalidSettings(vocabularySize: Int, minFrequency: Int, path: String, found: String) throws {
        let error = try #require(throws: TokenizerError.self) {
            try BPETrainer(vocabularySize: vocabularySize, minFrequency: minFrequency)
        }
        #expect(error.path == path && error.found == found)
    }

    @Test func reportsMissingCorpus() throws {
        let trainer = try BPETrainer(vocabularySize: 300, minFrequency: 2)
        let error = try #require(throws: TokenizerError.self) { try trainer.addFile("/nowhere/corpus.txt") }
        #expect(error.path == "/nowhere/corpus.txt")
        #expect(error.found.contains("No such file"))
    }

    private static let vocabulary = #"{"a": 0, "b": 1, "ab": 2}"#

    /// `vocab.json`, `merges.txt`, and parts of the expected error.
    static let pairs:
        [(vocabulary: String, merges: String, file: String, place: String, expected: String, found: String)] = [
            (vocabulary, "#version: 0.2\na b\nab\n", "merges.txt", "line 3", "two tokens separated by a space", "“ab”"),
            (vocabulary, "#version: 0.2\na b c\n", "merges.txt", "line 2", "two tokens", "“a b c”"),
            (vocabulary, "#version: 0.2\n\na b\n", "merges.txt", "line 2", "two tokens", "“”"),
            (vocabulary, "a b\na z\n", "merges.txt", "line 2", "tokens of the vocabulary", "“z”"),
            (vocabulary, "b a\n", "merges.txt", "line 1", "concatenation is in the vocabulary", "“ba”"),
            (#"{"a": 0,\#n"b": 0}"#, "", "vocab.json", "line 2, key b", "a unique id", "0"),
            (#"{"a": 0, "b": 2, "c": 3}"#, "", "vocab.json", "line 1, key c", "contiguous", "3"),
            (#"{"a": 0, "c": 2}"#, "", "vocab.json", "line 1, key c", "contiguous", "2"),
            (#"{"a": 0, "a": 1}"#, "", "vocab.json", "line 1, key a", "unique tokens", "twice"),
            (#"{"a": -1}"#, "", "vocab.json", "key a", "an integer", "-1"),
            (#"{"a": "0"}"#, "", "vocab.json", "key a", "an integer", "“0”"),
            ("{\"a\": 0,\n\"b\"", "", "vocab.json", "line 2", "“:”", "the end of the file"),
            ("{\"a\": 0,\n", "", "vocab.json", "line 2", "a quoted key", "the end of the file"),
            ("{\"a\": 0} x", "", "vocab.json", "line 1", "the end of the file", "“x”"),
            ("", "", "vocab.json", "line 1", "a JSON value", "the end of the file"),
            ("[0]", "", "vocab.json", "line 1", "an object", "an array"),
            ("{\"\\ud800\": 0}", "", "vocab.json", "line 1", "a complete surrogate pair", "“\"”"),
        ]

    @Test(arguments: pairs.indices)
    func rejectsInvalidVocabularyOrMerges(index: Int) throws {
        let (vocabulary, merges, file, place, expected, found) = Self.pairs[index]
        try Fixtures.withTemporaryDirectory { folder in
            try Data(vocabulary.utf8).write(to: URL(fileURLWithPath: folder + "/vocab.json"))
            try Data(merges.utf8).write(to: URL(fileURLWithPath: folder + "/merges.txt"))
            try expectError(folder, file, place, expected, found)
        }
    }

    /// Modifications of a valid `tokenizer.json`, and parts of the expected error.
    static let changes: [(from: String, to: String, place: String, expected: String, found: String)] = [
        (#""normalizer": null"#, #""normalizer": {"type": "NFC"}"#, "normalizer.type", "no normalizer", "“NFC”"),
        (
            #""pre_tokenizer": {"type": "ByteLevel""#, #""pre_tokenizer": {"type": "Metaspace""#, "pre_tokenizer.type",
            "ByteLevel", "“Metaspace”"
        ),
        (#""use_regex": true"#, #""use_regex": false"#, "pre_tokenizer.use_regex", "GPT-2's pattern", "false"),
        (
            #""post_processor": {"type": "RobertaProcessing""#, #""post_processor": {"type": "BertProcessing""#,
            "post_processor.type", "RobertaProcessing", "“BertProcessing”"
        ),
        (
            #""decoder": {"type": "ByteLevel""#, #""decoder": {"type": "WordPiece""#, "decoder.type", "ByteLevel",
            "“WordPiece”"
        ),
        (#""type": "BPE""#, #""type": "Unigram""#, "model.type", "BPE", "“Unigram”"),
        (#""dropout": null"#, #""dropout": 0.1"#, "model.dropout", "null", "0.1"),
        (#""byte_fallback": false"#, #""byte_fallback": true"#, "model.byte_fallback", "false", "true"),
        (#""ignore_merges": false"#, #""ignore_merges": true"#, "model.ignore_merges", "false", "true"),
        (
            #""end_of_word_suffix": null"#, #""end_of_word_suffix": "</w>""#, "model.end_of_word_suffix", "null",
            "“</w>”"
        ),
        (#""unk_token": null"#, #""unk_token": "[UNK]""#, "model.unk_token", "a token of the vocabulary", "“[UNK]”"),
        (#""padding": null"#, #""padding": {"strategy": "BatchLongest"}"#, "padding", "no padding", "an object"),
        (#""single_word": false"#, #""single_word": true"#, "added_tokens[0].single_word", "false", "true"),
        (#"{"id": 4, "content": "<mask>""#, #"{"id": 9, "content": "<mask>""#, "added_tokens[4].id", "4", "9"),
        (#"{"id": 1, "content": "<pad>""#, #"{"id": 0, "content": "<pad>""#, "added_tokens[1].id", "a unique id", "0"),
        (#"["x", "x"]"#, #"["x"]"#, "model.merges[0]", "two tokens", "an array"),
        (#"["x", "x"]"#, #""x""#, "model.merges[0]", "two tokens", "“x”"),
        (#"["x", "x"]"#, #"["x", "xxxxx"]"#, "model.merges[0]", "tokens of the vocabulary", "“xxxxx”"),
        (#""added_tokens": ["#, #""added_tokens": [7, "#, "added_tokens[0]", "an object", "7"),
        (#""model": {"#, #""modell": {"#, "line 1", "“model”", "an object"),
    ]

    @Test(arguments: changes.indices)
    func rejectsInvalidTokenizerJSON(index: Int) throws {
        let (from, to, place, expected, found) = Self.changes[index]
        try Fixtures.withTemporaryDirectory { folder in
            let trainer = try BPETrainer(vocabularySize: 300, minFrequency: 2)
            try trainer.addFile(Fixtures.path("nasty.txt"))
            try trainer.train().save(directory: folder, modelMaxLength: 512)
            let path = folder + "/tokenizer.json"
            var text = try String(contentsOfFile: path, encoding: .utf8)
            let range = try #require(text.range(of: from))
            text.replaceSubrange(range, with: to)
            try text.write(toFile: path, atomically: true, encoding: .utf8)
            try expectError(folder, "tokenizer.json", place, expected, found)
        }
    }

    @Test func rejectsTruncatedTokenizerJSON() throws {
        try Fixtures.withTemporaryDirectory { folder in
            let whole = try Fixtures.bytes("nasty-700/tokenizer.json")
            let path = folder + "/tokenizer.json"
            for length in stride(from: 0, to: whole.count - 1, by: 97) {
                try whole.prefix(length).write(to: URL(fileURLWithPath: path))
                let error = try #require(throws: TokenizerError.self, "\(length) bytes") {
                    try ByteLevelBPETokenizer.load(directory: folder)
                }
                #expect(error.place?.hasPrefix("line ") == true, "\(length) bytes: \(error)")
            }
        }
    }

    private func expectError(_ folder: String, _ file: String, _ place: String, _ expected: String, _ found: String)
        throws
    {
        let error = try #require(throws: TokenizerError.self) { try ByteLevelBPETokenizer.load(directory: folder) }
        #expect(error.path == folder + "/" + file)
        #expect(error.place?.contains(place) == true, "\(error)")
        #expect(error.expected.contains(expected), "\(error)")
        #expect(error.found.contains(found), "\(error)")
        #expect(error.description.hasPrefix(error.path))
    }
}
