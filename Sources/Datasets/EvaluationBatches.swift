import Jobs
import Random
import Tokenizers

/// The held-out rows in order, in batches of at most `maximumTokens` tokens.
///
/// Masks depend only on the row number. All evaluations of a run therefore mask the same tokens, and so do two runs on
/// the same rows, regardless of their `mlm_probability`.
public struct EvaluationBatches: Sequence, Sendable {
    private let shard: any TokenRowSource
    private let objective: Objective
    private let masking: Masking
    private let maximumTokens: Int
    private let markers: ConversationMarkers?

    /// Share of the tokens that are masked for evaluation (Devlin et al. 2018).
    public static let mlmProbability = 0.15

    /// - Parameter markers: those of the tokenizer, if it has any
    public init(
        shard: any TokenRowSource, objective: Objective, tokenizerVocabulary: Int, maximumTokens: Int,
        markers: ConversationMarkers? = nil
    ) {
        self.markers = markers
        self.shard = shard
        self.objective = objective
        masking = Masking(
            probability: Float(EvaluationBatches.mlmProbability), vocabularySize: tokenizerVocabulary)
        self.maximumTokens = maximumTokens
    }

    public func makeIterator() -> AnyIterator<Batch> {
        var next = 0
        return AnyIterator {
            guard next < shard.rows else { return nil }
            var batch = Batch()
            repeat {
                add(row: next, to: &batch)
                next += 1
            } while next < shard.rows && batch.tokens + shard.length(ofRow: next) <= maximumTokens
            if objective == .clm { batch.scoreNextTokens(markers) }
            return batch
        }
    }

    private func add(row: Int, to batch: inout Batch) {
        let start = batch.tokens
        shard.append(row: row, to: &batch.inputIDs)
        batch.sequenceOffsets.append(batch.tokens)
        guard objective == .mlm else { return }
        // A constant seed, so that masks do not depend on the run.
        let generator = Philox(seed: 0, purpose: .evaluation)
        let scored = batch.scoredRows.count
        for place in start..<batch.tokens {
            let block = generator.block(step: UInt32(row), index: UInt64(place - start))
            masking.mask(&batch, row: place, block: block)
        }
        if row == 0, batch.scoredRows.count == scored {
            masking.maskOne(&batch, rows: start..<batch.tokens, block: generator.block(step: 0, index: .max))
        }
    }
}
