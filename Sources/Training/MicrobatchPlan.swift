import Jobs
import Models

/// The micro-batch size of a run and the memory that the run needs with it.
public struct MicrobatchPlan: Sendable, Equatable {
    /// Maximum number of tokens per micro-batch. Splitting a batch changes the gradients only by rounding.
    public let maximumTokens: Int
    /// Length of the longest sequence, in tokens, in training or evaluation.
    public let longestRow: Int
    /// Bytes of weights, gradients, moments, activations and temporary memory of products, without the program itself.
    public let bytes: Int

    /// Maximum size of the activations in bytes, unless memory is scarcer. The value is the same on every machine, so
    /// that a run computes the same numbers on machines with different amounts of memory.
    public static let activationBytes = 1 << 30

    /// Creates the largest plan within both limits, or a plan for one sequence at a time if even that exceeds them.
    /// - Parameters:
    ///   - activationBytes: limit for the activations
    ///   - limit: limit for the whole plan; nil for none
    ///   - ranks: number of processes that train together; the plan is that of one of them
    public init(
        configuration: RobertaConfiguration, recipe: Recipe, longestRow: Int,
        activationBytes: Int = MicrobatchPlan.activationBytes, limit: Int? = nil, ranks: Int = 1
    ) {
        // A worker's share of a batch has at most one row more than the average.
        let share = recipe.samplesPerStep / recipe.logicalWorkers + 1
        var tokens = longestRow * (recipe.logicalWorkers == 1 ? recipe.batchSize : min(recipe.batchSize, share))
        while tokens > longestRow {
            let activations = TrainingPass.bytes(
                configuration, maximumTokens: tokens, maximumSequenceLength: longestRow)
            let whole = MicrobatchPlan.bytes(
                configuration, recipe, tokens: tokens, longestRow: longestRow, ranks: ranks)
            if activations <= activationBytes, whole <= limit ?? .max { break }
            tokens = max(tokens * 3 / 4, longestRow)
        }
        self.init(
            configuration: configuration, recipe: recipe, longestRow: longestRow, maximumTokens: tokens, ranks: ranks)
    }

    /// Creates a plan with a micro-batch size that was chosen earlier.
    init(configuration: RobertaConfiguration, recipe: Recipe, longestRow: Int, maximumTokens: Int, ranks: Int = 1) {
        self.maximumTokens = maximumTokens
        self.longestRow = longestRow
        bytes = MicrobatchPlan.bytes(
            configuration, recipe, tokens: maximumTokens, longestRow: longestRow, ranks: ranks)
    }

    private static func bytes(
        _ configuration: RobertaConfiguration, _ recipe: Recipe, tokens: Int, longestRow: Int, ranks: Int
    ) -> Int {
        let layout = ParameterLayout(configuration)
        // A batch may contain more masked tokens than the expected share.
        let scoredRows =
            configuration.isDecoder ? tokens : min(tokens, Int(1.2 * recipe.mlmProbability * Double(tokens)) + 1)
        // Weights, gradients and first moments; second moments of the tensors that AdamW updates.
        let numbers = 3 * layout.storageCount + Optimizer.secondMoments(layout, recipe)
        return 4 * numbers + GradientSum.bytes(layout, workers: recipe.logicalWorkers, ranks: ranks)
            + TrainingPass.bytes(
                configuration, maximumTokens: tokens, maximumSequenceLength: longestRow, scoredRows: scoredRows)
            + Optimizer.scratchBytes(layout, recipe)
            + TrainingPass.scratchBytes(configuration, maximumTokens: tokens, scoredRows: scoredRows)
    }
}
