import FoundationEssentials
import Logging
import Records
import Varlink

/// Where everything that happens is written down: the log, the database, and whoever watches.
public struct EventJournal: Sendable {
    let hub: EventHub
    private let metrics: MetricsStore
    private let logger: Logger

    public init(hub: EventHub, metrics: MetricsStore, logger: Logger) {
        self.hub = hub
        self.metrics = metrics
        self.logger = logger
    }

    public func report(_ event: ServiceEvent) {
        log(event)
        attempt("the event is not recorded") {
            let fields = try JSONEncoder().encode(JSONValue.object(event.fields))
            try metrics.record(
                EventRecord(
                    kind: event.kind.rawValue, message: event.message, model: event.model, run: event.run,
                    corpus: event.corpus, fields: String(decoding: fields, as: UTF8.self), time: event.time))
        }
        hub.send(event)
    }

    /// As `report`, for steps: they have a table of their own, and not each is worth a line.
    func reportStep(_ event: ServiceEvent, isLogged: Bool) {
        if isLogged { log(event) }
        hub.send(event)
    }

    /// Does what must not stop the service when it fails, and says so where it does.
    func attempt(_ consequence: String, _ body: () throws -> Void) {
        do {
            try body()
        } catch {
            log(ServiceEvent(.problem, "\(consequence): \(error)"))
        }
    }

    private func log(_ event: ServiceEvent) {
        var metadata: Logger.Metadata = ["MESSAGE_ID": "\(event.kind.messageID)", "event": "\(event.kind.rawValue)"]
        for (name, value) in event.fields { metadata[name] = "\(value.logText)" }
        metadata["model"] = event.model.map { "\($0)" }
        metadata["run"] = event.run.map { "\($0)" }
        metadata["corpus"] = event.corpus.map { "\($0)" }
        logger.log(level: event.kind.level, "\(event.message)", metadata: metadata)
    }
}

extension JSONValue {
    fileprivate var logText: String {
        switch self {
        case .null: ""
        case .bool(let value): value ? "1" : "0"
        case .int(let value): "\(value)"
        case .double(let value): "\(value)"
        case .string(let value): value
        case .array(let values): values.map(\.logText).joined(separator: " ")
        case .object(let members):
            members.sorted { $0.key < $1.key }.map { "\($0)=\($1.logText)" }.joined(separator: " ")
        }
    }
}
