import Database
import Durable
import Events
import FoundationEssentials
import Interface
import Logging
import Varlink

/// An event for the journal, the database and watchers.
///
/// Its size is bounded to a few kilobytes, because it is buffered for watchers and kept in the database.
public struct ServiceEvent: Sendable, Equatable {
    public var kind: EventKind
    /// A human-readable line.
    public var message: String
    public var model: String?
    public var run: String?
    /// The new state of the run; nil if the event does not change it.
    public var runState: RunRecord.State?
    /// SHA-256 of a corpus.
    public var corpus: String?
    /// The values in `message` and others, with snake_case names.
    public var fields: [String: JSONValue]
    public var time: Date

    public init(
        _ kind: EventKind, _ message: String, model: String? = nil, run: String? = nil,
        runState: RunRecord.State? = nil, corpus: String? = nil, fields: [String: JSONValue] = [:], time: Date = Date()
    ) {
        self.kind = kind
        self.message = message.bounded(toBytes: Self.longestMessage)
        self.model = model
        self.run = run
        self.runState = runState
        self.corpus = corpus
        var room = Self.mostFieldBytes
        self.fields = fields.bounded(&room)
        self.time = time
    }

    /// Maximum size of `message` in bytes of UTF-8.
    public static let longestMessage = 2048
    /// Maximum size of all fields together, in bytes.
    public static let mostFieldBytes = 4096

    var asInterface: ManagerInterface.Event {
        ManagerInterface.Event(
            kind: kind.rawValue, level: .init(kind.definition.level), message: message, model: model, run: run,
            runState: runState?.asInterface, corpus: corpus, fields: .object(fields), time: time.interfaceText)
    }
}

extension ManagerInterface.Event.Level {
    init(_ level: Logger.Level) {
        self =
            switch level {
            case .trace, .debug, .info: .info
            case .notice: .notice
            case .warning: .warning
            case .error, .critical: .error
            }
    }
}

extension Date {
    /// In the format of the Varlink interface: `2026-01-01T00:00:00.000Z`.
    var interfaceText: String { formatted(Date.ISO8601FormatStyle(includingFractionalSeconds: true)) }
}

extension [String: JSONValue] {
    /// Returns the members that fit, with strings truncated: numbers first, then strings, then the others, each sorted by name.
    /// - Parameter room: the number of bytes left
    fileprivate func bounded(_ room: inout Int) -> [String: JSONValue] {
        var members: [String: JSONValue] = [:]
        let sorted = sorted { ($0.value.rank, $0.key) < ($1.value.rank, $1.key) }
        for (name, value) in sorted {
            room -= name.utf8.count + 8
            guard room > 0 else { break }
            members[name] = value.bounded(&room)
        }
        return members
    }
}

extension JSONValue {
    /// Sort order by type: values that could use up all the space come last.
    fileprivate var rank: Int {
        switch self {
        case .null, .bool, .int, .double: 0
        case .string: 1
        case .array, .object: 2
        }
    }

    fileprivate func bounded(_ room: inout Int) -> JSONValue {
        switch self {
        case .null, .bool, .int, .double:
            room -= 8
            return self
        case .string(let text):
            let kept = text.bounded(toBytes: Swift.max(3, Swift.min(1024, room)))
            room -= kept.utf8.count
            return .string(kept)
        case .array(let values):
            var kept: [JSONValue] = []
            for value in values {
                room -= 2
                guard room > 0 else { break }
                kept.append(value.bounded(&room))
            }
            return .array(kept)
        case .object(let members): return .object(members.bounded(&room))
        }
    }
}
