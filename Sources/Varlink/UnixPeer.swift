import Glibc

/// The process at the other end of a Unix socket, as the kernel noted it.
public enum UnixPeer {
    /// `struct ucred`, which Glibc declares for GNU sources only.
    private struct Credentials {
        var pid: pid_t = 0
        var uid: uid_t = 0
        var gid: gid_t = 0
    }

    /// The user id of the process that connected or, asked by a client, of the one that listens (`SO_PEERCRED`).
    /// - Returns: nil with `errno` set where `socket` has no peer
    public static func user(of socket: Int32) -> uid_t? {
        var peer = Credentials()
        var size = socklen_t(MemoryLayout<Credentials>.size)
        guard getsockopt(socket, SOL_SOCKET, SO_PEERCRED, &peer, &size) == 0 else { return nil }
        return peer.uid
    }
}
