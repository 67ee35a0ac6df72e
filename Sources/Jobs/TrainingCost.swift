/// The time that training takes, estimated before there is a model to measure.
struct TrainingCost {
    /// Floating-point operations of the matrix products of an epoch.
    let operationsPerEpoch: Double
    let stepsPerEpoch: Double

    init(_ shape: ModelShape, _ recipe: Recipe, _ objective: Objective, _ text: TrainingText) {
        let (hidden, inner, layers) = (Double(shape.hidden), Double(shape.intermediate), Double(shape.layers))
        let (rows, tokens) = (Double(max(text.rows, 1)), Double(text.tokens))
        let scoredShare = objective == .clm ? 1 : recipe.mlmProbability
        let head = scoredShare * hidden * (hidden + Double(text.vocabulary))
        let attention = layers * 2 * hidden * tokens / rows
        let passes = 6 * tokens * (layers * Double(shape.weightsOfLayer) + head + attention)
        let batch =
            recipe.automaticBatch(rows: text.rows, tokens: text.tokens)?.size ?? recipe.batchSize
        stepsPerEpoch = (rows / Double(batch * recipe.gradientAccumulationSteps)).rounded(.up)
        guard recipe.optimizer == .muon else {
            operationsPerEpoch = passes
            return
        }
        // Five Newton–Schulz iterations. With m the smaller and n the larger dimension: m²·n for a triangle of the Gram
        // matrix, m³ for one of its square, 2·m²·n for the product.
        func iterations(_ rows: Double, _ columns: Double) -> Double {
            let (m, n) = (min(rows, columns), max(rows, columns))
            return 5 * m * m * (3 * n + m)
        }
        operationsPerEpoch =
            passes + stepsPerEpoch * layers * (4 * iterations(hidden, hidden) + 2 * iterations(hidden, inner))
    }

    /// Share of the rate of register-resident instructions that steps reach.
    private static let utilization = 0.5

    func secondsPerEpoch(_ operationsPerSecond: Double) -> Double {
        operationsPerEpoch / (operationsPerSecond * TrainingCost.utilization)
    }
}
