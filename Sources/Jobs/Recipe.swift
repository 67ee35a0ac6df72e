/// The hyperparameters of training, under the names of Hugging Face's `TrainingArguments` if they exist there.
///
/// `settings` documents each property and gives its range.
public struct Recipe: Codable, Sendable, Equatable {
    public var optimizer: OptimizerName = .adamw
    public var learningRate: Double
    public var lrSchedulerType: LearningRateScheduleName = .linear
    public var warmupRatio: Double
    public var decayRatio: Double = 0.2
    public var weightDecay: Double
    public var adamBeta1: Double = 0.9
    public var adamBeta2: Double = 0.999
    public var adamEpsilon: Double = 1e-8
    public var muonMomentum: Double = 0.95
    public var maxGradNorm: Double = 1
    /// Nil: the run chooses an `AutomaticBatch`.
    public var perDeviceTrainBatchSize: Int?
    public var gradientAccumulationSteps: Int = 1
    public var logicalWorkers: Int = 1
    /// Nil: the run chooses it.
    public var numTrainEpochs: Double?
    public var maxSteps: Int?
    public var maxTime: TimeLimit = .none
    public var earlyStoppingPatience: Int?
    public var loadBestModelAtEnd: Bool = true
    public var maxBadSteps: Int = 10
    public var blockSize: Int = 128
    public var truncate: Bool = false
    public var precision: PrecisionSetting = .auto
    public var initialization: InitializationName = .normal
    public var mlmProbability: Double = 0.15
    public var cutProbability: Double = 0
    public var inputNoise: Double = 0
    public var replay: Double = 3
    public var shrink: Double = 1
    public var minFrequency: Int = 2
    public var heldOut: Double = 0.05
    public var loggingSteps: Int = 50
    public var evalSteps: Int = 250
    public var saveSteps: Int?
    public var saveTotalLimit: Int = 2
    public var seed: UInt64 = 1
    public var samplePrompt: SamplePrompt = .automatic

    /// Takes the properties without a default; the others are set afterwards.
    public init(learningRate: Double, warmupRatio: Double, weightDecay: Double, numTrainEpochs: Double?) {
        self.learningRate = learningRate
        self.warmupRatio = warmupRatio
        self.weightDecay = weightDecay
        self.numTrainEpochs = numTrainEpochs
    }

    /// Keys with a default may be missing, as in a job of an older version.
    public init(from decoder: any Decoder) throws {
        // Placeholders: all four keys are required.
        self.init(learningRate: .nan, warmupRatio: .nan, weightDecay: .nan, numTrainEpochs: .nan)
        try Recipe.settings.decode(decoder, into: &self)
    }

    public func encode(to encoder: any Encoder) throws { try Recipe.settings.encode(self, to: encoder) }

    /// Samples in one batch; the most that a run chooses if the recipe leaves it open.
    public var batchSize: Int { perDeviceTrainBatchSize ?? AutomaticBatch.sizes.upperBound }

    /// The largest number of steps: at most 2³¹, because steps are counted in 32 bits.
    public var mostSteps: Int { min(maxSteps ?? .max, 1 << 31) }

    /// The largest number of processes that can train a model.
    public static let mostLogicalWorkers = 1024

    /// Samples in one optimizer step.
    public var samplesPerStep: Int { batchSize * gradientAccumulationSteps }
}

public enum OptimizerName: String, Codable, Sendable, CaseIterable {
    case adamw
    /// Muon for the weight matrices of the layers; AdamW for embeddings, biases and LayerNorms.
    case muon
}

/// The course of the learning rate after warm-up, under the names of Hugging Face's `SchedulerType`.
public enum LearningRateScheduleName: String, Codable, Sendable, CaseIterable {
    /// Decays linearly to 0.
    case linear
    /// Decays to 0 along half a cosine.
    case cosine
    case constant
    /// Constant, then decays linearly to 0 over the last `decay_ratio` of the run.
    case warmupStableDecay = "warmup_stable_decay"
}

/// The operand type of matrix products in training; everything else is computed in float32.
public enum PrecisionSetting: String, Codable, Sendable, CaseIterable {
    /// The precision whose products are faster on this CPU, as measured once for the machine. Decided when a run begins,
    /// and kept when it is resumed.
    case auto
    case float32, bfloat16
}

/// The initial parameters of a new model.
public enum InitializationName: String, Codable, Sendable, CaseIterable {
    /// As in Hugging Face's RoBERTa: matrices from a normal distribution, biases 0.
    case normal
    /// As `normal`, but attention heads start by attending to a neighboring position.
    case positional
}

/// The named recipes.
public enum RecipeName: String, Codable, Sendable, CaseIterable {
    /// The best recipe known.
    case `default`
    /// The book chapter's: AdamW with a learning rate of 5e-5 that decays linearly, one epoch, batches of 64, no warm-up.
    case seed

    /// One day: a model is published within a day regardless of the amount of text, and no other model
    /// waits longer for its turn.
    private static let longestRun = TimeLimit.seconds(86_400)

    public func recipe(for objective: Objective) -> Recipe {
        switch (self, objective) {
        case (.seed, _):
            var recipe = Recipe(learningRate: 5e-5, warmupRatio: 0, weightDecay: 0, numTrainEpochs: 1)
            recipe.perDeviceTrainBatchSize = 64
            recipe.loadBestModelAtEnd = false
            recipe.truncate = true
            recipe.maxTime = RecipeName.longestRun
            return recipe
        case (.default, .mlm):
            var recipe = Recipe(learningRate: 2e-3, warmupRatio: 0.05, weightDecay: 0.01, numTrainEpochs: nil)
            recipe.optimizer = .muon
            recipe.adamBeta2 = 0.98
            recipe.initialization = .positional
            recipe.mlmProbability = 0.3
            recipe.cutProbability = 0.5
            recipe.maxTime = .automatic
            return recipe
        case (.default, .clm):
            var recipe = Recipe(learningRate: 2e-3, warmupRatio: 0.05, weightDecay: 0.1, numTrainEpochs: nil)
            recipe.optimizer = .muon
            recipe.adamBeta2 = 0.98
            recipe.initialization = .positional
            recipe.maxTime = .automatic
            return recipe
        }
    }
}
