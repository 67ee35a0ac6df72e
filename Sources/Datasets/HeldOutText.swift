import Jobs
import TextFilters
import Tokenizers

/// Some of the text that is held out of corpora, for asking several models the same.
///
/// Where there is more than enough, those samples are taken whose hashes are lowest: a choice that is as good as by lot, the
/// same every time, and hardly another one when corpora are added. A text that occurs twice is asked for once.
public struct HeldOutText: Sendable {
    /// In the order of their hashes.
    public let samples: [Sample]
    /// UTF-8 bytes of the samples.
    public let bytes: Int
    private let objective: Objective
    private let unit: SampleUnit

    /// - Parameters:
    ///   - share: of the samples that count as held out
    ///   - mostBytes: of text; one sample is taken however long it is
    ///   - progress: called now and then; what it throws ends the reading
    public init(
        corpora: [JobCorpus], objective: Objective, unit: SampleUnit, filters: [TextFilter], share: Double,
        mostBytes: Int, progress: () throws -> Void
    ) throws {
        let seen = SeenTexts()
        var chosen = Choice(mostBytes: mostBytes)
        for corpus in corpora {
            var reader = try SampleReader(corpus: corpus, unit: unit, filters: filters, seen: seen)
            var read = 0
            while let sample = try reader.next() {
                read += 1
                if read % 1024 == 0 { try progress() }
                if sample.isHeldOut(share: share) { chosen.add(sample) }
            }
        }
        chosen.cut()
        samples = chosen.samples
        bytes = samples.reduce(0) { $0 + $1.text.utf8.count }
        self.objective = objective
        self.unit = unit
    }

    /// The samples as a model with this tokenizer is asked for them.
    /// - Parameter blockSize: tokens of a row at most, `<s>` and `</s>` included
    public func rows(tokenizer: ByteLevelBPETokenizer, blockSize: Int) -> HeldOutRows {
        var rows = TokenRows(objective: objective, unit: unit, blockSize: blockSize)
        var made = HeldOutRows()
        for tokens in tokenizer.encodeBatch(samples.map(\.text)) where !tokens.isEmpty {
            made.lines += rows.append(tokens)
            made.textTokens += tokens.count
        }
        made.lines += rows.finish()
        return made
    }

    /// The samples with the lowest hashes, in about twice the memory that they take.
    private struct Choice {
        let mostBytes: Int
        var samples: [Sample] = []
        private var bytes = 0
        /// A sample from here on is not among the lowest any more.
        private var end: UInt64?

        init(mostBytes: Int) { self.mostBytes = mostBytes }

        mutating func add(_ sample: Sample) {
            if let end, sample.hash >= end { return }
            samples.append(sample)
            bytes += sample.text.utf8.count
            if bytes > 2 * mostBytes { cut() }
        }

        mutating func cut() {
            samples.sort { $0.hash < $1.hash }
            var kept: [Sample] = []
            bytes = 0
            for sample in samples where sample.hash != kept.last?.hash {
                let size = sample.text.utf8.count
                guard kept.isEmpty || bytes + size <= mostBytes else {
                    end = sample.hash
                    break
                }
                kept.append(sample)
                bytes += size
            }
            samples = kept
        }
    }
}

/// Rows of tokens in memory.
public struct HeldOutRows: TokenRowSource {
    fileprivate(set) var lines: [[Int32]] = []
    /// Of the samples, without special ones, also those that a block cut off.
    public fileprivate(set) var textTokens = 0

    public var rows: Int { lines.count }
    public var longestRow: Int { lines.map(\.count).max() ?? 0 }
    public func length(ofRow row: Int) -> Int { lines[row].count }
    public func append(row: Int, to ids: inout [Int32]) { ids += lines[row] }
}
