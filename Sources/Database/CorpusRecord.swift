import FoundationEssentials
import GRDB

/// A file that was received.
public struct CorpusRecord: MetricsRecord {
    public static let databaseTableName = "corpora"

    public enum State: String, Codable, Sendable, CaseIterable {
        case admitted, duplicate, rejected
    }

    /// Nil until the corpus is recorded. Increases in order of arrival.
    public var id: Int64?
    /// SHA-256 of the admitted text; empty if it is not known for a rejected file.
    public var sha256: String
    /// The name the user gave it.
    public var name: String
    public var bytes: Int
    public var documents: Int
    /// Number of bytes that were not valid UTF-8 and were replaced.
    public var replacedBytes: Int
    public var state: State
    /// Why the corpus was rejected or set aside.
    public var reason: String?
    /// The only model it feeds; nil if it feeds all.
    public var model: String?
    /// Identifies the file, so that it is recorded only once even if it is found several times.
    public var source: String?
    /// User ID of the file's owner; nil if it is not known.
    public var owner: UInt32?
    public var received: Date
    /// Whether it was a table or JSON lines, and is stored with one record per line.
    public var isStructured: Bool
    /// The filters of its inbox directory, as JSON; nil uses the model's.
    public var filters: String?
    /// The encoding of the file, such as `windows-1252`; nil for UTF-8, or if it is not known.
    public var encoding: String?
    /// The format of the file as shown to users, such as `HTML`; nil if it is not known.
    public var format: String?
    /// What was changed or left out while the file was read, in sentences; nil if nothing was.
    public var warnings: [String]?
    /// When the corpus was removed; nil if it was not removed.
    public var removed: Date?
    /// SHA-256 of the new version of the file, if it was removed because of that; other files with the same text are then
    /// still in use. Nil otherwise.
    public var supersededBy: String?
    /// When the corpus was set aside because it made runs fail; nil if it was not set aside. It feeds no model until it
    /// is retried.
    public var setAside: Date?

    /// Whether models may be trained on it.
    public var feeds: Bool { state != .rejected && removed == nil && setAside == nil }

    public init(
        sha256: String, name: String, bytes: Int, documents: Int, replacedBytes: Int = 0, state: State,
        reason: String? = nil, model: String? = nil, source: String? = nil, owner: UInt32? = nil,
        received: Date = Date(), isStructured: Bool = false, filters: String? = nil, encoding: String? = nil,
        format: String? = nil, warnings: [String]? = nil
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
        self.owner = owner
        self.received = received
        self.isStructured = isStructured
        self.filters = filters
        self.encoding = encoding
        self.format = format
        self.warnings = warnings
    }
}
