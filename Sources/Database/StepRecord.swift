import FoundationEssentials
import GRDB
import Jobs

/// One step of a run. The measurements are columns of the same row.
public struct StepRecord: MetricsRecord {
    public static let databaseTableName = "steps"
    /// A resumed run repeats the steps since its last checkpoint.
    public static let persistenceConflictPolicy = PersistenceConflictPolicy(insert: .replace, update: .abort)

    public var run: String
    public var metrics: StepMetrics
    public var time: Date

    public init(run: String, _ metrics: StepMetrics, time: Date = Date()) {
        self.run = run
        self.metrics = metrics
        self.time = time
    }

    private enum CodingKeys: String, CodingKey {
        case run, time
    }

    public init(from decoder: any Decoder) throws {
        let container = try decoder.container(keyedBy: CodingKeys.self)
        run = try container.decode(String.self, forKey: .run)
        metrics = try StepMetrics(from: decoder)
        time = try container.decode(Date.self, forKey: .time)
    }

    public func encode(to encoder: any Encoder) throws {
        var container = encoder.container(keyedBy: CodingKeys.self)
        try container.encode(run, forKey: .run)
        try metrics.encode(to: encoder)
        try container.encode(time, forKey: .time)
    }
}

/// An evaluation of a run's model on held-out text.
public struct EvaluationRecord: MetricsRecord {
    public static let databaseTableName = "evaluations"
    public static let persistenceConflictPolicy = PersistenceConflictPolicy(insert: .replace, update: .abort)

    public var run: String
    /// The step after which the model was evaluated.
    public var step: Int
    public var loss: Double
    public var perplexity: Double
    public var accuracy: Double?
    public var bitsPerByte: Double?
    public var time: Date
    /// The prompt and the text of the run's sample after the evaluation; nil if it made none.
    public var prompt: String?
    public var sample: String?

    public init(
        run: String, step: Int, loss: Double, perplexity: Double, accuracy: Double?, bitsPerByte: Double?,
        time: Date = Date(), prompt: String? = nil, sample: String? = nil
    ) {
        self.run = run
        self.step = step
        self.loss = loss
        self.perplexity = perplexity
        self.accuracy = accuracy
        self.bitsPerByte = bitsPerByte
        self.time = time
        self.prompt = prompt
        self.sample = sample
    }

    public init(run: String, _ evaluation: RunEvent.Evaluation, time: Date = Date()) {
        self.init(
            run: run, step: evaluation.step, loss: evaluation.loss, perplexity: evaluation.perplexity,
            accuracy: evaluation.accuracy, bitsPerByte: evaluation.bitsPerByte, time: time)
    }
}
