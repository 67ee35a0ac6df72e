import AsyncSupport
import Dispatch
import Durable
import FoundationEssentials
import Glibc
import Interface
import Synchronization
import Varlink
import VarlinkServer

/// Passes open files between the service and an administrator, for `Import` and `Export`, and bytes of members, for `Put`.
///
/// The connection of a call cannot carry descriptors. Each transfer therefore has a Unix socket of its own, with a random name in
/// a directory that only the service can write. It accepts one connection, from the caller's user, and closes others.
final class Transfers: Sendable {
    /// Concurrent, so that each transfer has its own thread; `limit` bounds their number.
    static let queue = DispatchQueue(label: "io.kantaibert.transfers", attributes: .concurrent)
    /// Maximum number of concurrent transfers.
    static let limit = 2
    /// How long the caller may take to connect and to send.
    static let patience: Duration = .seconds(30)

    let folder: String
    private let active = Mutex(0)

    init(folder: String) {
        self.folder = folder
    }

    /// - Throws: `TooManyTransfers`, and what `body` throws
    func counted<Value>(_ body: () async throws -> Value) async throws -> Value {
        let admitted = active.withLock { count in
            guard count < Self.limit else { return false }
            count += 1
            return true
        }
        guard admitted else { throw ManagerInterface.TooManyTransfers(limit: Self.limit) }
        defer { active.withLock { $0 -= 1 } }
        return try await body()
    }

    /// Receives `count` descriptors from the user.
    /// - Parameter whenListening: called with the path of the socket, for the caller
    /// - Throws: `TransferFailed`
    func receive(
        _ count: Int, from user: uid_t, whenListening: (String) async throws -> Void
    ) async throws -> [OpenDescriptor] {
        let descriptors = try await connected(to: user, whenListening) { connection, until, flag in
            try Self.wait(for: connection.number, until: until, flag)
            let limit = ManagerInterface.Import.fileLimit
            return try DescriptorPassing.receive(atMost: limit, over: connection.number)
        }
        guard descriptors.count == count else {
            throw ManagerInterface.TransferFailed(
                reason: "received \(descriptors.count) descriptors for \(count) file names")
        }
        return descriptors
    }

    /// Returns a connection over which the user sends bytes.
    func connection(
        from user: uid_t, whenListening: (String) async throws -> Void
    ) async throws -> OpenDescriptor {
        try await connected(to: user, whenListening) { connection, _, _ in connection }
    }

    /// Sends descriptors to the user.
    func send(
        _ descriptors: [OpenDescriptor], to user: uid_t, whenListening: (String) async throws -> Void
    ) async throws {
        try await connected(to: user, whenListening) { connection, _, _ in
            try withExtendedLifetime((descriptors, connection)) {
                try DescriptorPassing.send(descriptors.map(\.number), over: connection.number)
            }
        }
    }

    private func connected<Value: Sendable>(
        to user: uid_t, _ whenListening: (String) async throws -> Void,
        _ body: @escaping @Sendable (OpenDescriptor, ContinuousClock.Instant, CancellationFlag) throws -> Value
    ) async throws -> Value {
        let socket = try TransferSocket(in: folder, for: user)
        defer { socket.removeFile() }
        try await whenListening(socket.path)
        do {
            return try await Self.queue.runCancellable { flag in
                let until = ContinuousClock.now.advanced(by: Self.patience)
                return try body(try socket.accept(until: until, flag), until, flag)
            }
        } catch let error as DescriptorPassingError {
            throw ManagerInterface.TransferFailed(reason: error.description)
        }
    }

    /// Waits until a descriptor is readable, or has a connection to accept.
    fileprivate static func wait(for descriptor: Int32, until: ContinuousClock.Instant, _ flag: CancellationFlag) throws
    {
        while true {
            try flag.check()
            guard ContinuousClock.now < until else {
                throw ManagerInterface.TransferFailed(
                    reason: "nothing was received within \(Int(patience / .seconds(1))) seconds")
            }
            var entry = pollfd(fd: descriptor, events: Int16(POLLIN), revents: 0)
            let status = poll(&entry, 1, 50)
            if status > 0 { return }
            if status < 0 && errno != EINTR { throw DescriptorPassingError.system(operation: "poll", errno: errno) }
        }
    }

    /// Removes the sockets that an earlier process has left, and nothing else.
    func clearLeftovers() {
        guard let opened = try? TransferSocket.openFolder(folder) else { return }
        for name in (try? FileManager.default.contentsOfDirectory(atPath: folder)) ?? [] where name.utf8.count == 16 {
            var status = stat()
            guard fstatat(opened.number, name, &status, AT_SYMLINK_NOFOLLOW) == 0, status.st_mode & S_IFMT == S_IFSOCK
            else { continue }
            unlinkat(opened.number, name, 0)
        }
    }
}

/// A listening socket for a single connection.
private struct TransferSocket: Sendable {
    let path: String
    private let user: uid_t
    private let descriptor: OpenDescriptor

    init(in folder: String, for user: uid_t) throws {
        try Self.prepare(folder)
        self.user = user
        // Sixteen digits.
        let path = "\(folder)/\(String(UInt64.random(in: 1 << 60 ... UInt64.max), radix: 16))"
        self.path = path
        guard var address = UnixAddress.make(path) else {
            throw VarlinkClientError.pathTooLong(path: path, limit: UnixAddress.pathLimit)
        }
        func check(_ status: Int32, _ operation: String) throws(DurableError) {
            if status < 0 { throw DurableError(operation: operation, path: path, errno: errno) }
        }
        let number = socket(
            AF_UNIX, Int32(SOCK_STREAM.rawValue | SOCK_CLOEXEC.rawValue | SOCK_NONBLOCK.rawValue), 0)
        try check(number, "socket")
        descriptor = OpenDescriptor(number)
        try check(UnixAddress.with(&address) { bind(number, $0, $1) }, "bind")
        do throws(DurableError) {
            // Users other than root and this one need permission to connect; the kernel reports who they are.
            try check(chmod(path, user == 0 || user == geteuid() ? 0o600 : 0o666), "chmod")
            try check(listen(number, 8), "listen")
        } catch {
            unlink(path)
            throw error
        }
    }

    /// Creates the directory, or checks that it belongs to the service.
    private static func prepare(_ folder: String) throws(DurableError) {
        if mkdir(folder, 0o700) < 0 && errno != EEXIST {
            throw DurableError(operation: "mkdir", path: folder, errno: errno)
        }
        let opened = try openFolder(folder)
        // The descriptor is closed after its last use.
        let status = withExtendedLifetime(opened) { fchmod(opened.number, 0o711) }
        guard status == 0 else { throw DurableError(operation: "chmod", path: folder, errno: errno) }
    }

    /// Opens the directory if it belongs to the service.
    static func openFolder(_ folder: String) throws(DurableError) -> OpenDescriptor {
        let number = open(folder, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC)
        guard number >= 0 else { throw DurableError(operation: "open", path: folder, errno: errno) }
        let opened = OpenDescriptor(number)
        var status = stat()
        guard fstat(number, &status) == 0, status.st_uid == geteuid() else {
            throw DurableError(operation: "open", path: folder, errno: EPERM, hint: "it belongs to another user")
        }
        return opened
    }

    /// Accepts the caller's connection, and closes those of other users.
    func accept(until: ContinuousClock.Instant, _ flag: CancellationFlag) throws -> OpenDescriptor {
        while true {
            try Transfers.wait(for: descriptor.number, until: until, flag)
            let number = Glibc.accept(descriptor.number, nil, nil)
            guard number >= 0 else {
                if [EINTR, EAGAIN, ECONNABORTED].contains(errno) { continue }
                throw DescriptorPassingError.system(operation: "accept", errno: errno)
            }
            let connection = OpenDescriptor(number)
            _ = fcntl(number, F_SETFD, FD_CLOEXEC)
            guard UnixPeer.user(of: number) == user else { continue }
            return connection
        }
    }

    func removeFile() { unlink(path) }
}
