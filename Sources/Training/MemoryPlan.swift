import Jobs
import Models

/// How much of a batch goes through the model at once, and what memory the run needs with it.
public struct MemoryPlan: Sendable, Equatable {
    /// Tokens at once; a larger batch is taken in parts, which gives the same gradients up to rounding.
    public let maximumTokens: Int
    /// Tokens of the longest sequence that will come, in training or evaluation.
    public let longestRow: Int
    /// Bytes of weights, gradients, moments, activations and the products' scratch; without the program itself.
    public let bytes: Int

    /// Bytes that activations may take where memory does not say less. The same everywhere, so that a run gives the same
    /// numbers on a machine with other memory.
    public static let activationBytes = 1 << 30

    /// The largest plan that keeps to both limits; where even one sequence at a time does not, the plan for that.
    /// - Parameters:
    ///   - activationBytes: what activations may take
    ///   - limit: what the whole plan may take; nil asks no one
    public init(
        configuration: RobertaConfiguration, recipe: Recipe, longestRow: Int,
        activationBytes: Int = MemoryPlan.activationBytes, limit: Int? = nil
    ) {
        var tokens = longestRow * recipe.perDeviceTrainBatchSize
        while tokens > longestRow {
            let activations = TrainingPass.bytes(
                configuration, maximumTokens: tokens, maximumSequenceLength: longestRow)
            let whole = MemoryPlan.bytes(configuration, recipe, tokens: tokens, longestRow: longestRow)
            if activations <= activationBytes, whole <= limit ?? .max { break }
            tokens = max(tokens * 3 / 4, longestRow)
        }
        self.init(configuration: configuration, recipe: recipe, longestRow: longestRow, maximumTokens: tokens)
    }

    /// The plan for as many tokens at once, decided earlier.
    init(configuration: RobertaConfiguration, recipe: Recipe, longestRow: Int, maximumTokens: Int) {
        self.maximumTokens = maximumTokens
        self.longestRow = longestRow
        bytes = MemoryPlan.bytes(configuration, recipe, tokens: maximumTokens, longestRow: longestRow)
    }

    private static func bytes(_ configuration: RobertaConfiguration, _ recipe: Recipe, tokens: Int, longestRow: Int)
        -> Int
    {
        let layout = ParameterLayout(configuration)
        // A batch may well have more to guess than its share.
        let scoredRows =
            configuration.isDecoder ? tokens : min(tokens, Int(1.2 * recipe.mlmProbability * Double(tokens)) + 1)
        // Weights, gradients, first moments; second moments of what AdamW moves.
        let numbers = 3 * layout.storageCount + Optimizer.secondMoments(layout, recipe)
        return 4 * numbers
            + TrainingPass.bytes(
                configuration, maximumTokens: tokens, maximumSequenceLength: longestRow, scoredRows: scoredRows)
            + Optimizer.scratchBytes(layout, recipe)
            + TrainingPass.scratchBytes(configuration, maximumTokens: tokens, scoredRows: scoredRows)
    }
}
