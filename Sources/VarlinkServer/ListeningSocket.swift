import Glibc
import Varlink

/// Why a server cannot listen on a path.
public enum VarlinkListenError: Error, Sendable, Equatable {
    /// A path of a Unix socket has at most 107 bytes.
    case pathTooLong(path: String, limit: Int)
    /// Another process answers there.
    case inUse(path: String)
    /// Something else lies there; it is left alone.
    case notASocket(path: String)
    case groupNotFound(group: String)
    case system(operation: String, path: String, errno: Int32)
}

extension VarlinkListenError: CustomStringConvertible {
    public var description: String {
        switch self {
        case .pathTooLong(let path, let limit):
            "the socket’s path has \(path.utf8.count) bytes, \(limit) are possible: \(path)"
        case .inUse(let path): "another service already answers on \(path)"
        case .notASocket(let path): "\(path) exists and is no socket"
        case .groupNotFound(let group): "there is no group ‘\(group)’ for the socket"
        case .system(let operation, let path, let number): "\(operation) \(path): \(String(cString: strerror(number)))"
        }
    }
}

/// A Unix socket that this process made, and the file it stands for.
struct ListeningSocket: Sendable {
    let path: String
    /// Bound and listening; whoever uses it closes it.
    let descriptor: Int32
    private let device: dev_t
    private let inode: ino_t

    /// Binds `path`. A socket that nobody listens on any more is removed first; a live one is refused.
    ///
    /// - Parameter group: the owner's group where nil. Nobody can connect before mode and group are set.
    static func bind(path: String, mode: mode_t, group: String?) throws(VarlinkListenError) -> ListeningSocket {
        func check(_ status: Int32, _ operation: String) throws(VarlinkListenError) {
            if status < 0 { throw .system(operation: operation, path: path, errno: errno) }
        }
        guard var address = UnixAddress.make(path) else {
            throw .pathTooLong(path: path, limit: UnixAddress.pathLimit)
        }
        var groupID: gid_t?
        if let group {
            guard let entry = getgrnam(group) else { throw .groupNotFound(group: group) }
            groupID = entry.pointee.gr_gid
        }
        try removeDead(path, &address)

        let descriptor = socket(AF_UNIX, Int32(SOCK_STREAM.rawValue | SOCK_CLOEXEC.rawValue), 0)
        try check(descriptor, "socket")
        do throws(VarlinkListenError) {
            let bound = UnixAddress.with(&address) { Glibc.bind(descriptor, $0, $1) }
            if bound < 0 && errno == EADDRINUSE { throw .inUse(path: path) }
            try check(bound, "bind")
            if let groupID { try check(chown(path, uid_t.max, groupID), "chown") }
            try check(chmod(path, mode), "chmod")
            try check(listen(descriptor, SOMAXCONN), "listen")
            var status = stat()
            try check(lstat(path, &status), "stat")
            return ListeningSocket(
                path: path, descriptor: descriptor, device: status.st_dev, inode: status.st_ino)
        } catch {
            close(descriptor)
            throw error
        }
    }

    /// Removes the file, unless another process has put its own in the place.
    func removeFile() {
        var status = stat()
        guard lstat(path, &status) == 0, status.st_dev == device, status.st_ino == inode else { return }
        unlink(path)
    }

    private static func removeDead(_ path: String, _ address: inout sockaddr_un) throws(VarlinkListenError) {
        var status = stat()
        guard lstat(path, &status) == 0 else {
            if errno == ENOENT { return }
            throw .system(operation: "stat", path: path, errno: errno)
        }
        guard status.st_mode & S_IFMT == S_IFSOCK else { throw .notASocket(path: path) }
        // Not blocking: a service with a full queue is alive too.
        let probe = socket(AF_UNIX, Int32(SOCK_STREAM.rawValue | SOCK_CLOEXEC.rawValue | SOCK_NONBLOCK.rawValue), 0)
        guard probe >= 0 else { throw .system(operation: "socket", path: path, errno: errno) }
        defer { close(probe) }
        if UnixAddress.with(&address, { connect(probe, $0, $1) }) == 0 { throw .inUse(path: path) }
        switch errno {
        case ECONNREFUSED:
            if unlink(path) < 0 && errno != ENOENT { throw .system(operation: "unlink", path: path, errno: errno) }
        case EAGAIN: throw .inUse(path: path)
        case ENOENT: return
        default: throw .system(operation: "connect", path: path, errno: errno)
        }
    }
}
