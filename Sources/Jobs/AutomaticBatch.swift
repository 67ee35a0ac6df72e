/// The batch size of a recipe that does not set one.
///
/// It is counted in tokens, because a paragraph has many times the tokens of a line. The cost of an optimizer step does not
/// depend on the batch, so a batch with few tokens spends most of its time on it.
public struct AutomaticBatch: Sendable, Equatable {
    /// Tokens in a batch: about those of 128 lines or 16 paragraphs of a book.
    public static let tokens = 1_800
    /// The approximate minimum number of steps in an epoch. A short text gets smaller batches, because it takes little
    /// time to train on, and a model learns little in few steps.
    public static let stepsPerEpoch = 100
    /// The sizes that are chosen: multiples of the smallest.
    public static let sizes = 8...256

    /// Rows in a batch.
    public let size: Int
    /// Average number of tokens in a row.
    public let rowTokens: Double
    /// Whether the size was chosen for the number of steps in an epoch instead of the number of tokens in a batch.
    public let isForSteps: Bool

    /// - Parameters:
    ///   - rows: the number of training rows
    ///   - tokens: the number of tokens in all of them
    ///   - perStep: the number of batches in a step
    public init(rows: Int, tokens: Int, perStep: Int = 1) {
        rowTokens = Double(max(tokens, 1)) / Double(max(rows, 1))
        let forTokens = Double(AutomaticBatch.tokens) / rowTokens
        let forSteps = Double(rows) / Double(AutomaticBatch.stepsPerEpoch) / Double(max(perStep, 1))
        let sizes = AutomaticBatch.sizes
        let rows = min(forTokens, forSteps, Double(sizes.upperBound)) / Double(sizes.lowerBound)
        let units = rows.rounded(forSteps < forTokens ? .down : .toNearestOrAwayFromZero)
        size = max(Int(units), 1) * sizes.lowerBound
        isForSteps = forSteps < forTokens
    }
}

extension Recipe {
    /// Returns the batch size for the rows of an epoch; nil if the recipe sets one.
    /// - Parameter tokens: the number of tokens in all rows
    public func automaticBatch(rows: Int, tokens: Int) -> AutomaticBatch? {
        guard perDeviceTrainBatchSize == nil else { return nil }
        return AutomaticBatch(rows: rows, tokens: tokens, perStep: gradientAccumulationSteps)
    }
}
