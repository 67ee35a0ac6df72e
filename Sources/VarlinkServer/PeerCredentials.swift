import Glibc
import Varlink

/// The process that connected, as recorded by the kernel at that time (`SO_PEERCRED`, `SO_PEERGROUPS`).
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

    /// `SO_PEERGROUPS` from `asm-generic/socket.h`; since Linux 4.13.
    private static let peerGroups: Int32 = 59

    /// Returns nil, with `errno` set, if `socket` has no peer.
    init?(of socket: Int32) {
        guard let peer = UnixPeer(of: socket) else { return nil }
        self.init(pid: peer.pid, uid: peer.uid, gid: peer.gid, groups: Self.groups(of: socket))
    }

    private static func groups(of socket: Int32) -> [UInt32] {
        var groups = [gid_t](repeating: 0, count: 32)
        while true {
            var size = socklen_t(groups.count * MemoryLayout<gid_t>.stride)
            if getsockopt(socket, SOL_SOCKET, peerGroups, &groups, &size) == 0 {
                return Array(groups.prefix(Int(size) / MemoryLayout<gid_t>.stride))
            }
            // If the buffer is too small, the kernel returns the required size. After any other error the peer is treated
            // as a member of no supplementary group.
            let needed = Int(size) / MemoryLayout<gid_t>.stride
            guard errno == ERANGE, needed > groups.count else { return [] }
            groups = [gid_t](repeating: 0, count: needed)
        }
    }
}
