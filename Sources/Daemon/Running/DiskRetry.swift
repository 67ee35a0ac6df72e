import AsyncSupport
import Durable
import Events
import Formatting
import Settings

/// Retries operations that fail because of the disk, since space may become available later.
struct DiskRetry: Sendable {
    let settings: TrainingSettings
    let journal: EventJournal
    let stopping: Latch

    /// Runs `body` and retries it after each `DurableError`, up to `training.max_restarts` times. The delays grow like
    /// those between restarts of a run.
    /// - Parameter consequence: what the failure means, for the log message
    /// - Throws: the last error of `body`; there are no further attempts once the service is stopping
    func withDiskRetry<Value: Sendable>(
        _ consequence: String, isolation: isolated (any Actor)? = #isolation, _ body: () async throws -> Value
    ) async throws -> Value {
        var wait = settings.restartWaitSeconds
        for _ in 0..<settings.maxRestarts {
            do {
                return try await body()
            } catch let error as DurableError {
                journal.report(
                    ServiceEvent(.problem, "\(consequence): \(error); retrying in \(MessageFormat.duration(wait))"))
                if await stopping.wait(atMost: .seconds(wait)) { throw error }
                wait *= 4
            }
        }
        return try await body()
    }
}
