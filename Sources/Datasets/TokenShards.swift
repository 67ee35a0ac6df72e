import Durable
import Jobs
import TextFilters
import Tokenizers

/// The tokenized corpora of a run, split into training and held-out rows.
public struct TokenShards: Sendable {
    public let training: TokenShard
    public let heldOut: TokenShard

    /// Opens the shards that `build` wrote to `directory` for the given source.
    /// - Parameter vocabularySize: the tokenizer's vocabulary size
    public init(directory: String, source: ShardSource, vocabularySize: Int) throws(DatasetError) {
        func open(_ name: String) throws(DatasetError) -> TokenShard {
            try TokenShard(
                path: "\(directory)/\(name).tokens", key: source.key, vocabularySize: vocabularySize,
                longestRow: source.blockSize)
        }
        training = try open("training")
        heldOut = try open("held-out")
    }

    /// Splits, filters and tokenizes all corpora and writes the shards to `directory`, which must exist.
    /// - Parameters:
    ///   - begins: called before a corpus is read
    ///   - progress: called after each group of samples
    ///   - ends: called after each corpus with the number of units that were split because of their length
    public static func build(
        directory: String, source: ShardSource, tokenizer: ByteLevelBPETokenizer,
        begins: (JobCorpus) -> Void = { _ in }, progress: () -> Void = {},
        ends: (_ corpus: JobCorpus, _ cutUnits: Int) -> Void = { _, _ in }
    ) throws(DatasetError) -> TokenShards {
        func side(_ name: String) throws(DatasetError) -> ShardSide {
            let writer = try TokenShardWriter(
                path: "\(directory)/\(name).tokens", vocabularySize: tokenizer.vocabularySize, key: source.key)
            return ShardSide(writer: writer, rows: TokenRows(source))
        }
        var training = try side("training")
        var heldOut = try side("held-out")
        let seen = SeenTexts()
        for corpus in source.corpora {
            begins(corpus)
            var reader = try SampleReader(
                corpus: corpus, unit: source.unit, filters: source.filters, seen: seen)
            while true {
                let samples = try reader.next(atMost: samplesAtOnce, bytes: bytesAtOnce)
                if samples.isEmpty { break }
                let encodings = tokenizer.encodeBatch(samples.map(\.text), specialTokens: .asText)
                for (sample, tokens) in zip(samples, encodings) where !tokens.isEmpty {
                    if sample.isHeldOut(share: source.heldOut) {
                        try heldOut.append(sample, tokens)
                    } else {
                        try training.append(sample, tokens)
                    }
                }
                progress()
            }
            ends(corpus, reader.cutUnits)
        }
        try training.finish()
        try heldOut.finish()
        return try TokenShards(
            directory: directory, source: source, vocabularySize: tokenizer.vocabularySize)
    }

    private static let samplesAtOnce = 2048
    /// Maximum size of text that is encoded at once: for a long word, the encoder needs about forty bytes of memory per
    /// byte on each thread.
    private static let bytesAtOnce = 4 << 20
}

/// One of a run's two shards while it is being written. Packing never mixes the two.
private struct ShardSide {
    let writer: TokenShardWriter
    var rows: TokenRows

    mutating func append(_ sample: Sample, _ tokens: [Int32]) throws(DatasetError) {
        try writer.append(
            rows: rows.append(tokens), textBytes: sample.text.utf8.count, textTokens: tokens.count)
    }

    mutating func finish() throws(DatasetError) {
        try writer.append(rows: rows.finish(), textBytes: 0, textTokens: 0)
        try writer.finish()
    }
}

extension SampleReader {
    /// Returns the next samples.
    /// - Parameter most: size of the text, in bytes, after which no further sample is added
    mutating func next(atMost count: Int, bytes most: Int) throws(DatasetError) -> [Sample] {
        var samples: [Sample] = []
        var bytes = 0
        while samples.count < count, bytes < most, let sample = try next() {
            bytes += sample.text.utf8.count
            samples.append(sample)
        }
        return samples
    }
}

/// Everything that determines the tokens in the shards and their order.
public struct ShardSource: Sendable, Equatable {
    /// Corpora sorted by SHA-256, so that the same corpora give the same shards regardless of their order.
    public let corpora: [JobCorpus]
    public let objective: Objective
    public let unit: SampleUnit
    public let filters: [TextFilter]
    public let blockSize: Int
    public let heldOut: Double
    /// A digest of the tokenizer's files.
    public let tokenizerDigest: String

    /// - Parameters:
    ///   - blockSize: maximum number of tokens in a row, including `<s>` and `</s>`
    ///   - heldOut: share of the samples that are held out
    public init(
        corpora: [JobCorpus], objective: Objective, unit: SampleUnit, filters: [TextFilter], blockSize: Int,
        heldOut: Double,
        tokenizerDigest: String
    ) {
        self.corpora = corpora.sorted { $0.sha256 < $1.sha256 }
        self.objective = objective
        self.unit = unit
        self.filters = filters
        self.blockSize = blockSize
        self.heldOut = heldOut
        self.tokenizerDigest = tokenizerDigest
    }

    public init(job: Job, tokenizerDigest: String) {
        self.init(
            corpora: job.corpora, objective: job.objective, unit: job.samples, filters: job.filters,
            blockSize: job.recipe.blockSize, heldOut: job.recipe.heldOut, tokenizerDigest: tokenizerDigest)
    }

    package var key: UInt64 {
        let parts =
            corpora.map(\.sha256) + ["|", objective.rawValue, unit.rawValue, "|"] + filters.map(\.description)
            + ["|", "\(blockSize)", "\(heldOut)", tokenizerDigest] + corpora.flatMap(\.overrides)
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
