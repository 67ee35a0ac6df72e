import FoundationEssentials
import GRDB

/// A training run, with the measurements of its latest step.
public struct RunRecord: MetricsRecord {
    public static let databaseTableName = "runs"

    public enum State: String, Codable, Sendable, CaseIterable {
        case queued, running, interrupted, finished, failed, cancelled

        /// States of runs that start or resume by themselves.
        public static let unfinished: [State] = [.queued, .running, .interrupted]
        /// States of runs that have ended.
        public static let ended: [State] = [.finished, .failed, .cancelled]
    }

    public var id: String
    public var model: String
    /// The generation number under which its model is published.
    public var generation: Int?
    public var state: State
    public var reason: String?
    public var step: Int
    public var totalSteps: Int
    public var epoch: Double
    public var loss: Double?
    public var evaluationLoss: Double?
    public var tokensPerSecond: Double?
    public var remainingSeconds: Double?
    public var started: Date?
    public var finished: Date?

    public init(
        id: String, model: String, generation: Int? = nil, state: State = .queued, reason: String? = nil,
        step: Int = 0, totalSteps: Int = 0, epoch: Double = 0, loss: Double? = nil, evaluationLoss: Double? = nil,
        tokensPerSecond: Double? = nil, remainingSeconds: Double? = nil, started: Date? = nil, finished: Date? = nil
    ) {
        self.id = id
        self.model = model
        self.generation = generation
        self.state = state
        self.reason = reason
        self.step = step
        self.totalSteps = totalSteps
        self.epoch = epoch
        self.loss = loss
        self.evaluationLoss = evaluationLoss
        self.tokensPerSecond = tokensPerSecond
        self.remainingSeconds = remainingSeconds
        self.started = started
        self.finished = finished
    }
}
