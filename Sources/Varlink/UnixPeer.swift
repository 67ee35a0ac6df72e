import Glibc

/// The process at the other end of a Unix socket, as recorded by the kernel when the connection was made.
public struct UnixPeer: Sendable, Equatable {
    // The layout of `struct ucred`, which Glibc declares only with `_GNU_SOURCE`.
    public private(set) var pid: pid_t = 0
    public private(set) var uid: uid_t = 0
    public private(set) var gid: gid_t = 0

    /// Returns the process that connected or, for a client, the process that listens (`SO_PEERCRED`).
    /// - Returns: nil, with `errno` set, if `socket` has no peer.
    public init?(of socket: Int32) {
        var size = socklen_t(MemoryLayout<UnixPeer>.size)
        guard getsockopt(socket, SOL_SOCKET, SO_PEERCRED, &self, &size) == 0 else { return nil }
    }

    /// Returns the user ID of the peer.
    /// - Returns: nil, with `errno` set, if `socket` has no peer.
    public static func user(of socket: Int32) -> uid_t? { UnixPeer(of: socket)?.uid }
}
