import Corpora
import Durable
import Jobs
import Kernels
import Scheduling
import TextFilters

/// Everything `kantaibert.yaml` and the `KANTAIBERT_…` variables can say, checked, with defaults filled in.
public struct Settings: Sendable, Equatable {
    public var models: [ModelSettings]
    public var inbox: InboxSettings
    public var schedule: ScheduleSettings
    public var training: TrainingSettings
    public var promotion: PromotionSettings = .init()
    public var retention: RetentionSettings = .init()
    public var serving: ServingSettings
    public var socket: SocketSettings
    public var logging: LoggingSettings
}

/// One section named after a model.
public struct ModelSettings: Sendable, Equatable {
    public var name: String
    public var objective: Objective
    public var preset: Preset
    public var recipeName: RecipeName
    /// The preset's numbers with this model's own put over them.
    public var architecture: Architecture
    /// The recipe's numbers with this model's own put over them.
    public var recipe: Recipe
    public var samples: SampleUnit
    /// What a text goes through before it is tokenized, each with its value.
    public var filters: [TextFilter]
    /// A directory with a tokenizer that exists; nil trains one.
    public var tokenizer: String?
    /// `NAME.schedule`, where it differs from `schedule`.
    public var schedule: ScheduleSettings

    /// The preset and recipe as they stand, for `objective`.
    public init(name: String, objective: Objective, preset: Preset = .kantaibert, schedule: ScheduleSettings = .init())
    {
        self.name = name
        self.objective = objective
        self.preset = preset
        recipeName = .default
        architecture = preset.architecture
        recipe = RecipeName.default.recipe(for: objective)
        samples = objective == .mlm ? .lines : .paragraphs
        filters = []
        tokenizer = nil
        self.schedule = schedule
    }
}

public struct InboxSettings: Sendable, Equatable {
    /// How long a file must have been left alone before it is taken.
    public var stableSeconds: Double = 2
    /// How long a file that could not be taken is left alone.
    public var retrySeconds: Double = 30
    /// How files are read whose folder does not say.
    public var reading = ReadingOptions()

    public init() {}
}

public struct ScheduleSettings: Sendable, Equatable {
    /// Whether corpora that come are trained on when they have settled; nil: where nothing else says when.
    public var onArrival: Bool?
    /// How long no new corpus may have come before a run starts.
    public var settleSeconds: Double = 60
    /// How long after the schedule's last time its next one comes; nil: never.
    public var everySeconds: Double?
    /// When the schedule's time comes; nil: never.
    package var calendar: CalendarExpression?
    /// Outside it a run pauses; nil: it need not.
    package var window: TrainingWindow?

    public init() {}

    package var trainsOnArrival: Bool { onArrival ?? (everySeconds == nil && calendar == nil) }
}

public struct TrainingSettings: Sendable, Equatable {
    /// How often a run that died is started again from its checkpoint before it is given up.
    public var maxRestarts: Int = 3
    /// The wait before the first restart; each further one waits four times as long.
    public var restartWaitSeconds: Double = 2
    /// How long a run that was told to leave may take to write its checkpoint.
    public var stopSeconds: Double = 10
    /// How long a run may say nothing before it is taken for one that hangs; nil: for ever.
    public var stallSeconds: Double? = 600
    /// The niceness of a run, from 0 to 19.
    public var nice: Int = 19
    /// How much sooner than others the kernel ends a run when memory runs out, from 0 to 1000.
    public var oomScoreAdjust: Int = 500
    /// Bytes of memory a run may take; nil: what is free when it begins.
    public var memoryLimit: Int?

    public init() {}
}

/// Whether a new generation takes the place of the one that serves.
public struct PromotionSettings: Sendable, Equatable {
    /// The share by which its bits a byte may be higher on the same held-out lines.
    public var tolerance: Double = 0.02

    public init() {}
}

/// What is kept of what is over.
public struct RetentionSettings: Sendable, Equatable {
    /// Generations of a model, the one that serves among them; it and the newest are always kept.
    public var keepGenerations: Int = 5
    /// Whether finished runs keep their checkpoints.
    public var keepCheckpoints: Bool = false
    /// Folders of a model's runs that are over.
    public var keepRuns: Int = 20
    /// How long steps, evaluations and events stay in the database; nil: for ever.
    public var keepMetricsSeconds: Double? = 90 * 86_400
    /// Bytes of the disk that neither corpora nor runs may take; nil: as `FreeSpace.usualReserve` says.
    public var reserveBytes: Int?

    public init() {}

    /// - Parameter total: bytes of the whole file system
    func reserve(ofTotal total: Int) -> Int { reserveBytes ?? FreeSpace.usualReserve(total: total) }

    /// Of the file system that `path` is in.
    func reserve(at path: String) throws(DurableError) -> Int { reserve(ofTotal: try FreeSpace.at(path).total) }
}

/// How models answer, and what a request gets that does not say.
public struct ServingSettings: Sendable, Equatable {
    public var precision: ServingPrecision = .auto
    /// Requests that may be waiting or under way; one more is answered `Overloaded`.
    public var maxConcurrentRequests: Int = 128
    /// Of them, those of one user; nil: half.
    public var maxConcurrentRequestsPerUser: Int?
    /// Bytes of memory for requests that are arriving or under way; of one user half of it.
    public var maxRequestMemory: Int = 256 << 20
    public var maxNewTokens: Int = 100
    public var temperature: Double = 0.9
    /// 0: all.
    public var topK: Int = 0
    public var topP: Double = 1
    public var minP: Double = 0
    public var repetitionPenalty: Double = 1
    /// Candidates for each mask.
    public var fillings: Int = 5

    public init() {}

    var concurrentRequestsPerUser: Int { maxConcurrentRequestsPerUser ?? max(1, maxConcurrentRequests / 2) }
}

/// What the matrices of models that serve are kept in.
public enum ServingPrecision: String, Sendable, CaseIterable {
    /// bfloat16 where the CPU multiplies it, else float32.
    case auto
    case float32, bfloat16, int8

    var weights: WeightPrecision {
        switch self {
        case .auto: .fitting
        case .float32: .float32
        case .bfloat16: .bfloat16
        case .int8: .int8
        }
    }
}

public struct SocketSettings: Sendable, Equatable {
    /// Permission bits of a socket the service makes itself.
    public var mode: UInt32 = 0o660
    /// The group that may connect; nil leaves the service's own.
    public var group: String?
    /// The group that may change something, beside root and the service's own user.
    public var adminGroup: String?
    /// Clients at a time.
    public var maxConnections: Int = 256
    /// Of them, those of one user; nil: half.
    public var maxConnectionsPerUser: Int?
    /// Bytes of one request.
    public var maxRequestBytes: Int = 4_194_304
    /// How long a connection may stand open unused.
    public var idleTimeoutSeconds: Double = 600
    /// How long a request may take to arrive, from its first byte to its last.
    public var receiveTimeoutSeconds: Double = 30
    /// How long a request may go without a reply, or without a further one. `Watch` may for ever.
    public var answerTimeoutSeconds: Double = 120
    /// How long a client may take to read a reply.
    public var readTimeoutSeconds: Double = 30

    public init() {}
}

public struct LoggingSettings: Sendable, Equatable {
    /// swift-log's word for the least important line that is still written.
    public var level: String = "info"

    public init() {}
}

extension Settings {
    /// What an empty file means: `kantaibert` fills masks, `assistant` continues text.
    public static let builtIn = Settings(
        models: [
            ModelSettings(name: "kantaibert", objective: .mlm), ModelSettings(name: "assistant", objective: .clm),
        ],
        inbox: InboxSettings(), schedule: ScheduleSettings(), training: TrainingSettings(),
        serving: ServingSettings(), socket: SocketSettings(), logging: LoggingSettings())

    public func model(named name: String) -> ModelSettings? { models.first { $0.name == name } }
}
