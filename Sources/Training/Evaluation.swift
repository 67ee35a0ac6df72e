import Datasets
import Glibc
import Jobs
import Kernels
import Models

extension Learner {
    /// How the model does on the held-out samples, with the same masks every time; nil where no token can be scored.
    /// - Parameter totals: of the shard that the batches come from
    func evaluate(_ batches: EvaluationBatches, totals: ShardTotals, objective: Objective, step: Int)
        -> RunEvent.Evaluation?
    {
        var sums = LossSums()
        for batch in batches where !batch.scoredRows.isEmpty { sums += evaluate(batch) }
        guard sums.count > 0, sums.loss.isFinite else { return nil }
        let loss = sums.loss / Double(sums.count)
        // A masked model says what a token costs, and is taken to ask for all of them.
        let nats =
            switch objective {
            case .clm: sums.loss
            case .mlm: loss * Double(totals.textTokens)
            }
        return RunEvent.Evaluation(
            step: step, loss: loss, perplexity: min(exp(loss), .greatestFiniteMagnitude),
            accuracy: Double(sums.hits) / Double(sums.count), bitsPerByte: nats / (log(2) * Double(totals.textBytes)))
    }
}
