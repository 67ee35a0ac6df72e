import Glibc
import Jobs
import Kernels
import Models
import Tokenizers

/// How likely a model finds a text.
public struct TextScore: Sendable, Equatable {
    /// In nats: of a causal model, log p(text); of a masked one, the sum over the tokens of log p(token | all others)
    /// (the pseudo-log-likelihood of Salazar et al., 2020).
    public let logLikelihood: Double
    /// The tokens scored; of a causal model the final `</s>` among them.
    public let tokens: Int
    /// −`logLikelihood` ÷ (ln 2 × the text's bytes); 0 for an empty text.
    public let bitsPerByte: Double
}

extension InferenceEngine {
    /// Scores a text, cut into pieces of the longest length that was trained. Takes memory for a few pieces, however long
    /// the text is.
    ///
    /// A causal model is scored on the tokens and a final `</s>`, each piece after an `<s>`; a masked one on each token
    /// masked in turn, each piece between `<s>` and `</s>`.
    /// - Parameter user: whose share of turns it takes
    /// - Throws: `InferenceError.notANumber` and `.invalidParameter`; `CancellationError` before the next batch once the
    ///   task is cancelled.
    public func score(_ text: String, for user: UInt32 = geteuid()) async throws -> TextScore {
        let scored = try await filtered(text, for: user)
        var parts = TextIDs(self, scored, parameter: "text", for: user)
        var sequences = ScoredSequences(objective, trainedLength: trainedLength)
        var (logLikelihood, tokens, hasEnded) = (0.0, 0, false)
        while true {
            try Task.checkCancellation()
            if let batch = sequences.next() {
                tokens += batch.reduce(0) { $0 + $1.scoredCount }
                let cost = batch.reduce(0) { $0 + $1.piece.count }
                logLikelihood += try await WorkQueue.models.run(for: .user(user), cost: cost) {
                    [self] () throws(InferenceError) in
                    try self.logLikelihood(batch)
                }
            } else if hasEnded {
                break
            } else if let ids = try await parts.next() {
                sequences.append(ids)
            } else {
                sequences.end()
                hasEnded = true
            }
        }
        let bytes = scored.utf8.count
        return TextScore(
            logLikelihood: logLikelihood, tokens: tokens,
            bitsPerByte: bytes == 0 ? 0 : -logLikelihood / (M_LN2 * Double(bytes)))
    }

    private func logLikelihood(_ batch: [ScoredSequence]) throws(InferenceError) -> Double {
        var ids: [Int32] = []
        var offsets = [0]
        var places: [Int] = []
        var labels: [Int32] = []
        for sequence in batch {
            sequence.append(ids: &ids, places: &places, labels: &labels)
            offsets.append(ids.count)
        }
        let rows = configuration.vocabSize
        let logits = model.logits(inputIDs: ids, sequenceOffsets: offsets, rows: places) {
            WorkQueue.models.letOthersIn()
        }
        var sum = 0.0
        for (index, label) in labels.enumerated() {
            let scores = logits.withUnsafeBufferPointer {
                Scores(UnsafeBufferPointer(rebasing: $0[index * rows..<(index + 1) * rows]), where: anyID)
            }
            guard scores.infiniteCount == 0 else { throw .notANumber }
            sum += scores.values[Int(label)] - scores.largest - log(scores.normalizer())
        }
        return sum
    }
}
