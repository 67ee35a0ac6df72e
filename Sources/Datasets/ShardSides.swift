import Jobs
import Tokenizers

/// A run's two shards while they are being written.
struct ShardSides {
    private var training: ShardSide
    private var heldOut: ShardSide
    private var split: HeldOutSplit<Tokens>
    private let corpora: [JobCorpus]
    /// Index of the corpus that is being read.
    private var corpus = 0
    /// Whether the previous sample is held out.
    private var wasHeldOut = false
    private let truncates: Bool
    /// Tokens and bytes of pieces that are in no row, because their unit is truncated.
    private var truncatedTokens = 0
    private var truncatedBytes = 0

    /// The tokens of a sample and the index of its corpus.
    private struct Tokens {
        var tokens: TokenizedSample
        var corpus: Int
    }

    init(directory: String, source: ShardSource, tokenizer: ByteLevelBPETokenizer) throws(DatasetError) {
        let markers = tokenizer.conversationMarkers
        func side(_ name: String) throws(DatasetError) -> ShardSide {
            let writer = try TokenShardWriter(
                path: "\(directory)/\(name).tokens", vocabularySize: tokenizer.vocabularySize, key: source.key)
            return ShardSide(writer: writer, rows: TokenRows(source, markers))
        }
        training = try side("training")
        heldOut = try side("held-out")
        split = HeldOutSplit(share: source.heldOut)
        corpora = source.corpora
        truncates = TokenRows.endsUnits(truncates: source.truncates, source.objective, source.unit)
    }

    /// Notes that the following samples belong to a corpus.
    mutating func begin(corpus index: Int) { corpus = index }

    mutating func add(_ sample: Sample, _ tokens: TokenizedSample) throws(DatasetError) {
        if truncates, sample.isContinuation {
            truncatedTokens += tokens.tokens.count
            truncatedBytes += sample.text.utf8.count
            return
        }
        for decided in split.add(sample, Tokens(tokens: tokens, corpus: corpus)) {
            try write(decided.sample, decided.value, isHeldOut: decided.isHeldOut)
        }
    }

    /// Completes the training shard and the rows of the other one.
    /// - Returns: the training rows of each corpus
    mutating func finishTraining() throws(DatasetError) -> CorpusRows {
        let isByHash = split.isByHash
        for decided in split.finish() {
            try write(decided.sample, decided.value, isHeldOut: decided.isHeldOut)
        }
        try training.closeRows()
        try heldOut.closeRows()
        let checksum = try training.writer.finish()
        let ranges = training.ranges.map { CorpusRows.Entry(sha256: corpora[$0.corpus].sha256, rows: $0.rows) }
        return CorpusRows(heldOutByHash: isByHash, corpora: ranges, checksum: checksum)
    }

    /// Completes the held-out shard. Without it the shards are built again, so this is the last file to be written.
    func finishHeldOut() throws(DatasetError) { _ = try heldOut.writer.finish() }

    private mutating func write(_ sample: Sample, _ tokens: Tokens, isHeldOut: Bool) throws(DatasetError) {
        // Between two pieces of a unit on the same side, the text continues.
        let continues = sample.isContinuation && isHeldOut == wasHeldOut
        wasHeldOut = isHeldOut
        if isHeldOut {
            try heldOut.append(sample, tokens.tokens, of: tokens.corpus, continues: continues)
        } else {
            try training.append(sample, tokens.tokens, of: tokens.corpus, continues: continues)
        }
    }

    func summary(_ counts: SampleCounts, _ divisions: [TextSummary.Division], corpusCount: Int) -> TextSummary {
        func share(_ bytes: Double) -> Double { counts.bytes == 0 ? 0 : bytes / Double(counts.bytes) }
        let sides = [training, heldOut]
        let inRows = sides.map { share($0.bytesInRows) }
        let truncated = sides.reduce(Double(truncatedBytes)) { $0 + Double($1.textBytes) - $1.bytesInRows }
        return TextSummary(
            bytes: counts.bytes, units: counts.samples,
            tokens: sides.reduce(truncatedTokens) { $0 + $1.textTokens }, trainedShare: inRows[0],
            heldOutShare: inRows[1], truncatedShare: share(truncated),
            filteredShare: share(Double(counts.filteredBytes)), duplicateShare: share(Double(counts.duplicateBytes)),
            filteredUnits: counts.filteredSamples, duplicateUnits: counts.duplicateSamples,
            isUniform: counts.isUniform, filters: counts.filters, corpora: divisions, corpusCount: corpusCount)
    }
}

/// One of the two shards. Packing never mixes them.
private struct ShardSide {
    let writer: TokenShardWriter
    var rows: TokenRows
    private(set) var textBytes = 0
    private(set) var textTokens = 0
    /// The rows of the corpora so far; those of the last one are incomplete.
    private(set) var ranges: [(corpus: Int, rows: Range<Int>)] = []

    init(writer: TokenShardWriter, rows: TokenRows) {
        self.writer = writer
        self.rows = rows
    }

    /// Bytes of the text in the rows: without truncated tokens, which are assumed to have the average size.
    var bytesInRows: Double {
        guard textTokens > 0 else { return 0 }
        return Double(textBytes) * Double(textTokens - rows.truncatedTokens) / Double(textTokens)
    }

    mutating func append(
        _ sample: Sample, _ tokens: TokenizedSample, of corpus: Int, continues: Bool
    ) throws(DatasetError) {
        if ranges.last?.corpus != corpus {
            try writer.append(rows: rows.close(), textBytes: 0, textTokens: 0)
            endRange()
            ranges.append((corpus, writer.rows..<writer.rows))
        }
        textBytes += sample.text.utf8.count
        textTokens += tokens.tokens.count
        try writer.append(
            rows: rows.append(tokens, continues: continues), textBytes: tokens.learnedBytes,
            textTokens: tokens.learnedTokens)
    }

    /// Ends the rows of the last corpus. A packed row that is not complete yet belongs to the next corpus as well.
    private mutating func endRange() {
        guard let last = ranges.last else { return }
        ranges[ranges.count - 1].rows = last.rows.lowerBound..<writer.rows + (rows.hasOpenRow ? 1 : 0)
    }

    /// Writes the last row.
    mutating func closeRows() throws(DatasetError) {
        try writer.append(rows: rows.finish(), textBytes: 0, textTokens: 0)
        endRange()
    }
}
