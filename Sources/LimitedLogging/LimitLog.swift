package import Logging
import Synchronization

/// Writes what clients bring about, each kind of it at most once in an interval: what a client may do a thousand times a
/// second must not fill the log. What was left unsaid is counted, and the count is written when the interval is over.
package struct LimitLog: Sendable {
    /// For what comes no oftener than its cause is allowed to.
    package let logger: Logger
    private let interval: Duration
    /// How often each kind came again since its last line.
    private let suppressed = Suppressed()

    private final class Suppressed: Sendable {
        let count = Mutex<[String: Int]>([:])
    }

    package init(_ logger: Logger, interval: Duration) {
        self.logger = logger
        self.interval = interval
    }

    /// - Parameters:
    ///   - kind: what has happened, in one of a few words; lines of one kind are counted together
    ///   - line: this case of it
    package func write(_ level: Logger.Level, _ kind: String, _ line: String, metadata: Logger.Metadata = [:]) {
        let isFirst = suppressed.count.withLock { count in
            guard let already = count[kind] else {
                count[kind] = 0
                return true
            }
            count[kind] = already + 1
            return false
        }
        guard isFirst else { return }
        logger.log(level: level, "\(line)", metadata: metadata)
        Task { await sumUp(level, kind) }
    }

    /// Until an interval has passed in which it did not come again.
    private func sumUp(_ level: Logger.Level, _ kind: String) async {
        while true {
            try? await Task.sleep(for: interval)
            let again: Int? = suppressed.count.withLock { count in
                let again = count[kind, default: 0]
                count[kind] = again == 0 ? nil : 0
                return again == 0 ? nil : again
            }
            guard let again else { return }
            logger.log(
                level: level, "\(kind): \(again) more in \(interval / .seconds(1)) s", metadata: ["times": "\(again)"])
        }
    }
}
