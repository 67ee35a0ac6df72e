import Crypto
import Digests
import Foundation
import Testing
import Tokenizers

/// Training on streams, sums and restored counts yields the same result as training on one text in memory.
@Suite struct TrainingTests {
    private func merges(_ add: (BPETrainer) throws -> Void, vocabularySize: Int = 600) throws -> [String?] {
        let trainer = try BPETrainer(vocabularySize: vocabularySize, minFrequency: 2)
        try add(trainer)
        let tokenizer = try trainer.train()
        return (0..<Int32(tokenizer.vocabularySize)).map { tokenizer.token($0) }
    }

    @Test func emptyCorpusYieldsAlphabetOnly() throws {
        let trainer = try BPETrainer(vocabularySize: 52_000, minFrequency: 2)
        [UInt8]().withUnsafeBytes { trainer.addSequence($0) }
        let tokenizer = try trainer.train()
        #expect(tokenizer.vocabularySize == 261)
        #expect(SpecialToken.allCases.map { tokenizer.token($0.id) } == SpecialToken.allCases.map(\.content))
        #expect(tokenizer.decode(tokenizer.encode("naïve 数学", specialTokens: .recognized)) == "naïve 数学")
    }

    @Test func separatesSequences() throws {
        // In one text, the spaces would form one word.
        let apart = try merges { trainer in
            for _ in 0..<5 { Array("a  ".utf8).withUnsafeBytes { trainer.addSequence($0) } }
        }
        let together = try merges { trainer in
            Array(String(repeating: "a  ", count: 5).utf8).withUnsafeBytes { trainer.addSequence($0) }
        }
        #expect(apart.last == "ĠĠ")
        #expect(together.contains("Ġa") && !apart.contains("Ġa"))
    }

    /// Blocks end inside words, runs of spaces, characters and invalid bytes. The counts are those of a single pass.
    @Test func splitsBlocksAtWordBoundaries() throws {
        let parts: [(name: String, text: [UInt8])] = [
            ("prose", Array("It's a naïve  text,\r\n\n  don't  you 数学は think?\t".utf8)),
            ("no spaces", Array("数学は楽しい。漢字123かな'sab'".utf8)),
            ("wide spaces", Array("a\u{3000}\u{3000}b\u{2003}'ll\u{A0}".utf8)),
            ("invalid", [0x61, 0xE2, 0x82, 0x20, 0xFF, 0xC2, 0x20, 0x20, 0xF0, 0x9F, 0x99, 0x0A, 0xE3, 0x80]),
            ("spaces", Array("     \n\n".utf8)),
            ("one word", Array("abcdefg".utf8)),
        ]
        for (name, part) in parts {
            var text: [UInt8] = []
            while text.count < 5_000_003 { text += part }
            let whole = WordCounts()
            text.withUnsafeBytes { whole.add(text: $0) }
            let streamed = text.withUnsafeBytes { WordCounts.count(text: $0) }
            #expect(streamed == whole, "\(name)")
        }
    }

    /// Without safe boundaries, blocks of any size are split at the same positions.
    @Test func countsVeryLongWordsInPieces() throws {
        let parts: [(name: String, text: String)] = [
            ("letters", "abcdefghijk"), ("wide letters", "数é"), ("spaces", " "), ("line ends", "\n"),
            ("apostrophes", "'"), ("signs and apostrophes", "!'"), ("wide spaces", "\u{3000}"),
        ]
        for (name, part) in parts {
            for (before, after) in [("", ""), ("a ", "'s"), ("'", "s"), (" ", " x"), ("\n", "\n\nx")] {
                var text = Array(before.utf8)
                while text.count < 5_000_003 { text += part.utf8 }
                text += after.utf8
                let whole = WordCounts()
                text.withUnsafeBytes { whole.add(text: $0) }
                for sizes in [[1_234_567], [4096, 77], [1 << 20]] {
                    let streamed = WordCounts.count(text: text, inBlocksOf: sizes)
                    #expect(streamed == whole, "\(name) between ‘\(before)’ and ‘\(after)’ in blocks of \(sizes)")
                }
                #expect(whole.memory < 2_000_000, "\(name): \(whole.memory)")
            }
        }
        // A word up to the limit is still one word.
        let counts = WordCounts()
        Array(String(repeating: "a", count: 4104).utf8).withUnsafeBytes { counts.add(text: $0) }
        #expect(counts.count == 1)
        Array(String(repeating: "a", count: 4105).utf8).withUnsafeBytes { counts.add(text: $0) }
        #expect(counts.count == 3)
    }

    @Test func enforcesMemoryLimitOnDistinctWords() throws {
        try Fixtures.withTemporaryDirectory { folder in
            var random: UInt64 = 88172645463325252
            let letters = (0..<3_000_000).map { _ -> UInt8 in
                random ^= random << 13
                random ^= random >> 7
                random ^= random << 17
                return UInt8(ascii: "a") + UInt8(random % 26)
            }
            try Data(letters).write(to: URL(filePath: folder + "/letters"))
            let error = #expect(throws: TokenizerError.self) {
                try WordCounts.count(file: folder + "/letters", memoryLimit: 10_000_000)
            }
            #expect(error?.place == "its distinct words")
            #expect(error?.description.contains("at most 10 MB of memory") == true)
            #expect(try WordCounts.count(file: folder + "/letters", memoryLimit: 100_000_000).count == 733)
            let store = WordCountStore(directory: folder + "/counts")
            let sha256 = String(repeating: "a", count: 64)
            #expect(throws: TokenizerError.self) {
                try store.counts(sha256: sha256, file: folder + "/letters", memoryLimit: 10_000_000)
            }
        }
    }

    @Test func storedCountsYieldTheSameTokenizer() throws {
        try Fixtures.withTemporaryDirectory { folder in
            let corpora = [
                "one": "the cat sat on the mat. ", "two": "the hat ’twas on that cat\r\n", "three": "数学 数学は the the ",
            ]
            for (name, text) in corpora {
                try Data(String(repeating: text, count: 1000).utf8).write(to: URL(fileURLWithPath: "\(folder)/\(name)"))
            }
            // Large enough for their counts to be saved.
            let store = WordCountStore(directory: folder + "/counts")
            let sums = corpora.mapValues { text in
                SHA256.hash(data: Data(String(repeating: text, count: 1000).utf8)).hexadecimal
            }
            func kept(_ names: [String]) throws -> [String?] {
                try merges { trainer in
                    for name in names { trainer.add(try store.counts(sha256: sums[name]!, file: "\(folder)/\(name)")) }
                }
            }
            func anew(_ names: [String]) throws -> [String?] {
                try merges { trainer in for name in names { try trainer.addFile("\(folder)/\(name)") } }
            }
            #expect(try kept(["one", "two"]) == anew(["one", "two"]))
            // The files are not read again: they are moved away, and only the new one exists.
            for name in ["one", "two"] {
                try FileManager.default.moveItem(atPath: "\(folder)/\(name)", toPath: "\(folder)/\(name).away")
            }
            let three = try kept(["one", "two", "three"])
            let two = try kept(["one", "three"])
            for name in ["one", "two"] {
                try FileManager.default.moveItem(atPath: "\(folder)/\(name).away", toPath: "\(folder)/\(name)")
            }
            #expect(try three == anew(["three", "two", "one"]))
            #expect(try two == anew(["one", "three"]))

            // Damaged counts are replaced by counting the file again.
            let path = folder + "/counts/\(sums["one"]!).words"
            var bytes = try Data(contentsOf: URL(fileURLWithPath: path))
            let place = bytes.count / 2
            bytes[place] ^= 0x10
            try bytes.write(to: URL(fileURLWithPath: path))
            #expect(throws: TokenizerError.self) { try WordCounts.load(path) }
            #expect(try kept(["one", "two"]) == anew(["one", "two"]))
            #expect(try WordCounts.load(path) == WordCounts.count(file: folder + "/one"))

            store.remove(sha256: sums["one"]!)
            #expect(!FileManager.default.fileExists(atPath: path))

            // No counts are saved for a file whose contents do not match the digest.
            #expect(throws: DigestMismatch.self) { try store.counts(sha256: sums["one"]!, file: "\(folder)/two") }
            #expect(!FileManager.default.fileExists(atPath: path))
        }
    }
}
