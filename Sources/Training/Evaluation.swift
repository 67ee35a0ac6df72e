import Datasets
import Glibc
import Jobs
import Kernels
import Models

extension TrainStep {
    /// Evaluates the model on the held-out samples, with the same masks every time. Returns nil if no
    /// token can be scored.
    /// - Parameters:
    ///   - totals: totals of the shard that the batches come from
    ///   - progress: called after each batch
    func evaluate(
        _ batches: EvaluationBatches, totals: ShardTotals, objective: Objective, step: Int, progress: () -> Void
    ) -> RunEvent.Evaluation? {
        var sums = LossAccumulator()
        for batch in batches where !batch.scoredRows.isEmpty {
            sums += evaluate(batch)
            progress()
        }
        return RunEvent.Evaluation(
            sums, objective: objective, textTokens: totals.textTokens, textBytes: totals.textBytes, step: step)
    }
}

extension RunEvent.Evaluation {
    /// Creates an evaluation from summed losses. Nil if no token was scored or the loss is not finite.
    /// - Parameters:
    ///   - textTokens: number of tokens of the evaluated text, without special tokens
    ///   - textBytes: number of bytes of the evaluated text
    init?(_ sums: LossAccumulator, objective: Objective, textTokens: Int, textBytes: Int, step: Int) {
        guard sums.count > 0, sums.loss.isFinite else { return nil }
        let loss = sums.loss / Double(sums.count)
        // The mean cost of a masked token is applied to all tokens of the text.
        let nats =
            switch objective {
            case .clm: sums.loss
            case .mlm: loss * Double(textTokens)
            }
        self.init(
            step: step, loss: loss, perplexity: min(exp(loss), .greatestFiniteMagnitude),
            accuracy: Double(sums.correct) / Double(sums.count), bitsPerByte: nats / (log(2) * Double(textBytes)))
    }
}
