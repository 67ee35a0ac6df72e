import Corpora
import Durable
import Jobs
import Scheduling
import TextFilters
import TextReading

/// Everything that `kantaibert.yaml` and the `KANTAIBERT_…` variables configure, validated and with defaults filled in.
///
/// `sections` and `ModelSettings.groups` declare the keys of these properties, with their ranges and documentation.
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
    /// Where the values come from.
    public internal(set) var origins = SettingOrigins()
}

extension Settings {
    /// The settings of an empty file: the model `kantaibert` fills masks, `assistant` continues text.
    public static let builtIn = Settings(
        models: [
            ModelSettings(name: "kantaibert", objective: .mlm), ModelSettings(name: "assistant", objective: .clm),
        ],
        inbox: InboxSettings(), schedule: ScheduleSettings(), training: TrainingSettings(),
        serving: ServingSettings(), socket: SocketSettings(), logging: LoggingSettings())

    public func model(named name: String) -> ModelSettings? { models.first { $0.name == name } }
}

public struct InboxSettings: Sendable, Equatable {
    public var stableSeconds: Double = 2
    public var retrySeconds: Double = 30
    public var polling = InboxPolling.automatic
    public var replacement = Replacement.keep
    /// How files are read if their folder does not say otherwise.
    public var reading = ReadingOptions()

    public init() {}
}

extension InboxSettings {
    /// What happens to a corpus when a new version of its file is dropped under the same path.
    public enum Replacement: String, Sendable, CaseIterable {
        /// Models are trained on both.
        case keep
        /// The earlier corpus is removed.
        case newest
    }
}

public struct ScheduleSettings: Sendable, Equatable {
    /// Nil means true if neither `every` nor `calendar` is set, otherwise false.
    public var onArrival: Bool?
    public var settleSeconds: Double = 60
    public var everySeconds: Double?
    package var calendar: CalendarExpression?
    package var window: TrainingWindow?

    public init() {}

    package var trainsOnArrival: Bool { onArrival ?? (everySeconds == nil && calendar == nil) }
}

public struct TrainingSettings: Sendable, Equatable {
    public var maxRestarts: Int = 3
    public var restartWaitSeconds: Double = 2
    public var stopSeconds: Double = 10
    /// Nil means no limit.
    public var stallSeconds: Double? = 600
    public var nice: Int = 19
    public var oomScoreAdjust: Int = 500
    /// In bytes; nil means the memory that is available when the run starts.
    public var memoryLimit: Int?
    /// The command that precedes the training program; empty starts the program itself.
    public var launcher: [String] = []
    /// The path of a program and its arguments, run at the end of each run; empty for none.
    public var notify: [String] = []

    public init() {}
}

/// Whether a new generation replaces the one that serves.
public struct PromotionSettings: Sendable, Equatable {
    public var tolerance: Double = 0.02

    public init() {}
}

/// How long generations, runs and metrics are kept.
public struct RetentionSettings: Sendable, Equatable {
    public var keepGenerations: Int = 5
    public var keepCheckpoints: Bool = false
    public var keepRuns: Int = 20
    /// Nil means forever.
    public var keepMetricsSeconds: Double? = 90 * 86_400
    /// Nil means `FreeSpace.usualReserve`.
    public var reserveBytes: Int?

    public init() {}

    /// Returns the bytes to keep free of a file system with `total` bytes.
    package func reserve(ofTotal total: Int) -> Int { reserveBytes ?? FreeSpace.usualReserve(total: total) }

    /// Returns the bytes to keep free of the file system that contains `path`.
    package func reserve(at path: String) throws(DurableError) -> Int {
        reserve(ofTotal: try FreeSpace.at(path).total)
    }
}

/// How models answer, and the defaults of requests.
public struct ServingSettings: Sendable, Equatable {
    public var precision: ServingPrecision = .auto
    public var maxConcurrentRequests: Int = 128
    /// Nil means half of `maxConcurrentRequests`.
    public var maxConcurrentRequestsPerUser: Int?
    public var maxRequestMemory: Int = 256 << 20
    public var maxNewTokens: Int = 100
    public var temperature: Double = 0.9
    public var topK: Int = 0
    public var topP: Double = 1
    public var minP: Double = 0
    public var repetitionPenalty: Double = 1
    public var fillings: Int = 5
    public var trace: TraceAccess = .auto

    public init() {}

    package var concurrentRequestsPerUser: Int { maxConcurrentRequestsPerUser ?? max(1, maxConcurrentRequests / 2) }
}

/// Who may be shown text of the corpora.
public enum TraceAccess: String, Sendable, CaseIterable {
    /// `everyone` if the service runs without root for one user, otherwise `admins`.
    case auto
    case everyone, admins, off
}

/// The number format of the weight matrices of a serving model.
public enum ServingPrecision: String, Sendable, CaseIterable {
    /// The fastest on this machine whose bits per byte are close to float32's, by generation.
    case auto
    case float32, bfloat16, int8
}

public struct SocketSettings: Sendable, Equatable {
    public var mode: UInt32 = 0o660
    /// Nil means the service's own group.
    public var group: String?
    /// Nil means only root and the service's own user.
    public var adminGroup: String?
    public var maxConnections: Int = 256
    /// Nil means half of `maxConnections`.
    public var maxConnectionsPerUser: Int?
    public var maxRequestBytes: Int = 4_194_304
    public var idleTimeoutSeconds: Double = 600
    public var receiveTimeoutSeconds: Double = 30
    /// Does not apply to `Watch`.
    public var answerTimeoutSeconds: Double = 120
    public var readTimeoutSeconds: Double = 30

    public init() {}
}

public struct LoggingSettings: Sendable, Equatable {
    /// The name of a swift-log level.
    public var level: String = "info"

    public init() {}
}
