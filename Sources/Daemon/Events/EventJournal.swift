import Events
import FoundationEssentials
import Logging
import Database
import Varlink

/// Reports events to the log, the database and the watchers.
public struct EventJournal: Sendable {
    let hub: EventHub
    private let metrics: StateStore
    private let log: EventLog

    public init(hub: EventHub, metrics: StateStore, logger: Logger) {
        self.hub = hub
        self.metrics = metrics
        log = EventLog(logger)
    }

    /// Reports an event. The database and the watchers get every event; the log respects the rate limits of
    /// `EventKind`.
    public func report(_ event: ServiceEvent) { report([event]) }

    /// Reports events that occurred together, which are recorded in one transaction.
    func report(_ events: [ServiceEvent]) {
        guard !events.isEmpty else { return }
        for event in events { log.write(event) }
        attempt(events.count == 1 ? "an event was not recorded" : "\(events.count) events were not recorded") {
            let encoder = JSONEncoder()
            try metrics.record(
                try events.map { event in
                    let fields = try encoder.encode(JSONValue.object(event.fields))
                    return EventRecord(
                        kind: event.kind.rawValue, message: event.message, model: event.model, run: event.run,
                        corpus: event.corpus, fields: String(decoding: fields, as: UTF8.self), time: event.time)
                })
        }
        for event in events { send(event) }
    }

    /// Reports a training step. Steps are recorded in a separate table, and only some of them are logged.
    func reportStep(_ event: ServiceEvent, isLogged: Bool) {
        if isLogged { log.write(event) }
        send(event)
    }

    private func send(_ event: ServiceEvent) {
        attempt("an event was not sent to watchers") { try hub.send(event) }
    }

    /// Runs an operation whose failure must not stop the service, and logs the failure.
    /// - Parameter consequence: what the failure means, for the log message
    func attempt(_ consequence: String, _ body: () throws -> Void) {
        do {
            try body()
        } catch {
            log.write(ServiceEvent(.problem, "\(consequence): \(error)"))
        }
    }

    /// Writes the lines that the log still holds back. Call it last.
    func flush() { log.flush() }
}
