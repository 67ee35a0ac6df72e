import Datasets
import Jobs
import Testing
import Tokenizers

/// Texts whose lines or paragraphs are much longer than usual: nothing is lost, and the usual share is held out.
@Suite struct UnusualTextTests {
    private static let words = [
        "reason", "experience", "the", "of", "understanding", "is", "a", "concept", "intuition", "which", "in", "time",
        "space", "and", "cause", "object", "must", "nature", "pure", "law",
    ]

    /// Returns different sentences of 4 to 14 words.
    private static func sentences(_ count: Int) -> [String] {
        var random: UInt64 = 88_172_645_463_325_252
        func next(_ limit: Int) -> Int {
            random ^= random << 13
            random ^= random >> 7
            random ^= random << 17
            return Int(random % UInt64(limit))
        }
        return (0..<count).map { index in
            let middle = (0..<(4 + next(10))).map { _ in words[next(words.count)] }.joined(separator: " ")
            return "The \(middle) \(index)."
        }
    }

    private static func paragraphs(_ count: Int, of size: Int) -> [String] {
        let all = sentences(count * size)
        return (0..<count).map { all[($0 * size)..<($0 * size + size)].joined(separator: " ") }
    }

    enum Kind: CaseIterable {
        case paragraphPerLine, oneLine, unicodeLineEnds, noBlankLines, hugeAndSmallParagraphs

        var text: String {
            switch self {
            case .paragraphPerLine: paragraphs(60, of: 110).joined(separator: "\n") + "\n"
            case .oneLine: sentences(3000).joined(separator: " ")
            case .unicodeLineEnds: sentences(800).joined(separator: "\u{2028}")
            case .noBlankLines: sentences(4000).map { $0 + "\n" }.joined()
            case .hugeAndSmallParagraphs:
                sentences(3500).map { $0 + "\n" }.joined() + "\n" + paragraphs(140, of: 2).joined(separator: "\n\n")
            }
        }
    }

    @Test(arguments: Kind.allCases, [SampleUnit.auto, .lines, .paragraphs, .records, .packed])
    func usesAllTextAndHoldsOutUsualShare(kind: Kind, unit: SampleUnit) throws {
        let folder = try TemporaryFolder()
        let path = try folder.write("corpus.txt", kind.text.utf8)
        let tokenizer = try BPETrainer(vocabularySize: BPETrainer.smallestVocabulary, minFrequency: 2).train()
        // A token is a byte; separators of units are none.
        let tokens = kind.text.utf8.count
        for objective in Objective.allCases {
            let source = ShardSource(
                corpora: [try JobCorpus(file: path, name: "corpus.txt")], objective: objective, unit: unit, filters: [],
                blockSize: 128, heldOut: 0.05, tokenizerDigest: "t")
            let shards = try TokenShards.build(directory: folder.path, source: source, tokenizer: tokenizer)
            let used = [shards.training, shards.heldOut].map { shard in
                var ids: [Int32] = []
                for row in 0..<shard.rows { shard.append(row: row, to: &ids) }
                return ids.count { $0 > 4 }
            }
            let separators = kind.text.unicodeScalars.reduce(0) { $0 + ($1 == "\n" ? 1 : $1 == "\u{2028}" ? 3 : 0) }
            #expect(Double(used[0] + used[1]) >= 0.999 * Double(tokens - separators))
            let share = Double(used[1]) / Double(used[0] + used[1])
            #expect((0.02...0.1).contains(share), "\(share)")
            let summary = try #require(shards.summary)
            #expect(summary.leftOutShare < 1e-9 && abs(summary.heldOutShare - share) < 0.01)
        }
    }

    /// With few samples, it may happen that none is held out by its hash.
    @Test func holdsOutLowestHashIfOtherwiseNone() throws {
        let folder = try TemporaryFolder()
        let lines = Self.sentences(2000).filter { !Sample(text: "", hash: Sample.hash(of: $0)).isHeldOut(share: 0.05) }
        func rows(_ lines: some Collection<String>, share: Double = 0.05) throws -> [Int] {
            let path = try folder.write("corpus.txt", lines.joined(separator: "\n").utf8)
            let corpus = try JobCorpus(file: path, name: "corpus.txt")
            let source = ShardSource(
                corpora: [corpus], objective: .mlm, unit: .lines, filters: [], blockSize: 128, heldOut: share,
                tokenizerDigest: "t")
            let tokenizer = try BPETrainer(vocabularySize: BPETrainer.smallestVocabulary, minFrequency: 2).train()
            let shards = try TokenShards.build(directory: folder.path, source: source, tokenizer: tokenizer)
            // The evaluation of models uses the same samples.
            let text = try HeldOutText(
                corpora: [corpus], objective: .mlm, unit: .lines, filters: [], share: share, mostBytes: 1 << 20,
                progress: {})
            #expect(text.bytes == shards.heldOut.totals.textBytes)
            let lowest = lines.min { Sample.hash(of: $0) < Sample.hash(of: $1) }
            #expect(text.samples.isEmpty || text.samples.first?.text == lowest)
            return [shards.training.rows, shards.heldOut.rows]
        }
        #expect(try rows(lines.prefix(10)) == [9, 1])
        #expect((4...7).contains(try rows(lines.prefix(100))[1]))
        #expect((20...30).contains(try rows(lines.prefix(500))[1]))
        #expect(try rows(lines.prefix(1000)) == [1000, 0])
        // All are held out by their hashes.
        #expect(try rows(lines.prefix(2), share: 0.999_999_999) == [1, 1])
        #expect(try rows(Array(repeating: lines[0], count: 50)) == [50, 0])
        #expect(try rows([]) == [0, 0])
    }
}
