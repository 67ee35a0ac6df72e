import Logging
import Synchronization

/// Writes what clients bring about, each kind of it at most once in an interval: what a client may do a thousand times a
/// second must not fill the log. What was left unsaid is counted, and the count is written when the interval is over.
struct LimitLog: Sendable {
    let logger: Logger
    private let interval: Duration
    /// How often each kind came again since its last line.
    private let unsaid = Unsaid()

    private final class Unsaid: Sendable {
        let count = Mutex<[String: Int]>([:])
    }

    init(_ logger: Logger, interval: Duration) {
        self.logger = logger
        self.interval = interval
    }

    /// - Parameters:
    ///   - reason: one of a few words
    ///   - error: the same with its figures
    func cutOff(_ peer: PeerCredentials, reason: String, _ error: String) {
        write(.notice, "a client is cut off", of: reason, error, peer)
    }

    /// - Parameters:
    ///   - what: what has happened
    ///   - kind: one of a few words; lines of one kind are counted together
    ///   - detail: this case of it
    func write(
        _ level: Logger.Level, _ what: String, of kind: String = "", _ detail: String, _ peer: PeerCredentials
    ) {
        let key = "\(what) \(kind)"
        let isFirst = unsaid.count.withLock { count in
            guard let already = count[key] else {
                count[key] = 0
                return true
            }
            count[key] = already + 1
            return false
        }
        guard isFirst else { return }
        logger.log(
            level: level, "\(what): \(detail) (process \(peer.pid) of user \(peer.uid))",
            metadata: ["reason": "\(detail)", "pid": "\(peer.pid)", "uid": "\(peer.uid)"])
        Task { await sumUp(level, what, kind, key) }
    }

    /// Until an interval has passed in which it did not come again.
    private func sumUp(_ level: Logger.Level, _ what: String, _ kind: String, _ key: String) async {
        while true {
            try? await Task.sleep(for: interval)
            let again: Int? = unsaid.count.withLock { count in
                let again = count[key, default: 0]
                count[key] = again == 0 ? nil : 0
                return again == 0 ? nil : again
            }
            guard let again else { return }
            let name = kind.isEmpty ? what : "\(what) (\(kind))"
            logger.log(
                level: level, "\(name): \(again) more in \(interval / .seconds(1)) s", metadata: ["times": "\(again)"])
        }
    }
}
