import FoundationEssentials
import Logging
import Database
import Varlink

/// Where everything that happens is written down: the log, the database, and whoever watches.
public struct EventJournal: Sendable {
    let hub: EventHub
    private let metrics: StateStore
    private let log: EventLog

    public init(hub: EventHub, metrics: StateStore, logger: Logger) {
        self.hub = hub
        self.metrics = metrics
        log = EventLog(logger)
    }

    /// The database and who watches have every event; the log sums up what comes in bursts.
    public func report(_ event: ServiceEvent) {
        log.write(event)
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
        if isLogged { log.write(event) }
        hub.send(event)
    }

    /// Does what must not stop the service when it fails, and says so where it does.
    func attempt(_ consequence: String, _ body: () throws -> Void) {
        do {
            try body()
        } catch {
            log.write(ServiceEvent(.problem, "\(consequence): \(error)"))
        }
    }

    /// Writes what the log still holds back: the last thing to be done.
    func flush() { log.flush() }
}
