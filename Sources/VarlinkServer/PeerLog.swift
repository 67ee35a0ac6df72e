import LimitedLogging
import Logging

/// What the log is told of a client.
extension LimitLog {
    /// - Parameters:
    ///   - reason: one of a few words
    ///   - error: the same with its figures
    func cutOff(_ peer: PeerCredentials, reason: String, _ error: String) {
        let what = "a client is cut off"
        write(.notice, "\(what) (\(reason))", what, error, peer)
    }

    /// - Parameters:
    ///   - what: what has happened
    ///   - detail: this case of it
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
