import FoundationEssentials
import GRDB

/// An event, as it was reported in the log.
public struct EventRecord: MetricsRecord {
    public static let databaseTableName = "events"

    /// Nil until the event is recorded. Increases with every event.
    public var id: Int64?
    public var kind: String
    public var message: String
    public var model: String?
    public var run: String?
    public var corpus: String?
    /// A JSON object.
    public var fields: String
    public var time: Date

    public init(
        kind: String, message: String, model: String? = nil, run: String? = nil, corpus: String? = nil,
        fields: String = "{}", time: Date = Date()
    ) {
        self.kind = kind
        self.message = message
        self.model = model
        self.run = run
        self.corpus = corpus
        self.fields = fields
        self.time = time
    }
}
