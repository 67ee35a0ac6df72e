import FoundationEssentials
import GRDB

/// One step of a run.
public struct StepRecord: MetricsRecord {
    public static let databaseTableName = "steps"
    /// A resumed run does the steps since its checkpoint again.
    public static let persistenceConflictPolicy = PersistenceConflictPolicy(insert: .replace, update: .abort)

    public var run: String
    public var step: Int
    public var epoch: Double
    /// Nats a scored token.
    public var loss: Double
    public var learningRate: Double
    /// Before clipping.
    public var gradientNorm: Double
    public var tokens: Int
    public var tokensPerSecond: Double
    /// Model FLOPs utilization; nil of steps that were recorded without.
    public var mfu: Double?
    public var time: Date

    public init(
        run: String, step: Int, epoch: Double, loss: Double, learningRate: Double, gradientNorm: Double, tokens: Int,
        tokensPerSecond: Double, mfu: Double? = nil, time: Date = Date()
    ) {
        self.run = run
        self.step = step
        self.epoch = epoch
        self.loss = loss
        self.learningRate = learningRate
        self.gradientNorm = gradientNorm
        self.tokens = tokens
        self.tokensPerSecond = tokensPerSecond
        self.mfu = mfu
        self.time = time
    }
}

/// How a run's model did on what is held out, after a step.
public struct EvaluationRecord: MetricsRecord {
    public static let databaseTableName = "evaluations"
    public static let persistenceConflictPolicy = PersistenceConflictPolicy(insert: .replace, update: .abort)

    public var run: String
    public var step: Int
    public var loss: Double
    public var perplexity: Double
    public var accuracy: Double?
    public var bitsPerByte: Double?
    public var time: Date

    public init(
        run: String, step: Int, loss: Double, perplexity: Double, accuracy: Double?, bitsPerByte: Double?,
        time: Date = Date()
    ) {
        self.run = run
        self.step = step
        self.loss = loss
        self.perplexity = perplexity
        self.accuracy = accuracy
        self.bitsPerByte = bitsPerByte
        self.time = time
    }
}
