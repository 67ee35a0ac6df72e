import Jobs
import TextFilters
import Tokenizers

/// A selection of the held-out text of corpora, for comparing several models.
///
/// If the text exceeds the limit, the samples with the lowest hashes are selected. This is equivalent to a random
/// choice, is reproducible, and changes little when corpora are added. Duplicate texts are selected once.
public struct HeldOutText: Sendable {
    /// Samples in ascending order of their hashes.
    public let samples: [Sample]
    /// Total size of the samples in UTF-8 bytes.
    public let bytes: Int
    private let objective: Objective
    private let unit: SampleUnit
    private let truncates: Bool

    /// - Parameters:
    ///   - share: share of the samples that are held out
    ///   - truncates: whether the rows of a masked model end at the block size
    ///   - mostBytes: maximum size of the text; at least one sample is selected regardless of its size
    ///   - progress: called periodically; an error that it throws stops the reading
    public init(
        corpora: [JobCorpus], objective: Objective, unit: SampleUnit, filters: [TextFilter], share: Double,
        truncates: Bool = false, mostBytes: Int, progress: () throws -> Void
    ) throws {
        let seen = SeenTexts()
        var selection = Selection(mostBytes: mostBytes)
        var split = HeldOutSplit<Void>(share: share)
        let endsUnits = TokenRows.endsUnits(truncates: truncates, objective, unit)
        for corpus in corpora {
            var failure: (any Error)?
            let beat = { do { try progress() } catch { failure = failure ?? error } }
            let layout = try CorpusLayout(corpus: corpus, unit: unit, filters: filters, progress: beat)
                .layout(for: objective)
            if let failure { throw failure }
            var reader = try SampleReader(
                corpus: corpus, layout: layout, filters: filters, seen: seen, progress: beat)
            if let failure { throw failure }
            var read = 0
            while let sample = try reader.next() {
                read += 1
                if read % 1024 == 0 { try progress() }
                // The text beyond the first row of a unit is in no row.
                if endsUnits, sample.isContinuation { continue }
                for decided in split.add(sample, ()) where decided.isHeldOut { selection.add(decided.sample) }
            }
        }
        for decided in split.finish() where decided.isHeldOut { selection.add(decided.sample) }
        selection.cut()
        samples = selection.samples
        bytes = samples.reduce(0) { $0 + $1.text.utf8.count }
        self.objective = objective
        self.unit = unit
        self.truncates = truncates
    }

    /// Whether a model is evaluated on the replies of conversations.
    public var hasConversations: Bool { objective == .clm && samples.contains { !$0.turns.isEmpty } }

    /// Tokenizes the samples into rows for a model.
    /// - Parameter blockSize: maximum number of tokens in a row, including `<s>` and `</s>`
    public func rows(tokenizer: ByteLevelBPETokenizer, blockSize: Int) -> HeldOutRows {
        var rows = TokenRows(
            objective: objective, unit: unit, blockSize: blockSize, truncates: truncates,
            markers: tokenizer.conversationMarkers)
        var made = HeldOutRows()
        for tokens in TokenizedSample.encode(samples, tokenizer, for: objective) where !tokens.tokens.isEmpty {
            made.lines += rows.append(tokens)
            made.textTokens += tokens.learnedTokens
            made.textBytes += tokens.learnedBytes
        }
        made.lines += rows.finish()
        return made
    }

    /// Collects the samples with the lowest hashes, using about twice the memory of the result.
    private struct Selection {
        let mostBytes: Int
        var samples: [Sample] = []
        private var bytes = 0
        /// Samples with this or a higher hash are no longer candidates.
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
    /// Number of tokens of the samples, without special tokens and including tokens that were truncated; of conversations,
    /// those of their replies.
    public fileprivate(set) var textTokens = 0
    /// Size of that text in UTF-8 bytes.
    public fileprivate(set) var textBytes = 0

    public var rows: Int { lines.count }
    public var longestRow: Int { lines.map(\.count).max() ?? 0 }
    public func length(ofRow row: Int) -> Int { lines[row].count }
    public func append(row: Int, to ids: inout [Int32]) { ids += lines[row] }
}
