import Glibc
import Varlink

/// A failure to listen on a path.
public enum VarlinkListenError: Error, Sendable, Equatable {
    /// The path exceeds the maximum length of a Unix socket's path, which is 107 bytes.
    case pathTooLong(path: String, limit: Int)
    /// Another process listens on the path.
    case inUse(path: String)
    /// The path exists and is not a socket. It is not modified.
    case notASocket(path: String)
    case groupNotFound(group: String)
    case system(operation: String, path: String, errno: Int32)
}

extension VarlinkListenError: CustomStringConvertible {
    public var description: String {
        switch self {
        case .pathTooLong(let path, let limit):
            "the path of the socket has \(path.utf8.count) bytes, more than the maximum of \(limit): \(path)"
        case .inUse(let path): "another service is already listening on \(path)"
        case .notASocket(let path): "\(path) exists and is not a socket"
        case .groupNotFound(let group): "there is no group ‘\(group)’ for the socket"
        case .system(let operation, let path, let number): "\(operation) \(path): \(String(cString: strerror(number)))"
        }
    }
}

/// A listening Unix socket created by this process, and its file.
struct ListeningSocket: Sendable {
    let path: String
    /// The listening descriptor, which the user of this value must close.
    let descriptor: Int32
    private let device: dev_t
    private let inode: ino_t

    /// Creates a socket at `path`. A stale socket file is removed first; if a process listens on it, the method throws.
    ///
    /// - Parameter group: the group of the file; if nil, that of its owner. No client can connect before mode and group are
    ///   set.
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
        try removeStale(path, &address)

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

    /// Removes the file unless another process has replaced it.
    func removeFile() {
        var status = stat()
        guard lstat(path, &status) == 0, status.st_dev == device, status.st_ino == inode else { return }
        unlink(path)
    }

    private static func removeStale(_ path: String, _ address: inout sockaddr_un) throws(VarlinkListenError) {
        var status = stat()
        guard lstat(path, &status) == 0 else {
            if errno == ENOENT { return }
            throw .system(operation: "stat", path: path, errno: errno)
        }
        guard status.st_mode & S_IFMT == S_IFSOCK else { throw .notASocket(path: path) }
        // Non-blocking: a service whose queue is full counts as listening.
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
