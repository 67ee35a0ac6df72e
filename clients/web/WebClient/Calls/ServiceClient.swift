import FoundationEssentials
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
    /// Bytes a reply may have.
    private static let replyLimit = 64 << 20
    private static let errors = InferenceInterface.errors + ManagerInterface.errors

    private let socket: ServiceSocket
    private let calls: CallCount

    /// - Parameters:
    ///   - limit: calls at a time; the service takes no more than so many connections from all its clients together
    public init(socket: ServiceSocket, limit: Int = 100) {
        self.socket = socket
        calls = CallCount(limit: limit)
    }

    /// As above, of a socket that somebody has named.
    public init(path: String, limit: Int = 100) {
        self.init(socket: ServiceSocket(path: path), limit: limit)
    }

    /// Calls a method that gives one reply.
    ///
    /// - Throws: the error the service replied with, `VarlinkClientError` or `TooManyCalls`.
    public func call<M: VarlinkMethod>(_ method: M.Type, _ parameters: M.Parameters) async throws -> M.Reply {
        try await calls.counted {
            var reply: M.Reply?
            try await exchange(M.self, parameters, more: false) { reply = $0 }
            return reply!
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

    /// Calls a method that gives any number of replies.
    public func callMore<M: VarlinkMethod>(
        _ method: M.Type, _ parameters: M.Parameters, _ each: (M.Reply) async throws -> Void
    ) async throws {
        try await calls.counted { try await exchange(M.self, parameters, more: true, each) }
    }

    /// As `callMore`, for who takes the replies where the call was not made. Ends the call when it is let go.
    public func replies<M: VarlinkMethod>(
        _ method: M.Type, _ parameters: M.Parameters
    ) -> AsyncThrowingStream<M.Reply, any Error> {
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
        _ method: M.Type, _ parameters: M.Parameters, more: Bool, _ each: (M.Reply) async throws -> Void
    ) async throws {
        let message = try VarlinkCoding.encodeCall(M.self, parameters, more: more)
        let connection = try await connect()
        try await connection.executeThenClose { inbound, outbound in
            try await outbound.write(ByteBuffer(bytes: message + [0]))
            var framer = MessageFramer(limit: Self.replyLimit)
            for try await piece in inbound {
                framer.append(piece.readableBytesView)
                while let message = try framer.next() {
                    let (reply, continues) = try decode(M.self, message)
                    if continues && !more {
                        throw VarlinkClientError.malformedReply(reason: "more replies than were asked for")
                    }
                    try await each(reply)
                    if !continues { return }
                }
            }
            try Task.checkCancellation()
            throw VarlinkClientError.closed
        }
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

    private func connect() async throws -> NIOAsyncChannel<ByteBuffer, ByteBuffer> {
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
                try await check(connection.channel)
            } catch {
                try? await connection.channel.close()
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
    private func check(_ channel: any Channel) async throws {
        let user = try await channel.eventLoop.submit {
            try channel.pipeline.syncOperations.withUnsafeTransportIfAvailable(of: NIOBSDSocket.Handle.self) {
                UnixPeer.user(of: $0)
            }
        }.get()
        try socket.check(server: user.flatMap(\.self))
    }
}

/// Counts the calls under way, and refuses one too many.
private final class CallCount: Sendable {
    private let limit: Int
    private let underWay = Mutex(0)

    init(limit: Int) { self.limit = limit }

    func counted<Result>(_ body: () async throws -> Result) async throws -> Result {
        let admitted = underWay.withLock { count in
            guard count < limit else { return false }
            count += 1
            return true
        }
        guard admitted else { throw TooManyCalls(limit: limit) }
        defer { underWay.withLock { $0 -= 1 } }
        return try await body()
    }
}
