/// How a model is trained, under the names of Hugging Face's `TrainingArguments` where it has one.
public struct Recipe: Codable, Sendable, Equatable {
    public var optimizer: OptimizerName = .adamw
    public var learningRate: Double
    public var lrSchedulerType: LearningRateScheduleName = .linear
    /// The rate rises linearly over the first `warmupRatio` of the run.
    public var warmupRatio: Double
    /// Share of the run, at its end, over which `warmup_stable_decay` lets the rate fall to 0.
    public var decayRatio: Double = 0.2
    public var weightDecay: Double
    public var adamBeta1: Double = 0.9
    public var adamBeta2: Double = 0.999
    public var adamEpsilon: Double = 1e-8
    /// Of Muon's matrices; what it leaves to AdamW has AdamW's betas.
    public var muonMomentum: Double = 0.95
    /// The gradient is scaled down to this norm where it is larger.
    public var maxGradNorm: Double = 1
    /// Samples that go through the model at once.
    public var perDeviceTrainBatchSize: Int
    /// Batches whose gradients make one step.
    public var gradientAccumulationSteps: Int = 1
    public var numTrainEpochs: Double
    /// Ends the run earlier than `numTrainEpochs` would; null does not.
    public var maxSteps: Int?
    /// Seconds of training after which the run ends; the learning rate falls to 0 by then. Null does not end it.
    public var maxTime: Double?
    /// Evaluations in a row without a lower loss after which the run ends; null does not end it.
    public var earlyStoppingPatience: Int?
    /// Whether what is published is the model of the evaluation with the lowest loss, not the last one.
    public var loadBestModelAtEnd: Bool = true
    /// Steps in a row that had to be skipped after which the run fails.
    public var maxBadSteps: Int = 10
    /// Tokens a sample holds at most, `<s>` and `</s>` included.
    public var blockSize: Int = 128
    /// What matrix products are computed in.
    public var precision: PrecisionSetting = .auto
    public var initialization: InitializationName = .normal
    /// Share of the tokens that a masked model has to guess: of these 80 % are masked, 10 % replaced, 10 % left.
    public var mlmProbability: Double = 0.15
    /// The tokenizer's: pairs seen less often are not merged.
    public var minFrequency: Int = 2
    /// Share of the samples held out for evaluation, by the hash of their text.
    public var heldOut: Double = 0.05
    public var loggingSteps: Int = 50
    public var evalSteps: Int = 250
    /// Steps from one checkpoint to the next; null writes one at least every ten minutes, and every minute where that takes
    /// no more than 2 % of the time.
    public var saveSteps: Int?
    public var saveTotalLimit: Int = 2
    public var seed: UInt64 = 1

    /// All that has no usual value; the rest is set afterwards.
    public init(
        learningRate: Double, warmupRatio: Double, weightDecay: Double, perDeviceTrainBatchSize: Int,
        numTrainEpochs: Double
    ) {
        self.learningRate = learningRate
        self.warmupRatio = warmupRatio
        self.weightDecay = weightDecay
        self.perDeviceTrainBatchSize = perDeviceTrainBatchSize
        self.numTrainEpochs = numTrainEpochs
    }

    /// What has a usual value may be left out, as in a job of an older version.
    public init(from decoder: any Decoder) throws {
        let keys = try decoder.container(keyedBy: CodingKeys.self)
        self.init(
            learningRate: try keys.decode(Double.self, forKey: .learningRate),
            warmupRatio: try keys.decode(Double.self, forKey: .warmupRatio),
            weightDecay: try keys.decode(Double.self, forKey: .weightDecay),
            perDeviceTrainBatchSize: try keys.decode(Int.self, forKey: .perDeviceTrainBatchSize),
            numTrainEpochs: try keys.decode(Double.self, forKey: .numTrainEpochs))
        func read<Value: Decodable>(_ key: CodingKeys, _ path: WritableKeyPath<Recipe, Value>) throws {
            if let value = try keys.decodeIfPresent(Value.self, forKey: key) { self[keyPath: path] = value }
        }
        func readOptional<Value: Decodable>(_ key: CodingKeys, _ path: WritableKeyPath<Recipe, Value?>) throws {
            self[keyPath: path] = try keys.decodeIfPresent(Value.self, forKey: key)
        }
        try read(.optimizer, \.optimizer)
        try read(.lrSchedulerType, \.lrSchedulerType)
        try read(.decayRatio, \.decayRatio)
        try read(.adamBeta1, \.adamBeta1)
        try read(.adamBeta2, \.adamBeta2)
        try read(.adamEpsilon, \.adamEpsilon)
        try read(.muonMomentum, \.muonMomentum)
        try read(.maxGradNorm, \.maxGradNorm)
        try read(.gradientAccumulationSteps, \.gradientAccumulationSteps)
        try readOptional(.maxSteps, \.maxSteps)
        try readOptional(.maxTime, \.maxTime)
        try readOptional(.earlyStoppingPatience, \.earlyStoppingPatience)
        try read(.loadBestModelAtEnd, \.loadBestModelAtEnd)
        try read(.maxBadSteps, \.maxBadSteps)
        try read(.blockSize, \.blockSize)
        try read(.precision, \.precision)
        try read(.initialization, \.initialization)
        try read(.mlmProbability, \.mlmProbability)
        try read(.minFrequency, \.minFrequency)
        try read(.heldOut, \.heldOut)
        try read(.loggingSteps, \.loggingSteps)
        try read(.evalSteps, \.evalSteps)
        try readOptional(.saveSteps, \.saveSteps)
        try read(.saveTotalLimit, \.saveTotalLimit)
        try read(.seed, \.seed)
    }

    /// Samples a step.
    public var samplesPerStep: Int { perDeviceTrainBatchSize * gradientAccumulationSteps }
}

/// What moves the parameters.
public enum OptimizerName: String, Codable, Sendable, CaseIterable {
    case adamw
    /// Muon for the matrices of the layers, AdamW for embeddings, biases and LayerNorms.
    case muon
}

/// How the learning rate goes after its warm-up, under the names of Hugging Face's `SchedulerType`.
public enum LearningRateScheduleName: String, Codable, Sendable, CaseIterable {
    /// Falls to 0 in a line.
    case linear
    /// Falls to 0 in half a cosine.
    case cosine
    /// Stays.
    case constant
    /// Stays, and falls to 0 in a line over the last `decay_ratio` of the run.
    case warmupStableDecay = "warmup_stable_decay"
}

/// What matrix products of training are computed in; everything else is float32 always.
public enum PrecisionSetting: String, Codable, Sendable, CaseIterable {
    /// bfloat16 where the CPU multiplies it. Decided when a run begins, and kept when it is resumed.
    case auto
    case float32, bfloat16
}

/// How the parameters of a new model are drawn.
public enum InitializationName: String, Codable, Sendable, CaseIterable {
    /// As Hugging Face does: matrices from the normal distribution, biases 0.
    case normal
    /// The same, but each head begins with a neighbour to look at.
    case positional
}

/// The recipes that have a name.
public enum RecipeName: String, Codable, Sendable, CaseIterable {
    /// The best we know.
    case `default`
    /// The book's: AdamW 5e-5 falling linearly, one epoch, batch 64, no warm-up.
    case seed

    /// A day, in seconds: who drops in more text than that suffices for has a model tomorrow all the same, and no other model
    /// waits for longer.
    private static let longestRun = 86_400.0

    public func recipe(for objective: Objective) -> Recipe {
        switch (self, objective) {
        case (.seed, _):
            var recipe = Recipe(
                learningRate: 5e-5, warmupRatio: 0, weightDecay: 0, perDeviceTrainBatchSize: 64, numTrainEpochs: 1)
            recipe.loadBestModelAtEnd = false
            recipe.maxTime = RecipeName.longestRun
            return recipe
        case (.default, .mlm):
            var recipe = Recipe(
                learningRate: 2e-3, warmupRatio: 0.05, weightDecay: 0.01, perDeviceTrainBatchSize: 128,
                numTrainEpochs: 5)
            recipe.optimizer = .muon
            recipe.adamBeta2 = 0.98
            recipe.initialization = .positional
            recipe.mlmProbability = 0.3
            recipe.maxTime = RecipeName.longestRun
            return recipe
        case (.default, .clm):
            var recipe = Recipe(
                learningRate: 2e-3, warmupRatio: 0.05, weightDecay: 0.1, perDeviceTrainBatchSize: 16,
                numTrainEpochs: 4)
            recipe.optimizer = .muon
            recipe.adamBeta2 = 0.98
            recipe.initialization = .positional
            recipe.maxTime = RecipeName.longestRun
            return recipe
        }
    }
}
