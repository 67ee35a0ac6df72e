import LimitedLogging
import Logging

/// Log messages about clients.
extension LimitLog {
    /// Logs that a client was cut off.
    /// - Parameters:
    ///   - reason: one of a fixed set of reasons; messages are limited for each reason.
    ///   - error: the reason in detail.
    func cutOff(_ peer: PeerCredentials, reason: String, _ error: String) {
        let what = "client cut off"
        write(.notice, "\(what) (\(reason))", what, error, peer)
    }

    /// - Parameters:
    ///   - what: the kind of event; messages are limited for each kind.
    ///   - detail: details of this occurrence.
    func write(_ level: Logger.Level, _ what: String, _ detail: String, _ peer: PeerCredentials) {
        write(level, what, what, detail, peer)
    }

    private func write(
        _ level: Logger.Level, _ kind: String, _ what: String, _ detail: String, _ peer: PeerCredentials
    ) {
        write(
            level, kind, "\(what): \(detail) (process \(peer.pid) of user \(peer.uid))",
            metadata: ["reason": "\(detail)", "pid": "\(peer.pid)", "uid": "\(peer.uid)"])
    }
}
