import FoundationEssentials
import Glibc

/// Why a call has no reply, where that is not an error the service gave.
public enum VarlinkClientError: Error, Sendable, Equatable {
    /// A path of a Unix socket has at most 107 bytes.
    case pathTooLong(path: String, limit: Int)
    /// Nobody listens on `path`, or we may not connect: see `errno`.
    case connect(path: String, errno: Int32)
    case system(operation: String, errno: Int32)
    /// The service closed the connection before the last reply.
    case closed
    /// What came is no reply to the call.
    case malformedReply(reason: String)
    /// The replies to an earlier call have not all been taken.
    case busy
}

extension VarlinkClientError: CustomStringConvertible {
    public var description: String {
        switch self {
        case .pathTooLong(let path, let limit):
            "the socket’s path has \(path.utf8.count) bytes, \(limit) are possible: \(path)"
        case .connect(let path, let number): "cannot connect to \(path): \(String(cString: strerror(number)))"
        case .system(let operation, let number): "\(operation): \(String(cString: strerror(number)))"
        case .closed: "the service closed the connection before it replied"
        case .malformedReply(let reason): "the service sent what is no reply: \(reason)"
        case .busy: "an earlier call on this connection is still under way"
        }
    }
}

/// An error reply whose type the client was not told.
public struct VarlinkUnknownError: Error, Sendable, Equatable, CustomStringConvertible {
    public let name: String
    public let parameters: JSONValue

    public init(name: String, parameters: JSONValue) {
        self.name = name
        self.parameters = parameters
    }

    public var description: String {
        guard case .object(let members) = parameters, !members.isEmpty else { return name }
        return "\(name) \(parameters.text)"
    }
}

/// A connection to a Varlink service. Blocking, for one thread at a time.
public final class VarlinkClient {
    /// Bytes a reply may have.
    public static let replyLimit = 256 << 20

    private let descriptor: Int32
    private let errors: [any VarlinkErrorReply.Type]
    private var framer = MessageFramer(limit: VarlinkClient.replyLimit)
    private var awaitsReplies = false

    /// Connects.
    ///
    /// - Parameter errors: the types that error replies are thrown as; those of `org.varlink.service` are always
    ///   `VarlinkServiceError`, those of `VarlinkLimitsInterface` its own, any other is a `VarlinkUnknownError`.
    public init(path: String, errors: [any VarlinkErrorReply.Type] = []) throws(VarlinkClientError) {
        descriptor = try UnixAddress.connect(to: path)
        self.errors = errors
    }

    deinit {
        close(descriptor)
    }

    /// The user id of the process that listens; nil where the kernel does not say.
    public var serverUser: uid_t? { UnixPeer.user(of: descriptor) }

    /// Calls a method that gives one reply.
    ///
    /// - Throws: the error the service replied with, or `VarlinkClientError`.
    public func call<M: VarlinkMethod>(_ method: M.Type, _ parameters: M.Parameters) throws -> M.Reply {
        try begin(try VarlinkCoding.encodeCall(M.self, parameters))
        guard let reply = try nextReply(M.self, more: false) else { throw VarlinkClientError.closed }
        return reply
    }

    /// Calls a method that gives any number of replies. All of them must be taken before the next call.
    public func callMore<M: VarlinkMethod>(
        _ method: M.Type, _ parameters: M.Parameters
    ) throws -> VarlinkReplies<M> {
        try begin(try VarlinkCoding.encodeCall(M.self, parameters, more: true))
        return VarlinkReplies(client: self)
    }

    /// Calls without waiting for anything: not even errors come back.
    public func callOneway<M: VarlinkMethod>(_ method: M.Type, _ parameters: M.Parameters) throws {
        guard !awaitsReplies else { throw VarlinkClientError.busy }
        try send(try VarlinkCoding.encodeCall(M.self, parameters, oneway: true))
    }

    /// The next reply to the call under way; nil after the last.
    fileprivate func nextReply<M: VarlinkMethod>(_ method: M.Type, more: Bool) throws -> M.Reply? {
        guard awaitsReplies else { return nil }
        let message = try receive()
        do {
            let header = try VarlinkCoding.decodeReply(message)
            let continues = header.continues ?? false
            if continues && !more {
                throw VarlinkClientError.malformedReply(reason: "more replies than were asked for")
            }
            awaitsReplies = continues
            if let name = header.error { throw try VarlinkCoding.decodeError(name: name, of: message, as: errors) }
            return try VarlinkCoding.decodeParameters(M.Reply.self, of: message)
        } catch let error as DecodingError {
            throw VarlinkClientError.malformedReply(
                reason:
                    "\(M.name), \(VarlinkCoding.invalidParameter(error, decoding: M.Reply.self, of: message)): \(error)"
            )
        }
    }

    /// The error reply that has come without a call; nil where there is none.
    private func nextError() throws -> (any Error)? {
        let message = try receive()
        guard let name = try VarlinkCoding.decodeReply(message).error else { return nil }
        return try VarlinkCoding.decodeError(name: name, of: message, as: errors)
    }

    private func begin(_ call: Data) throws {
        guard !awaitsReplies else { throw VarlinkClientError.busy }
        do {
            try send(call)
        } catch {
            // Who is cut off is told why before the connection closes: that may lie here unread.
            if error == .closed, let reason = try? nextError() { throw reason }
            throw error
        }
        awaitsReplies = true
    }

    private func send(_ message: Data) throws(VarlinkClientError) {
        let bytes = Array(message) + [0]
        var sent = 0
        while sent < bytes.count {
            let count = bytes[sent...].withUnsafeBytes {
                Glibc.send(descriptor, $0.baseAddress, $0.count, Int32(MSG_NOSIGNAL))
            }
            if count < 0 {
                if errno == EINTR { continue }
                if errno == EPIPE || errno == ECONNRESET { throw .closed }
                throw .system(operation: "send", errno: errno)
            }
            sent += count
        }
    }

    /// Whether something to read comes within `timeout`, the end of the connection included.
    fileprivate func wait(for timeout: Duration) throws -> Bool {
        if framer.hasMessage { return true }
        var entry = pollfd(fd: descriptor, events: Int16(POLLIN), revents: 0)
        let status = poll(&entry, 1, Int32(clamping: Int64(timeout / .milliseconds(1))))
        if status < 0 && errno != EINTR { throw VarlinkClientError.system(operation: "poll", errno: errno) }
        return status > 0
    }

    private func receive() throws -> [UInt8] {
        while true {
            if let message = try framer.next() { return message }
            let piece = try [UInt8](unsafeUninitializedCapacity: 64 << 10) { buffer, count in
                while true {
                    let received = recv(descriptor, buffer.baseAddress, buffer.count, 0)
                    if received > 0 {
                        count = received
                        return
                    }
                    if received == 0 || errno == ECONNRESET { throw VarlinkClientError.closed }
                    if errno != EINTR { throw VarlinkClientError.system(operation: "recv", errno: errno) }
                }
            }
            framer.append(piece)
        }
    }
}

/// The replies to one call, taken one after another.
public struct VarlinkReplies<M: VarlinkMethod> {
    fileprivate let client: VarlinkClient

    /// Whether `next` has something to read already, or will within `timeout`. It may be less than a whole reply.
    public func wait(for timeout: Duration) throws -> Bool {
        try client.wait(for: timeout)
    }

    /// Waits for the next reply; nil after the last.
    public func next() throws -> M.Reply? {
        try client.nextReply(M.self, more: true)
    }
}
