import Datasets
import Formatting
import Jobs

extension Recipe {
    /// Returns the batch size for the rows of an epoch; nil if the recipe sets one.
    func batch(for training: ShardTotals) -> AutomaticBatch? {
        automaticBatch(rows: training.rows, tokens: training.tokens)
    }

    /// Returns the recipe with a batch size for the training rows of a run, unless it sets one.
    func fitted(to training: ShardTotals) -> Recipe {
        var recipe = self
        recipe.perDeviceTrainBatchSize = batch(for: training)?.size ?? perDeviceTrainBatchSize
        return recipe
    }
}

extension AutomaticBatch {
    /// Why the size was chosen, to follow the size in a sentence.
    /// - Parameter rows: the number of rows in an epoch
    func reason(rows: Int) -> String {
        isForSteps
            ? "because there are only \(MessageFormat.count(rows)) training rows"
            : "because a row has \(MessageFormat.fixed(rowTokens, 1)) tokens on average"
    }
}
