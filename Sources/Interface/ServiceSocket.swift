import Glibc

/// The service's socket as a client finds it, and whom it takes for the service.
public struct ServiceSocket: Sendable, Equatable {
    public static let system = "/run/kantaibert/io.kantaibert"
    public static let local = "./var/io.kantaibert"

    public let path: String
    /// Whether the folder it was looked for in is the user's own, where nobody has named it.
    private let isLocal: Bool

    /// The one that somebody has named.
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

    /// Finds the one that is meant where nobody has named any: the system's, else that of a service which this user has
    /// started with `--state-dir ./var`.
    ///
    /// Whoever asks in a folder of somebody else's, `/tmp` for one, must not tell that one's program what they ask.
    /// - Parameter folder: `./var`, but in tests
    /// - Throws: `UntrustedSocket` where there is a `./var/io.kantaibert` that is not this user's alone
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
            throw untrusted("\(folder) is no folder of yours: \(errorText())")
        }
        defer { close(opened) }
        guard fstat(opened, &status) == 0, status.st_uid == geteuid() else {
            throw untrusted("\(folder) belongs to another user")
        }
        guard status.st_mode & 0o022 == 0 else {
            throw untrusted("others may write in \(folder)")
        }
        guard fstatat(opened, "io.kantaibert", &status, AT_SYMLINK_NOFOLLOW) == 0, status.st_mode & S_IFMT == S_IFSOCK
        else { throw untrusted("it is no socket") }
        guard status.st_uid == geteuid() else {
            throw untrusted("it belongs to another user")
        }
        return local
    }

    /// Looks at whom the kernel says the client is connected to: root, this user, or the owner of the socket or of the folder
    /// it lies in, who could put another in its place anyway.
    /// - Parameter user: nil where the kernel does not say
    /// - Throws: `UntrustedSocket`
    public func check(server user: uid_t?) throws(UntrustedSocket) {
        if user == 0 || user == geteuid() { return }
        var status = stat()
        let slash = path.lastIndex(of: "/") ?? path.startIndex
        let folder = slash == path.startIndex ? (path.hasPrefix("/") ? "/" : ".") : String(path[..<slash])
        for owned in [path, folder] where !isLocal && user != nil {
            if stat(owned, &status) == 0, status.st_uid == user { return }
        }
        throw UntrustedSocket(
            path: path, reason: "user \(user.map { "\($0)" } ?? "nobody knows") answers there, who is not its owner")
    }

    private static func errorText() -> String { String(cString: strerror(errno)) }
}

/// A socket that may be somebody else's trap.
public struct UntrustedSocket: Error, Sendable, Equatable, CustomStringConvertible {
    public let path: String
    public let reason: String

    /// Nobody has named the path.
    public var isFound = false

    public var description: String {
        let advice = isFound ? "; where it is meant all the same, name it: --socket \(path)" : ""
        return "\(path) is not used, as \(reason)\(advice)"
    }
}
