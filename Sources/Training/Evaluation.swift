import Datasets
import Glibc
import Jobs
import Kernels
import Models

extension Learner {
    /// How the model does on the held-out samples, with the same masks every time; nil where no token can be scored.
    /// - Parameters:
    ///   - totals: of the shard that the batches come from
    ///   - progress: called after each batch
    func evaluate(
        _ batches: EvaluationBatches, totals: ShardTotals, objective: Objective, step: Int, progress: () -> Void
    ) -> RunEvent.Evaluation? {
        var sums = LossSums()
        for batch in batches where !batch.scoredRows.isEmpty {
            sums += evaluate(batch)
            progress()
        }
        return RunEvent.Evaluation(
            sums, objective: objective, textTokens: totals.textTokens, textBytes: totals.textBytes, step: step)
    }
}

extension RunEvent.Evaluation {
    /// Nil where no token was scored, or the loss is no number.
    /// - Parameters:
    ///   - textTokens: of the text that was asked about, without special ones
    ///   - textBytes: of that text
    init?(_ sums: LossSums, objective: Objective, textTokens: Int, textBytes: Int, step: Int) {
        guard sums.count > 0, sums.loss.isFinite else { return nil }
        let loss = sums.loss / Double(sums.count)
        // A masked model says what a token costs, and is taken to ask for all of them.
        let nats =
            switch objective {
            case .clm: sums.loss
            case .mlm: loss * Double(textTokens)
            }
        self.init(
            step: step, loss: loss, perplexity: min(exp(loss), .greatestFiniteMagnitude),
            accuracy: Double(sums.hits) / Double(sums.count), bitsPerByte: nats / (log(2) * Double(textBytes)))
    }
}
