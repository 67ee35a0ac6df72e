/// The architecture and the number of epochs that a run chooses where its settings say `auto`: of the candidates that fit
/// into the time, the one with the lowest expected bits per byte.
///
/// The expectation (`LearningLaw`) is made to compare candidates; as a forecast of one of them it is rough.
public struct AutomaticModel: Sendable, Equatable {
    /// All of its numbers are set, except that `vocabSize` may be left to the tokenizer.
    public let architecture: Architecture
    public let epochs: Double
    /// The limit for the training time in seconds; nil if there is none.
    public let maxSeconds: Double?
    /// Expected training time in seconds, if the machine does nothing else.
    public let seconds: Double
    /// Expected number of optimizer steps.
    public let steps: Int
    public let parameters: Int
    /// Expected bits per byte of held-out text.
    public let bitsPerByte: Double
    /// Whether the time ends before the first epoch.
    public let endsEarly: Bool

    /// See `LearningLaw`.
    public static let uncertainty = LearningLaw.uncertainty

    /// Approximate peak memory of the run: 16 bytes for each parameter, and half a gigabyte for activations and the program.
    public var memoryBytes: Int { 16 * parameters + 500_000_000 }

    /// - Parameters:
    ///   - architecture, recipe: numbers that are set are kept
    ///   - text: the text to train on
    ///   - operationsPerSecond: rate of a register-resident loop on all threads, in the run's precision
    public init(
        _ architecture: Architecture, _ recipe: Recipe, for objective: Objective, text: TrainingText,
        operationsPerSecond: Double
    ) {
        let limit = recipe.maxTime.seconds(textBytes: text.bytes)
        let law = LearningLaw(objective)
        let candidates = ModelShape.candidates(architecture).flatMap { shape in
            let cost = TrainingCost(shape, recipe, objective, text)
            let secondsPerEpoch = cost.secondsPerEpoch(max(operationsPerSecond, 1))
            let inTime = limit.map { AutomaticModel.usedShare * $0 / secondsPerEpoch } ?? .infinity
            let most = min(inTime, Double(recipe.mostSteps) / cost.stepsPerEpoch)
            return AutomaticModel.epochs(recipe, atMost: most).map { epochs in
                Candidate(
                    shape: shape, epochs: epochs, share: min(most / epochs, 1), endsEarly: inTime < min(epochs, 1),
                    seconds: min(epochs, most) * secondsPerEpoch,
                    bits: law.bitsPerByte(
                        shape, textBytes: text.bytes, epochs: min(epochs, most), stepsPerEpoch: cost.stepsPerEpoch))
            }
        }
        let lowest = candidates.map(\.bits).min()!
        let best = candidates.filter { $0.bits <= lowest * AutomaticModel.tolerance }.min { $0.seconds < $1.seconds }!
        let dropout = 0.1
        self.architecture = architecture.completed(
            with: Architecture(
                vocabSize: nil, hiddenSize: best.shape.hidden, numHiddenLayers: best.shape.layers,
                numAttentionHeads: best.shape.heads, intermediateSize: best.shape.intermediate,
                hiddenDropoutProb: dropout, attentionProbsDropoutProb: dropout))
        epochs = best.epochs
        maxSeconds = limit
        seconds = best.seconds
        let cost = TrainingCost(best.shape, recipe, objective, text)
        steps = max(Int((best.epochs * best.share * cost.stepsPerEpoch).rounded()), 1)
        parameters = best.shape.parameters(rows: text.vocabulary, positions: architecture.maxPositionEmbeddings)
        bitsPerByte = best.bits
        endsEarly = best.endsEarly
    }

    private struct Candidate {
        var shape: ModelShape
        var epochs: Double
        /// The share of the epochs that fits into the time and the number of steps.
        var share: Double
        var endsEarly: Bool
        var seconds: Double
        var bits: Double
    }

    /// Returns the numbers of epochs that are compared. A run that ends at its time limit is chosen only if its number
    /// of epochs is set, or if there is no time for a single epoch.
    private static func epochs(_ recipe: Recipe, atMost most: Double) -> [Double] {
        if let epochs = recipe.numTrainEpochs { return [epochs] }
        let known: [Double] = [1, 1.5, 2, 3, 4, 5, 6, 8, 10, 12, 16, 20].filter { $0 <= most }
        guard let last = known.last else { return [1] }
        let rest = (most * 10).rounded(.down) / 10
        return last == 20 || rest == last ? known : known + [rest]
    }

    /// The share of the time that a choice fills, because the time that it takes is an estimate, and a run that ends before
    /// its limit does not depend on the speed of the machine.
    private static let usedShare = 0.85
    /// Of the candidates that are hardly worse than the best, the one that takes the least time is chosen.
    private static let tolerance = 1.001
}

/// The size of the text that a run trains on.
public struct TrainingText: Sendable, Equatable {
    public var rows: Int
    public var tokens: Int
    public var bytes: Int
    /// Rows of the word embedding.
    public var vocabulary: Int

    public init(rows: Int, tokens: Int, bytes: Int, vocabulary: Int) {
        self.rows = rows
        self.tokens = tokens
        self.bytes = bytes
        self.vocabulary = vocabulary
    }

    /// Estimates the tokens and rows of a text before it is tokenized, as if it were English prose; other languages and
    /// short lines have more tokens.
    /// - Parameter bytes: size of the corpora
    public init(estimatedFrom bytes: Int, _ architecture: Architecture, _ recipe: Recipe, for objective: Objective) {
        let trained = Double(max(bytes, 1)) * (1 - recipe.heldOut)
        vocabulary = architecture.vocabSize ?? AutomaticModel.vocabulary(textBytes: bytes, for: objective)
        let tokens = trained / TrainingText.bytesPerToken(vocabulary: vocabulary)
        self.bytes = Int(trained)
        self.tokens = max(Int(tokens), 1)
        rows = max(Int(tokens / TrainingText.rowTokens), 1)
    }
}
