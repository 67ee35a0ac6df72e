/// How a model is trained, under the names of Hugging Face's `TrainingArguments` where it has one.
public struct Recipe: Codable, Sendable, Equatable {
    public var learningRate: Double
    /// The rate rises linearly over the first `warmupRatio` of the steps, then falls linearly to 0.
    public var warmupRatio: Double
    public var weightDecay: Double
    public var adamBeta1: Double
    public var adamBeta2: Double
    public var adamEpsilon: Double
    /// The gradient is scaled down to this norm where it is larger.
    public var maxGradNorm: Double
    /// Samples a step.
    public var perDeviceTrainBatchSize: Int
    public var numTrainEpochs: Double
    /// Ends the run earlier than `numTrainEpochs` would; null does not.
    public var maxSteps: Int?
    /// Seconds of training after which the run ends; the learning rate falls to 0 by then. Null does not end it.
    public var maxTime: Double?
    /// Tokens a sample holds at most, `<s>` and `</s>` included.
    public var blockSize: Int
    /// What matrix products are computed in.
    public var precision: PrecisionSetting
    /// Share of the tokens that a masked model has to guess: of these 80 % are masked, 10 % replaced, 10 % left.
    public var mlmProbability: Double
    /// The tokenizer's: pairs seen less often are not merged.
    public var minFrequency: Int
    /// Share of the samples held out for evaluation, by the hash of their text.
    public var heldOut: Double
    public var loggingSteps: Int
    public var evalSteps: Int
    public var saveSteps: Int
    public var saveTotalLimit: Int
    public var seed: UInt64

    public init(
        learningRate: Double, warmupRatio: Double, weightDecay: Double, adamBeta1: Double = 0.9,
        adamBeta2: Double = 0.999, adamEpsilon: Double = 1e-8, maxGradNorm: Double = 1.0,
        perDeviceTrainBatchSize: Int, numTrainEpochs: Double, maxSteps: Int? = nil, maxTime: Double? = nil,
        blockSize: Int = 128, precision: PrecisionSetting = .auto, mlmProbability: Double = 0.15, minFrequency: Int = 2,
        heldOut: Double = 0.1,
        loggingSteps: Int = 50, evalSteps: Int = 500, saveSteps: Int = 500, saveTotalLimit: Int = 2, seed: UInt64 = 1
    ) {
        self.learningRate = learningRate
        self.warmupRatio = warmupRatio
        self.weightDecay = weightDecay
        self.adamBeta1 = adamBeta1
        self.adamBeta2 = adamBeta2
        self.adamEpsilon = adamEpsilon
        self.maxGradNorm = maxGradNorm
        self.perDeviceTrainBatchSize = perDeviceTrainBatchSize
        self.numTrainEpochs = numTrainEpochs
        self.maxSteps = maxSteps
        self.maxTime = maxTime
        self.blockSize = blockSize
        self.precision = precision
        self.mlmProbability = mlmProbability
        self.minFrequency = minFrequency
        self.heldOut = heldOut
        self.loggingSteps = loggingSteps
        self.evalSteps = evalSteps
        self.saveSteps = saveSteps
        self.saveTotalLimit = saveTotalLimit
        self.seed = seed
    }
}

/// What matrix products of training are computed in; everything else is float32 always.
public enum PrecisionSetting: String, Codable, Sendable, CaseIterable {
    /// bfloat16 where the CPU multiplies it. Decided when a run begins, and kept when it is resumed.
    case auto
    case float32, bfloat16
}

/// The recipes that have a name.
public enum RecipeName: String, Codable, Sendable, CaseIterable {
    /// The best we know.
    case `default`
    /// The book's: AdamW 5e-5 falling linearly, one epoch, batch 64, no warm-up.
    case seed

    public func recipe(for objective: Objective) -> Recipe {
        switch (self, objective) {
        case (.seed, _):
            Recipe(
                learningRate: 5e-5, warmupRatio: 0, weightDecay: 0, perDeviceTrainBatchSize: 64, numTrainEpochs: 1)
        case (.default, .mlm):
            Recipe(
                learningRate: 1e-3, warmupRatio: 0.05, weightDecay: 0.01, adamBeta2: 0.98,
                perDeviceTrainBatchSize: 32, numTrainEpochs: 8)
        case (.default, .clm):
            Recipe(
                learningRate: 1e-3, warmupRatio: 0.05, weightDecay: 0.1, adamBeta2: 0.98,
                perDeviceTrainBatchSize: 8, numTrainEpochs: 5)
        }
    }
}
