import FoundationEssentials
import Glibc

/// A failure of a call other than an error reply of the service.
public enum VarlinkClientError: Error, Sendable, Equatable {
    /// The path exceeds the maximum length of a Unix socket's path, which is 107 bytes.
    case pathTooLong(path: String, limit: Int)
    /// No process listens on `path`, or connecting is not permitted; see `errno`.
    case connect(path: String, errno: Int32)
    case system(operation: String, errno: Int32)
    /// The service closed the connection before the last reply.
    case closed
    /// The message received is not a reply to the call.
    case malformedReply(reason: String)
    /// Replies to an earlier call have not been read.
    case busy
}

extension VarlinkClientError: CustomStringConvertible {
    public var description: String {
        switch self {
        case .pathTooLong(let path, let limit):
            "the path of the socket has \(path.utf8.count) bytes, more than the maximum of \(limit): \(path)"
        case .connect(let path, let number): "cannot connect to \(path): \(String(cString: strerror(number)))"
        case .system(let operation, let number): "\(operation): \(String(cString: strerror(number)))"
        case .closed: "the service closed the connection before replying"
        case .malformedReply(let reason): "the service sent a malformed reply: \(reason)"
        case .busy: "an earlier call on this connection is still in progress"
        }
    }
}

/// An error reply of a type that was not passed to the client.
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

/// A connection to a Varlink service. Calls block; only one thread may use a connection at a time.
public final class VarlinkClient {
    /// The maximum size of a reply in bytes.
    public static let replyLimit = 256 << 20

    private let descriptor: Int32
    private let errors: [any VarlinkErrorReply.Type]
    private var framer = MessageFramer(limit: VarlinkClient.replyLimit)
    private var awaitsReplies = false

    /// Connects to the service that listens on `path`.
    ///
    /// - Parameter errors: the error types to throw for error replies. Errors of `org.varlink.service` are thrown as
    ///   `VarlinkServiceError`, those of a `Limits` interface as the types of `VarlinkLimitsInterface`, and all others as
    ///   `VarlinkUnknownError`.
    public init(path: String, errors: [any VarlinkErrorReply.Type] = []) throws(VarlinkClientError) {
        descriptor = try UnixAddress.connect(to: path)
        self.errors = errors
    }

    deinit {
        close(descriptor)
    }

    /// The user ID of the process that listens, or nil if the kernel does not report it.
    public var serverUser: uid_t? { UnixPeer.user(of: descriptor) }

    /// Calls a method that returns one reply.
    ///
    /// - Throws: the error reply of the service, or `VarlinkClientError`.
    public func call<M: VarlinkMethod>(_ method: M.Type, _ parameters: M.Parameters) throws -> M.Reply {
        try begin(try VarlinkCoding.encodeCall(M.self, parameters))
        guard let reply = try nextReply(M.self, more: false) else { throw VarlinkClientError.closed }
        return reply
    }

    /// Calls a method that returns any number of replies. All of them must be read before the next call.
    public func callMore<M: VarlinkMethod>(
        _ method: M.Type, _ parameters: M.Parameters
    ) throws -> VarlinkReplies<M> {
        try begin(try VarlinkCoding.encodeCall(M.self, parameters, more: true))
        return VarlinkReplies(client: self)
    }

    /// Calls a method without waiting for a reply. Errors are not reported either.
    public func callOneway<M: VarlinkMethod>(_ method: M.Type, _ parameters: M.Parameters) throws {
        guard !awaitsReplies else { throw VarlinkClientError.busy }
        try send(try VarlinkCoding.encodeCall(M.self, parameters, oneway: true))
    }

    /// Returns the next reply to the current call, or nil after the last one.
    fileprivate func nextReply<M: VarlinkMethod>(_ method: M.Type, more: Bool) throws -> M.Reply? {
        guard awaitsReplies else { return nil }
        let message = try receive()
        do {
            let header = try VarlinkCoding.decodeReply(message)
            let continues = header.continues ?? false
            if continues && !more {
                throw VarlinkClientError.malformedReply(reason: "more than one reply to a call without ‘more’")
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

    /// Returns the error reply that the service sent without a call, or nil if there is none.
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
            // Before a server disconnects a client it sends the reason, which may be waiting to be read.
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

    /// Returns whether data or the end of the connection can be read within `timeout`.
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

/// The replies to one call.
public struct VarlinkReplies<M: VarlinkMethod> {
    fileprivate let client: VarlinkClient

    /// Returns whether `next` can read something within `timeout`, which may be less than a complete reply.
    public func wait(for timeout: Duration) throws -> Bool {
        try client.wait(for: timeout)
    }

    /// Waits for the next reply and returns it, or nil after the last one.
    public func next() throws -> M.Reply? {
        try client.nextReply(M.self, more: true)
    }
}
