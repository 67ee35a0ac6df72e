import Crypto
import Datasets
import Digests
import Durable
import Glibc
import Jobs
import Models
import TextFilters
import Tokenizers

/// The generation that a run starts from, verified against its job.
struct StartingGeneration {
    let start: JobStart
    let architecture: Architecture

    /// Epochs of a warm start if the job does not set them.
    static let epochs = 2.0

    /// - Throws: `TrainingError.start` if the generation was removed, was changed, or has a different shape than the
    ///   job specifies
    init(_ start: JobStart, of job: Job) throws {
        self.start = start
        func refuse(_ path: String, _ reason: String) -> TrainingError {
            .start(generation: start.generation, path: path, reason: reason)
        }
        let weights = "\(start.directory)/\(ModelDirectory.weightsFile)"
        guard access(weights, F_OK) == 0 else { throw refuse(weights, "does not exist (retention.keep_generations)") }
        let digest = try SHA256.hash(ofFile: weights).hexadecimal
        guard digest == start.modelSha256 else {
            throw refuse(weights, "has the SHA-256 \(digest) instead of \(start.modelSha256)")
        }
        let configuration = "\(start.directory)/\(ModelDirectory.configurationFile)"
        do {
            architecture = try Architecture.trained(configuration)
        } catch {
            throw refuse(configuration, "cannot be read (\(error))")
        }
        if let contradiction = job.architecture.contradiction(to: architecture) {
            throw refuse(configuration, "contradicts the job (\(contradiction))")
        }
    }

    func tokenizer() throws(TokenizerError) -> ByteLevelBPETokenizer {
        try ByteLevelBPETokenizer.load(directory: start.directory)
    }

    /// Sets the parameters of a new model to those of the generation.
    /// - Parameters:
    ///   - tokenizer: the run's tokenizer
    ///   - shrink: the share of the generation's parameters
    /// - Returns: the number of tokens whose embedding was composed
    func carryOver(into model: RobertaModel, _ tokenizer: ByteLevelBPETokenizer, shrink: Double) throws -> Int {
        let earlier = try RobertaModel.load(directory: start.directory)
        var comparable = earlier.configuration
        comparable.vocabSize = model.configuration.vocabSize
        comparable.hiddenDropoutProb = model.configuration.hiddenDropoutProb
        comparable.attentionProbsDropoutProb = model.configuration.attentionProbsDropoutProb
        comparable.initializerRange = model.configuration.initializerRange
        guard comparable == model.configuration else {
            throw TrainingError.start(
                generation: start.generation, path: start.directory, reason: "does not have the shape in the job")
        }
        let old = try self.tokenizer()
        let oldRows = earlier.configuration.vocabSize
        var composed = 0
        let pieces = (0..<Int32(model.configuration.vocabSize)).map { row -> [Int32] in
            guard row < tokenizer.vocabularySize else {
                // Rows without a token are kept, so that an unchanged tokenizer gives the same model.
                return row >= old.vocabularySize && row < oldRows ? [row] : []
            }
            let pieces = old.pieces(of: row, from: tokenizer)
            if pieces.count > 1 { composed += 1 }
            return pieces
        }
        model.carryOver(from: earlier, pieces: pieces, shrink: shrink)
        return composed
    }
}

/// How well two tokenizers represent the new text of a warm start.
struct TokenizerComparison {
    /// Bytes per token of the generation's tokenizer.
    let kept: Double
    /// Bytes per token of a tokenizer that is trained on all of the run's text.
    let own: Double

    /// How much fewer bytes per token the generation's tokenizer may have and still be kept.
    static let tolerance = 0.05
    /// Size of the text that the tokenizers are compared on, in bytes.
    static let mostBytes = 1 << 20

    /// - Parameter texts: new text; if there is none, the generation's tokenizer is kept
    init(texts: [String], kept: ByteLevelBPETokenizer, own: ByteLevelBPETokenizer) {
        let bytes = Double(texts.reduce(0) { $0 + $1.utf8.count })
        func bytesPerToken(_ tokenizer: ByteLevelBPETokenizer) -> Double {
            let tokens = tokenizer.encodeBatch(texts, specialTokens: .asText).reduce(0) { $0 + $1.count }
            return bytes / Double(max(tokens, 1))
        }
        (self.kept, self.own) = (bytesPerToken(kept), bytesPerToken(own))
    }

    var isKept: Bool { kept >= own * (1 - TokenizerComparison.tolerance) }
}

extension Job {
    /// Returns samples of the corpora that the generation was not trained on, about as much of each.
    func newText(_ layouts: CorpusLayouts, mostBytes: Int, progress: () -> Void) throws -> [String] {
        let old = Set(start?.corpora ?? [])
        let new = corpora.filter { !old.contains($0.sha256) }.sorted { $0.sha256 < $1.sha256 }
        var texts: [String] = []
        var bytes = 0
        for (index, corpus) in new.enumerated() where bytes < mostBytes {
            let layout = try layouts.layout(of: corpus, unit: samples, filters: filters, progress: progress)
                .layout(for: objective)
            var reader = try SampleReader(
                corpus: corpus, layout: layout, filters: filters, seen: SeenTexts(), progress: progress)
            // The share that shorter corpora do not use is divided among those that follow.
            let limit = bytes + max((mostBytes - bytes) / (new.count - index), 1)
            while bytes < limit, let sample = try reader.next() {
                texts.append(sample.text)
                bytes += sample.text.utf8.count
                progress()
            }
        }
        return texts
    }
}

extension Job {
    /// Returns the rows that each epoch visits; nil for all rows, unless the job is a warm start.
    func replay(_ shards: TokenShards) -> Replay? {
        guard let start, let rows = shards.corpusRows else { return nil }
        return Replay(newRows: rows.rows(besides: Set(start.corpora)), of: shards.training.rows, ratio: recipe.replay)
    }

    /// Returns the totals of the rows that an epoch visits. The number of tokens is that of rows of average length.
    func epoch(of shards: TokenShards) -> ShardTotals {
        var totals = shards.training.totals
        guard totals.rows > 0, let replay = replay(shards) else { return totals }
        totals.tokens = Int(Double(totals.tokens) * Double(replay.count) / Double(totals.rows))
        totals.rows = replay.count
        return totals
    }
}
