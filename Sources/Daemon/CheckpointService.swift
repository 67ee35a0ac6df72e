import AsyncSupport
import Database
import ServiceLifecycle

/// Copies what the database's log holds into the database, so that a copy of `metrics.db` alone is not empty or old.
struct CheckpointService: Service {
    static let interval = Duration.seconds(60)

    let metrics: StateStore
    let journal: EventJournal

    func run() async throws {
        let stop = Latch()
        await withGracefulShutdownHandler {
            while await !stop.wait(atMost: Self.interval) {
                do {
                    try await Blocking.changes.run(for: nil) { [metrics] _ in try metrics.checkpoint() }
                } catch {
                    journal.attempt("the database's log was not copied into it") { throw error }
                }
            }
        } onGracefulShutdown: {
            stop.open()
        }
    }
}
