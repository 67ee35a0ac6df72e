import FoundationEssentials
import Glibc
import Interface
import NIOCore
import NIOPosix
import Synchronization
import Varlink

/// More calls at a time than `ServiceClient` makes.
struct TooManyCalls: Error {
    let limit: Int
}

/// Calls the service over its socket, without a thread for each.
///
/// Every call has a connection of its own: hanging up is how one is cancelled.
public struct ServiceClient: Sendable {
    /// Gives the replies to a call, both as they travel.
    package typealias Answers = @Sendable (_ call: [UInt8]) async throws -> [[UInt8]]

    private enum Transport {
        case socket(ServiceSocket)
        case answers(Answers)
    }

    /// Bound what one reply, all replies to one call, and all replies that are being read may have. A service of another
    /// version, or something else on its socket, may send anything.
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
    ///   - limit: calls at a time; the service takes no more than so many connections from all its clients together
    public init(socket: ServiceSocket, limit: Int = 100) {
        self.init(.socket(socket), limit: limit, limits: Limits())
    }

    /// As above, of a socket that somebody has named.
    public init(path: String, limit: Int = 100) {
        self.init(socket: ServiceSocket(path: path), limit: limit)
    }

    package init(path: String, limit: Int = 100, limits: Limits) {
        self.init(.socket(ServiceSocket(path: path)), limit: limit, limits: limits)
    }

    /// Asks `answers` in place of a service.
    package init(answers: @escaping Answers, limit: Int = 100) {
        self.init(.answers(answers), limit: limit, limits: Limits())
    }

    private init(_ transport: Transport, limit: Int, limits: Limits) {
        self.transport = transport
        self.limits = limits
        calls = CallCount(limit: limit, bytes: limits.bytes)
    }

    /// Calls a method that gives one reply.
    ///
    /// - Throws: the error the service replied with, `VarlinkClientError` or `TooManyCalls`.
    public func call<M: VarlinkMethod>(_ method: M.Type, _ parameters: M.Parameters) async throws -> M.Reply {
        try await calls.counted {
            var reply: M.Reply?
            try await exchange(M.self, parameters, more: false, limits) { reply = $0 }
            guard let reply else { throw VarlinkClientError.closed }
            return reply
        }
    }

    /// Calls a method for one page after another.
    ///
    /// - Parameter each: gets each page, and returns whether the next is wanted
    func pages<M: PagedMethod>(
        _ method: M.Type, _ parameters: M.Parameters, _ each: (M.Reply) throws -> Bool
    ) async throws {
        var parameters = parameters
        while true {
            let reply = try await call(M.self, parameters)
            guard try each(reply), let next = M.next(after: reply, of: parameters) else { return }
            guard next != parameters else {
                throw VarlinkClientError.malformedReply(reason: "\(M.name): the next page is this one")
            }
            parameters = next
        }
    }

    /// As `call`, for an answer that nobody waits for any longer than `deadline`.
    public func call<M: VarlinkMethod>(
        _ method: M.Type, _ parameters: M.Parameters, within deadline: Duration
    ) async throws -> M.Reply {
        try await withDeadline(deadline) { try await call(M.self, parameters) }
    }

    /// Calls a method that gives any number of replies.
    public func callMore<M: VarlinkMethod>(
        _ method: M.Type, _ parameters: M.Parameters, _ each: (M.Reply) async throws -> Void
    ) async throws {
        try await calls.counted { try await exchange(M.self, parameters, more: true, limits, each) }
    }

    /// As `callMore`, for a method whose replies come for as long as the service runs: only each of them is bounded.
    func watch<M: VarlinkMethod>(
        _ method: M.Type, _ parameters: M.Parameters, replyBytes: Int, _ each: (M.Reply) async throws -> Void
    ) async throws {
        var bounds = limits
        bounds.replyBytes = replyBytes
        bounds.callBytes = .max
        try await calls.counted { try await exchange(M.self, parameters, more: true, bounds, each) }
    }

    /// As `callMore`, for who takes the replies where the call was not made. Ends the call when it is let go.
    public func replies<M: VarlinkMethod>(
        _ method: M.Type, _ parameters: M.Parameters
    ) -> AsyncThrowingStream<M.Reply, any Error> {
        // Bounded by the bytes of a call.
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

    /// Returns after the last reply; throws where the connection ends before it.
    private func exchange<M: VarlinkMethod>(
        _ method: M.Type, _ parameters: M.Parameters, more: Bool, _ bounds: Limits,
        _ each: (M.Reply) async throws -> Void
    ) async throws {
        let call = Array(try VarlinkCoding.encodeCall(M.self, parameters, more: more))
        var total = 0
        /// Returns whether it was the last one.
        func take(_ message: [UInt8]) async throws -> Bool {
            let (sum, isTooLarge) = total.addingReportingOverflow(message.count)
            guard !isTooLarge, sum <= bounds.callBytes else { throw tooLarge(M.self) }
            total = sum
            let (reply, continues) = try decode(M.self, message)
            if continues && !more {
                throw VarlinkClientError.malformedReply(reason: "more replies than were asked for")
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
        .malformedReply(reason: "\(M.name): more bytes than a reply may have")
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
                // The way to close a channel of this kind.
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

    /// Whether it is the service that listens.
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

/// Counts the calls under way and the bytes of their replies, and refuses what is too much.
private final class CallCount: Sendable {
    private struct UnderWay {
        var calls = 0
        var bytes = 0
    }

    private let limit: Int
    private let bytes: Int
    private let underWay = Mutex(UnderWay())

    init(limit: Int, bytes: Int) {
        self.limit = limit
        self.bytes = bytes
    }

    var tooMany: TooManyCalls { TooManyCalls(limit: limit) }

    func counted<Result>(_ body: () async throws -> Result) async throws -> Result {
        let admitted = underWay.withLock { underWay in
            guard underWay.calls < limit else { return false }
            underWay.calls += 1
            return true
        }
        guard admitted else { throw tooMany }
        defer { underWay.withLock { $0.calls -= 1 } }
        return try await body()
    }

    /// Adds bytes that are held, or takes some away; false, and nothing is added, where all calls together hold too much.
    func hold(_ more: Int) -> Bool {
        underWay.withLock { underWay in
            guard more <= 0 || underWay.bytes + more <= bytes else { return false }
            underWay.bytes += more
            return true
        }
    }

    func release(_ held: Int) { underWay.withLock { $0.bytes -= held } }
}
