import Durable
import FoundationEssentials
import Jobs
import TextFilters
import Tokenizers

/// The tokenized corpora of a run, split into training and held-out rows.
public struct TokenShards: Sendable {
    public let training: TokenShard
    public let heldOut: TokenShard
    /// Nil for the shards of an older version.
    public let summary: TextSummary?
    /// The training rows of each corpus. Nil for the shards of an older version, or if the file is damaged.
    public let corpusRows: CorpusRows?

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
        let json = try? Durable.read(TokenShards.summaryPath(directory), atMost: 1 << 20)
        summary = json.flatMap { try? JobCoding.decode(TextSummary.self, from: Data($0)) }
        corpusRows = CorpusRows.read(directory, of: training)
    }

    /// Returns the path of the training shard in a directory.
    public static func trainingPath(_ directory: String) -> String { "\(directory)/training.tokens" }

    private static func summaryPath(_ directory: String) -> String { "\(directory)/text.json" }

    /// Splits, filters and tokenizes all corpora and writes the shards to `directory`, which must exist.
    /// - Parameters:
    ///   - begins: called before a corpus is read
    ///   - progress: called periodically
    public static func build(
        directory: String, source: ShardSource, tokenizer: ByteLevelBPETokenizer,
        layouts: CorpusLayouts = CorpusLayouts(), begins: (JobCorpus) -> Void = { _ in }, progress: () -> Void = {}
    ) throws(DatasetError) -> TokenShards {
        var sides = try ShardSides(directory: directory, source: source, tokenizer: tokenizer)
        var divisions: [TextSummary.Division] = []
        var counts = SampleCounts()
        let seen = SeenTexts()
        for (index, corpus) in source.corpora.enumerated() {
            begins(corpus)
            sides.begin(corpus: index)
            let layout = try layouts.layout(of: corpus, unit: source.unit, filters: source.filters, progress: progress)
                .layout(for: source.objective)
            var reader = try SampleReader(
                corpus: corpus, layout: layout, filters: source.filters, seen: seen, progress: progress)
            while true {
                let samples = try reader.next(atMost: samplesAtOnce, bytes: bytesAtOnce)
                if samples.isEmpty { break }
                let encoded = TokenizedSample.encode(samples, tokenizer, for: source.objective)
                for (sample, tokens) in zip(samples, encoded) where !tokens.tokens.isEmpty {
                    try sides.add(sample, tokens)
                }
                progress()
            }
            counts += reader.counts
            if divisions.count < TextSummary.mostCorpora {
                divisions.append(.init(corpus, layout))
            }
        }
        let corpusRows = try sides.finishTraining()
        let summary = sides.summary(counts, divisions, corpusCount: source.corpora.count)
        do {
            try Durable.write(try JobCoding.encode(summary, pretty: true), to: summaryPath(directory))
            try corpusRows.write(directory)
        } catch let error as DurableError {
            throw .file(error)
        } catch {
            preconditionFailure("a summary cannot be encoded: \(error)")
        }
        try sides.finishHeldOut()
        return try TokenShards(
            directory: directory, source: source, vocabularySize: tokenizer.vocabularySize)
    }

    private static let samplesAtOnce = 2048
    /// Maximum size of text that is encoded at once: for a long word, the encoder needs about forty bytes of memory per
    /// byte on each thread.
    private static let bytesAtOnce = 4 << 20
}

extension TextSummary.Division {
    fileprivate init(_ corpus: JobCorpus, _ layout: CorpusLayout) {
        self.init(name: corpus.name, samples: layout.unit, joinsLines: layout.joinsLines, reason: layout.reason)
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
