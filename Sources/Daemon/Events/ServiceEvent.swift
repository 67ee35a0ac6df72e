import FoundationEssentials
import Interface
import Varlink

/// Something that happened, for the journal, the database and everyone who watches.
public struct ServiceEvent: Sendable, Equatable {
    public var kind: EventKind
    /// One line for people.
    public var message: String
    public var model: String?
    public var run: String?
    /// SHA-256.
    public var corpus: String?
    /// The numbers in `message` and more, under snake_case names.
    public var fields: [String: JSONValue]
    public var time: Date

    public init(
        _ kind: EventKind, _ message: String, model: String? = nil, run: String? = nil, corpus: String? = nil,
        fields: [String: JSONValue] = [:], time: Date = Date()
    ) {
        self.kind = kind
        self.message = message
        self.model = model
        self.run = run
        self.corpus = corpus
        self.fields = fields
        self.time = time
    }

    var asInterface: ManagerInterface.Event {
        ManagerInterface.Event(
            kind: kind.rawValue, message: message, model: model, run: run, corpus: corpus, fields: .object(fields),
            time: time.interfaceText)
    }
}

extension Date {
    /// As the interface writes times: `2026-01-01T00:00:00.000Z`.
    var interfaceText: String { formatted(Date.ISO8601FormatStyle(includingFractionalSeconds: true)) }
}
