import Glibc

/// Who is at the other end of the socket, as the kernel noted it when they connected (`SO_PEERCRED`, `SO_PEERGROUPS`).
public struct PeerCredentials: Sendable, Equatable {
    public let pid: Int32
    public let uid: UInt32
    public let gid: UInt32
    /// The supplementary groups.
    public let groups: [UInt32]

    public init(pid: Int32, uid: UInt32, gid: UInt32, groups: [UInt32] = []) {
        self.pid = pid
        self.uid = uid
        self.gid = gid
        self.groups = groups
    }

    /// `struct ucred`, which Glibc declares for GNU sources only.
    private struct Credentials {
        var pid: pid_t = 0
        var uid: uid_t = 0
        var gid: gid_t = 0
    }

    /// Of `asm-generic/socket.h`; since Linux 4.13.
    private static let peerGroups: Int32 = 59

    /// Nil with `errno` set where `socket` has no peer.
    init?(of socket: Int32) {
        var peer = Credentials()
        var size = socklen_t(MemoryLayout<Credentials>.size)
        guard getsockopt(socket, SOL_SOCKET, SO_PEERCRED, &peer, &size) == 0 else { return nil }
        self.init(pid: peer.pid, uid: peer.uid, gid: peer.gid, groups: Self.groups(of: socket))
    }

    private static func groups(of socket: Int32) -> [UInt32] {
        var groups = [gid_t](repeating: 0, count: 32)
        while true {
            var size = socklen_t(groups.count * MemoryLayout<gid_t>.stride)
            if getsockopt(socket, SOL_SOCKET, peerGroups, &groups, &size) == 0 {
                return Array(groups.prefix(Int(size) / MemoryLayout<gid_t>.stride))
            }
            // Too few: the size that is needed comes back. Anything else: nobody is let in by a group.
            let needed = Int(size) / MemoryLayout<gid_t>.stride
            guard errno == ERANGE, needed > groups.count else { return [] }
            groups = [gid_t](repeating: 0, count: needed)
        }
    }
}
