package import Logging
import Synchronization

/// Logs events caused by clients, each kind of message at most once per interval, so that a client cannot fill the log.
/// Suppressed messages are counted, and the count is logged at the end of the interval.
package struct LimitLog: Sendable {
    /// The logger, for messages that need no limit because their cause is already limited.
    package let logger: Logger
    private let interval: Duration
    /// The number of suppressed messages of each kind since its last line.
    private let suppressed = Suppressed()

    private final class Suppressed: Sendable {
        let count = Mutex<[String: Int]>([:])
    }

    package init(_ logger: Logger, interval: Duration) {
        self.logger = logger
        self.interval = interval
    }

    /// - Parameters:
    ///   - kind: the kind of event, one of a few fixed texts; messages of the same kind are counted together
    ///   - line: details of this occurrence
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

    /// Repeats until an interval has passed without a message of this kind.
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
