import Jobs
import TextFilters

/// Everything that determines the tokens in the shards and their order.
public struct ShardSource: Sendable, Equatable {
    /// Corpora sorted by SHA-256, so that the same corpora give the same shards regardless of their order.
    public let corpora: [JobCorpus]
    public let objective: Objective
    public let unit: SampleUnit
    public let filters: [TextFilter]
    public let blockSize: Int
    public let heldOut: Double
    /// Whether the rows of a masked model end at `blockSize` instead of continuing in further rows.
    public let truncates: Bool
    /// A digest of the tokenizer's files.
    public let tokenizerDigest: String

    /// - Parameters:
    ///   - blockSize: maximum number of tokens in a row, including `<s>` and `</s>`
    ///   - heldOut: share of the samples that are held out
    public init(
        corpora: [JobCorpus], objective: Objective, unit: SampleUnit, filters: [TextFilter], blockSize: Int,
        heldOut: Double, truncates: Bool = false, tokenizerDigest: String
    ) {
        self.corpora = corpora.sorted { $0.sha256 < $1.sha256 }
        self.objective = objective
        self.unit = unit
        self.filters = filters
        self.blockSize = blockSize
        self.heldOut = heldOut
        self.truncates = truncates
        self.tokenizerDigest = tokenizerDigest
    }

    public init(job: Job, tokenizerDigest: String) {
        self.init(
            corpora: job.corpora, objective: job.objective, unit: job.samples, filters: job.filters,
            blockSize: job.recipe.blockSize, heldOut: job.recipe.heldOut, truncates: job.recipe.truncate,
            tokenizerDigest: tokenizerDigest)
    }

    /// With settings that older versions had, the key is the same as theirs, so that a run that they interrupted
    /// resumes with its shards.
    package var key: UInt64 {
        var parts =
            corpora.map(\.sha256) + ["|", objective.rawValue, unit.rawValue, "|"] + filters.map(\.description)
            + ["|", "\(blockSize)", "\(heldOut)", tokenizerDigest] + corpora.flatMap(\.overrides)
        if unit == .auto { parts += ["|", "layout \(CorpusLayout.version)"] }
        if truncates { parts += ["|", "truncate"] }
        return Sample.hash(of: parts.joined(separator: "\u{0}"))
    }
}

extension JobCorpus {
    /// The corpus's own splitting and filters, if it overrides those of the job.
    fileprivate var overrides: [String] {
        guard samples != nil || filters != nil else { return [] }
        return [
            "|", sha256, samples?.rawValue ?? "", filters.map { $0.map(\.description).joined(separator: "|") } ?? "",
        ]
    }
}
