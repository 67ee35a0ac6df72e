import FoundationEssentials
import GRDB

/// A file that was received.
public struct CorpusRecord: MetricsRecord {
    public static let databaseTableName = "corpora"

    public enum State: String, Codable, Sendable, CaseIterable {
        case admitted, duplicate, rejected
    }

    /// Null until it is recorded; ascending in the order of arrival.
    public var id: Int64?
    /// Of the bytes admitted; empty where nothing of a rejected file could be read.
    public var sha256: String
    /// What the user called it.
    public var name: String
    public var bytes: Int
    public var documents: Int
    /// Bytes that were not UTF-8 and have been replaced.
    public var replacedBytes: Int
    public var state: State
    /// Why it was rejected, or set aside.
    public var reason: String?
    /// The only model it feeds; null feeds all.
    public var model: String?
    /// Which file it was: the same file is recorded once, however often it is offered.
    public var source: String?
    public var received: Date
    /// Whether it came as records, and is stored with one a line.
    public var isStructured: Bool
    /// The filters of the folder it came through, as JSON; null takes the model's.
    public var filters: String?
    /// When it was taken out; null where it is in.
    public var removed: Date?
    /// When it was set aside, since runs failed of it: it feeds nobody until somebody tries it again. Null where it was not.
    public var setAside: Date?

    /// Whether models may learn from it.
    public var feeds: Bool { state != .rejected && removed == nil && setAside == nil }

    public init(
        sha256: String, name: String, bytes: Int, documents: Int, replacedBytes: Int = 0, state: State,
        reason: String? = nil, model: String? = nil, source: String? = nil, received: Date = Date(),
        isStructured: Bool = false, filters: String? = nil
    ) {
        self.sha256 = sha256
        self.name = name
        self.bytes = bytes
        self.documents = documents
        self.replacedBytes = replacedBytes
        self.state = state
        self.reason = reason
        self.model = model
        self.source = source
        self.received = received
        self.isStructured = isStructured
        self.filters = filters
    }
}
