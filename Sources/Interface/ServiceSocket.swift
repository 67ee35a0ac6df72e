import Glibc

/// The socket on which a client connects to the service, and the check that the service itself is listening on it.
public struct ServiceSocket: Sendable, Equatable {
    public static let system = "/run/kantaibert/io.kantaibert"
    public static let local = "./var/io.kantaibert"

    public let path: String
    /// Whether the socket was found in a directory of the user rather than specified by path.
    private let isLocal: Bool

    /// Creates the socket for a path that the user specified.
    public init(path: String) {
        self.path = path
        isLocal = false
    }

    /// Returns the socket that `--socket` names, else the one that `KANTAIBERT_SOCKET` names, else the one `find()` finds.
    /// - Throws: `UntrustedSocket`, as `find()` does
    public static func locate(option: String? = nil) throws(UntrustedSocket) -> ServiceSocket {
        if let option { return ServiceSocket(path: option) }
        if let named = getenv("KANTAIBERT_SOCKET"), named[0] != 0 {
            return ServiceSocket(path: String(cString: named))
        }
        return try find()
    }

    private init(localIn folder: String) {
        path = "\(folder)/io.kantaibert"
        isLocal = true
    }

    /// Finds the socket if the user specified none: that of the system's service, or that of a service which this user has
    /// started with `--state-dir ./var`.
    ///
    /// In a directory of another user, such as `/tmp`, a local socket could belong to a program that collects requests.
    /// - Parameter folder: `./var`, except in tests.
    /// - Throws: `UntrustedSocket` if `./var/io.kantaibert` exists and is not under the exclusive control of this user.
    public static func find(system: String = system, folder: String = "./var") throws(UntrustedSocket) -> ServiceSocket
    {
        guard access(system, F_OK) != 0 else { return ServiceSocket(path: system) }
        var status = stat()
        let local = ServiceSocket(localIn: folder)
        func untrusted(_ reason: String) -> UntrustedSocket {
            UntrustedSocket(path: local.path, reason: reason, isFound: true)
        }
        guard lstat(local.path, &status) == 0 else { return ServiceSocket(path: system) }
        let opened = open(folder, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC)
        guard opened >= 0 else {
            throw untrusted("\(folder) is not a directory: \(errorText())")
        }
        defer { close(opened) }
        guard fstat(opened, &status) == 0, status.st_uid == geteuid() else {
            throw untrusted("\(folder) belongs to another user")
        }
        guard status.st_mode & 0o022 == 0 else {
            throw untrusted("other users can write to \(folder)")
        }
        guard fstatat(opened, "io.kantaibert", &status, AT_SYMLINK_NOFOLLOW) == 0, status.st_mode & S_IFMT == S_IFSOCK
        else { throw untrusted("it is not a socket") }
        guard status.st_uid == geteuid() else {
            throw untrusted("it belongs to another user")
        }
        return local
    }

    /// Checks the user whose process is listening. Accepted are root, this user, and the owner of the socket or of its
    /// directory, who could replace the socket anyway.
    /// - Parameter user: the user reported by the kernel, or nil if it did not report one.
    /// - Throws: `UntrustedSocket` if the user is another one.
    public func check(server user: uid_t?) throws(UntrustedSocket) {
        if user == 0 || user == geteuid() { return }
        var status = stat()
        let slash = path.lastIndex(of: "/") ?? path.startIndex
        let folder = slash == path.startIndex ? (path.hasPrefix("/") ? "/" : ".") : String(path[..<slash])
        for owned in [path, folder] where !isLocal && user != nil {
            if stat(owned, &status) == 0, status.st_uid == user { return }
        }
        throw UntrustedSocket(
            path: path,
            reason: user.map { "it is served by user \($0), who is not its owner" }
                ?? "the user of its service is unknown"
        )
    }

    private static func errorText() -> String { String(cString: strerror(errno)) }
}

/// A socket on which a program other than the service may be listening.
public struct UntrustedSocket: Error, Sendable, Equatable, CustomStringConvertible {
    public let path: String
    public let reason: String

    /// Whether the socket was found rather than specified by the user.
    public var isFound = false

    public var description: String {
        let advice = isFound ? "; to use it anyway, pass --socket \(path)" : ""
        return "\(path) is not trusted: \(reason)\(advice)"
    }
}
