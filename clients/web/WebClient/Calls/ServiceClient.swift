import FoundationEssentials
import Glibc
import Interface
import NIOCore
import NIOPosix
import Synchronization
import Varlink

/// Thrown when `ServiceClient` already has the maximum number of calls in progress.
struct TooManyCalls: Error {
    let limit: Int
}

/// Calls the service over its socket without blocking threads.
///
/// Each call uses its own connection, because a call is cancelled by closing the connection.
public struct ServiceClient: Sendable {
    /// Sends an encoded call and returns a stream of the encoded replies.
    package typealias Answers = @Sendable (_ call: [UInt8]) async throws -> [[UInt8]]

    private enum Transport {
        case socket(ServiceSocket)
        case answers(Answers)
    }

    /// Maximum bytes of one reply, of all replies to one call, and of all replies being read. A service of another
    /// version, or another program on its socket, may send anything.
    package struct Limits: Sendable {
        package var replyBytes = 16 << 20
        package var callBytes = 32 << 20
        package var bytes = 96 << 20

        package init() {}
    }

    private static let errors = InferenceInterface.errors + ManagerInterface.errors

    private let transport: Transport
    private let calls: CallCount
    private let limits: Limits

    /// - Parameters:
    ///   - limit: maximum number of concurrent calls, because the service limits the connections of all its clients
    public init(socket: ServiceSocket, limit: Int = 100) {
        self.init(.socket(socket), limit: limit, limits: Limits())
    }

    /// Creates a client for a socket that was given explicitly.
    public init(path: String, limit: Int = 100) {
        self.init(socket: ServiceSocket(path: path), limit: limit)
    }

    package init(path: String, limit: Int = 100, limits: Limits) {
        self.init(.socket(ServiceSocket(path: path)), limit: limit, limits: limits)
    }

    /// Creates a client that calls `answers` instead of a service, for tests.
    package init(answers: @escaping Answers, limit: Int = 100) {
        self.init(.answers(answers), limit: limit, limits: Limits())
    }

    private init(_ transport: Transport, limit: Int, limits: Limits) {
        self.transport = transport
        self.limits = limits
        calls = CallCount(limit: limit, bytes: limits.bytes)
    }

    /// Calls a method that has one reply.
    ///
    /// - Throws: the error that the service replied, `VarlinkClientError` or `TooManyCalls`
    public func call<M: VarlinkMethod>(_ method: M.Type, _ parameters: M.Parameters) async throws -> M.Reply {
        try await calls.counted {
            var reply: M.Reply?
            try await exchange(M.self, parameters, more: false, limits) { reply = $0 }
            guard let reply else { throw VarlinkClientError.closed }
            return reply
        }
    }

    /// Calls a paginated method until all pages were read.
    ///
    /// - Parameter each: called with each page; returns whether to request the next one
    func pages<M: PagedMethod>(
        _ method: M.Type, _ parameters: M.Parameters, _ each: (M.Reply) throws -> Bool
    ) async throws {
        var parameters = parameters
        while true {
            let reply = try await call(M.self, parameters)
            guard try each(reply), let next = M.next(after: reply, of: parameters) else { return }
            guard next != parameters else {
                throw VarlinkClientError.malformedReply(reason: "\(M.name): the next page is the same page")
            }
            parameters = next
        }
    }

    /// Like `call`, with a timeout.
    public func call<M: VarlinkMethod>(
        _ method: M.Type, _ parameters: M.Parameters, within deadline: Duration
    ) async throws -> M.Reply {
        try await withDeadline(deadline) { try await call(M.self, parameters) }
    }

    /// Calls a method that has any number of replies.
    public func callMore<M: VarlinkMethod>(
        _ method: M.Type, _ parameters: M.Parameters, _ each: (M.Reply) async throws -> Void
    ) async throws {
        try await calls.counted { try await exchange(M.self, parameters, more: true, limits, each) }
    }

    /// Like `callMore`, for an endless stream of replies: limits each reply, but not their total size.
    func watch<M: VarlinkMethod>(
        _ method: M.Type, _ parameters: M.Parameters, replyBytes: Int, _ each: (M.Reply) async throws -> Void
    ) async throws {
        var bounds = limits
        bounds.replyBytes = replyBytes
        bounds.callBytes = .max
        try await calls.counted { try await exchange(M.self, parameters, more: true, bounds, each) }
    }

    /// Like `callMore`, but returns the replies as a stream. Releasing the stream cancels the call.
    public func replies<M: VarlinkMethod>(
        _ method: M.Type, _ parameters: M.Parameters
    ) -> AsyncThrowingStream<M.Reply, any Error> {
        // Unbounded in count: the byte limit of a call bounds it.
        AsyncThrowingStream { continuation in
            let task = Task {
                do {
                    try await callMore(M.self, parameters) { continuation.yield($0) }
                    continuation.finish()
                } catch {
                    continuation.finish(throwing: error)
                }
            }
            continuation.onTermination = { _ in task.cancel() }
        }
    }

    /// Returns after the last reply; throws if the connection closes before that.
    private func exchange<M: VarlinkMethod>(
        _ method: M.Type, _ parameters: M.Parameters, more: Bool, _ bounds: Limits,
        _ each: (M.Reply) async throws -> Void
    ) async throws {
        let call = Array(try VarlinkCoding.encodeCall(M.self, parameters, more: more))
        var total = 0
        /// Returns whether this was the last reply.
        func take(_ message: [UInt8]) async throws -> Bool {
            let (sum, isTooLarge) = total.addingReportingOverflow(message.count)
            guard !isTooLarge, sum <= bounds.callBytes else { throw tooLarge(M.self) }
            total = sum
            let (reply, continues) = try decode(M.self, message)
            if continues && !more {
                throw VarlinkClientError.malformedReply(reason: "more than one reply to a call without ‘more’")
            }
            try await each(reply)
            return !continues
        }
        switch transport {
        case .answers(let answers):
            for message in try await answers(call) {
                if try await take(message) { return }
            }
        case .socket(let socket):
            let connection = try await connect(socket)
            let isComplete = try await connection.executeThenClose { inbound, outbound in
                try await outbound.write(ByteBuffer(bytes: call + [0]))
                var framer = MessageFramer(limit: bounds.replyBytes)
                var held = 0
                defer { calls.release(held) }
                for try await piece in inbound {
                    framer.append(piece.readableBytesView)
                    guard calls.hold(framer.bufferedBytes - held) else { throw calls.tooMany }
                    held = framer.bufferedBytes
                    do {
                        while let message = try framer.next() {
                            if try await take(message) { return true }
                        }
                    } catch is MessageFramer.MessageTooLarge {
                        throw tooLarge(M.self)
                    }
                }
                return false
            }
            if isComplete { return }
        }
        try Task.checkCancellation()
        throw VarlinkClientError.closed
    }

    private func tooLarge<M: VarlinkMethod>(_ method: M.Type) -> VarlinkClientError {
        .malformedReply(reason: "\(M.name): the reply is larger than the limit")
    }

    private func decode<M: VarlinkMethod>(
        _ method: M.Type, _ message: [UInt8]
    ) throws -> (reply: M.Reply, continues: Bool) {
        do {
            let header = try VarlinkCoding.decodeReply(message)
            if let name = header.error {
                throw try VarlinkCoding.decodeError(name: name, of: message, as: Self.errors)
            }
            return (try VarlinkCoding.decodeParameters(M.Reply.self, of: message), header.continues ?? false)
        } catch let error as DecodingError {
            throw VarlinkClientError.malformedReply(reason: "\(M.name): \(error)")
        }
    }

    private func connect(_ socket: ServiceSocket) async throws -> NIOAsyncChannel<ByteBuffer, ByteBuffer> {
        let path = socket.path
        do {
            let connection: NIOAsyncChannel<ByteBuffer, ByteBuffer> = try await ClientBootstrap(
                group: MultiThreadedEventLoopGroup.singleton
            )
            .connectTimeout(.seconds(5))
            .connect(unixDomainSocketPath: path) { channel in
                channel.eventLoop.makeCompletedFuture { try NIOAsyncChannel(wrappingChannelSynchronously: channel) }
            }
            do {
                try await check(connection.channel, of: socket)
            } catch {
                // Leaving `executeThenClose` closes the channel.
                try? await connection.executeThenClose { _, _ in }
                throw error
            }
            return connection
        } catch let error as IOError {
            throw VarlinkClientError.connect(path: path, errno: error.errnoCode)
        } catch SocketAddressError.unixDomainSocketPathTooLong {
            throw VarlinkClientError.pathTooLong(path: path, limit: UnixAddress.pathLimit)
        }
    }

    /// Checks that the process that listens is the service.
    private func check(_ channel: any Channel, of socket: ServiceSocket) async throws {
        let user: uid_t??
        do {
            user = try await channel.eventLoop.submit {
                try channel.pipeline.syncOperations.withUnsafeTransportIfAvailable(of: NIOBSDSocket.Handle.self) {
                    UnixPeer.user(of: $0)
                }
            }.get()
        } catch is ChannelError {
            throw VarlinkClientError.closed
        }
        try socket.check(server: user.flatMap(\.self))
    }
}

/// Counts concurrent calls and the bytes of their replies, and enforces the limits.
private final class CallCount: Sendable {
    private struct InFlight {
        var calls = 0
        var bytes = 0
    }

    private let limit: Int
    private let bytes: Int
    private let inFlight = Mutex(InFlight())

    init(limit: Int, bytes: Int) {
        self.limit = limit
        self.bytes = bytes
    }

    var tooMany: TooManyCalls { TooManyCalls(limit: limit) }

    func counted<Result>(_ body: () async throws -> Result) async throws -> Result {
        let admitted = inFlight.withLock { inFlight in
            guard inFlight.calls < limit else { return false }
            inFlight.calls += 1
            return true
        }
        guard admitted else { throw tooMany }
        defer { inFlight.withLock { $0.calls -= 1 } }
        return try await body()
    }

    /// Adds or subtracts bytes held in memory. Returns false, without adding, if all calls together would exceed the
    /// limit.
    func hold(_ more: Int) -> Bool {
        inFlight.withLock { inFlight in
            guard more <= 0 || inFlight.bytes + more <= bytes else { return false }
            inFlight.bytes += more
            return true
        }
    }

    func release(_ held: Int) { inFlight.withLock { $0.bytes -= held } }
}
