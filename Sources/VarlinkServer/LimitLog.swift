import Logging
import Synchronization

/// Says who is cut off and why, each reason at most once in ten seconds: what a client may do a thousand times a second
/// must not fill the log.
struct LimitLog: Sendable {
    let logger: Logger
    private let reasons = Reasons()

    private final class Reasons: Sendable {
        struct Last {
            var time: ContinuousClock.Instant
            var unsaid = 0
        }
        let last = Mutex<[String: Last]>([:])
    }

    init(_ logger: Logger) { self.logger = logger }

    /// - Parameters:
    ///   - reason: one of a few words
    ///   - error: the same with its figures
    func cutOff(_ peer: PeerCredentials, reason: String, _ error: String) {
        let unsaid: Int? = reasons.last.withLock { last in
            let now = ContinuousClock.now
            if let said = last[reason], now - said.time < .seconds(10) {
                last[reason]?.unsaid += 1
                return nil
            }
            return last.updateValue(.init(time: now), forKey: reason)?.unsaid ?? 0
        }
        guard let unsaid else { return }
        logger.notice(
            "a client is cut off",
            metadata: [
                "reason": "\(error)", "pid": "\(peer.pid)", "uid": "\(peer.uid)", "others_unsaid": "\(unsaid)",
            ])
    }
}
