import Glibc
import Hummingbird
import HummingbirdCore
import LimitedLogging
import Logging
import NIOCore
import NIOHTTP1
import NIOPosix
import ServiceLifecycle

/// Serves HTTP/1.1 on sockets opened by this process or by systemd.
///
/// Hummingbird's own server always opens its socket itself; this one uses Hummingbird's connections and router only.
struct HTTPListener<Responder: HTTPResponder>: Service
where Responder.Context: InitializableFromSource<ApplicationRequestContextSource> {
    let sockets: HTTPSockets
    /// Encrypts connections; nil for plain HTTP.
    let certificate: TLSCertificate?
    let responder: Responder
    let limits: HTTPLimits
    let log: LimitLog
    /// Called with the addresses once clients can connect.
    let whenListening: @Sendable ([SocketAddress]) -> Void
    /// Called when no more requests are accepted: endless responses must end now.
    let whenStopping: @Sendable () -> Void

    func run() async throws {
        let connections = OpenConnections(
            limit: limits.connections, perPeer: limits.connectionsPerAddress, peer: limits.peer)
        let channels = try await bind(bootstrap(connections))
        whenListening(channels.compactMap(\.localAddress))
        try await withTaskCancellationOrGracefulShutdownHandler {
            for channel in channels { try await channel.closeFuture.get() }
        } onCancelOrGracefulShutdown: { [whenStopping] in
            whenStopping()
            for channel in channels { channel.close(promise: nil) }
        }
        await connections.stop(grace: limits.grace, on: channels[0].eventLoop)
    }

    private func bind(_ bootstrap: ServerBootstrap) async throws -> [any Channel] {
        switch sockets {
        case .open(host: let host, port: let port): return [try await bootstrap.bind(host: host, port: port).get()]
        case .descriptors(let descriptors):
            var channels: [any Channel] = []
            for descriptor in descriptors { channels.append(try await bootstrap.withBoundSocket(descriptor).get()) }
            return channels
        }
    }

    private func bootstrap(_ connections: OpenConnections) -> ServerBootstrap {
        let unsent = UnsentBytes(limit: limits.unsentBytes)
        let http = HTTP1Channel(
            responder: { [responder, log] request, writer, channel in
                let context = Responder.Context(source: .init(channel: channel, logger: log.logger))
                var response = try await responder.respond(to: request, context: context)
                if !unsent.hasRoom(for: response.body.contentLength ?? 0) {
                    response =
                        APIError(
                            .serviceUnavailable, .unavailable,
                            "too many responses are waiting to be read; try again later",
                            code: "overloaded", retryAfterMs: 1000
                        ).response
                }
                try await writer.write(response: response.head, body: response.body)
            },
            configuration: .init(
                additionalChannelHandlers: [StalledWriteHandler(limit: TimeAmount(limits.stalled))],
                idleTimeout: TimeAmount(limits.idle),
                httpDecoderConfiguration: .init(
                    maxHeaderFieldSize: 16 << 10, maxHeaderListSize: 32 << 10, maxHeaderFieldCount: 100)))
        return ServerBootstrap(group: MultiThreadedEventLoopGroup.singleton)
            .serverChannelOption(.backlog, value: 256)
            .serverChannelOption(.socketOption(.so_reuseaddr), value: 1)
            .childChannelOption(.allowRemoteHalfClosure, value: true)
            // Some connections wait for a request whose body is never read.
            .childChannelOption(.recvAllocator, value: FixedSizeRecvByteBufferAllocator(capacity: 16 << 10))
            .childChannelInitializer { [log, limits, certificate] channel in
                let admission = connections.add(channel)
                guard admission == .admitted else {
                    let isShare = admission == .shareUsedUp
                    let kind = isShare ? "too many connections from one address" : "too many connections"
                    log.write(
                        .warning, kind, kind,
                        metadata: ["limit": "\(isShare ? limits.connectionsPerAddress : limits.connections)"])
                    return channel.close()
                }
                if let certificate {
                    do {
                        try channel.pipeline.syncOperations.addHandler(certificate.handler(log: log))
                    } catch { return channel.eventLoop.makeFailedFuture(error) }
                }
                // The task ends with its connection, which is closed when the server stops at the latest.
                return http.setup(channel: channel, logger: log.logger).flatMapThrowing { connection in
                    let pipeline = channel.pipeline.syncOperations
                    let decoder = try pipeline.handler(type: ByteToMessageHandler<HTTPRequestDecoder>.self)
                    try pipeline.addHandler(
                        RequestWatch(connections: connections, unsent: unsent), position: .after(decoder))
                    Task { await http.handle(value: connection, logger: log.logger) }
                }
            }
    }
}

/// Limits on everything a client controls, other than body sizes.
package struct HTTPLimits: Sendable {
    /// Maximum number of connections. A further one replaces the connection that has waited for its client the longest.
    package var connections = 512
    /// Maximum number of connections from one remote address (for IPv6, one network).
    package var connectionsPerAddress = 128
    /// Returns the peer whose limit a connection counts against; nil if there is none.
    package var peer: @Sendable (SocketAddress?) -> Peer? = { Peer($0) }
    /// Maximum number of event streams. A further one replaces the oldest.
    package var eventStreams = 256
    /// Maximum bytes of responses, over all connections, that clients have not read yet.
    package var unsentBytes = 64 << 20
    /// How long a client may take to send more of a request.
    package var idle = Duration.seconds(30)
    /// How long a client may go without reading any of a pending response.
    package var stalled = Duration.seconds(30)
    /// How long `/health` and `/metrics` wait for the service's answer.
    package var health = Duration.seconds(3)
    /// Minimum interval between log messages that clients can cause.
    package var logInterval = Duration.seconds(10)
    /// How long requests in progress may take to finish when the server stops.
    package var grace = Duration.seconds(3)

    package init() {}
}

/// The address to listen on.
public enum HTTPSockets: Sendable, Equatable {
    case open(host: String, port: Int)
    /// Listening sockets opened by another program such as systemd.
    case descriptors([Int32])

    /// Whether only programs of this machine can connect.
    public var areLocal: Bool {
        switch self {
        case .open(let host, _): ["127.0.0.1", "::1", "localhost"].contains(host)
        case .descriptors(let descriptors): descriptors.allSatisfy(Self.isLocal)
        }
    }

    private static func isLocal(_ descriptor: Int32) -> Bool {
        var address = sockaddr_storage()
        var length = socklen_t(MemoryLayout<sockaddr_storage>.size)
        return withUnsafeMutablePointer(to: &address) { pointer in
            pointer.withMemoryRebound(to: sockaddr.self, capacity: 1) { address in
                guard getsockname(descriptor, address, &length) == 0 else { return false }
                switch Int32(address.pointee.sa_family) {
                case AF_UNIX: return true
                case AF_INET:
                    return address.withMemoryRebound(to: sockaddr_in.self, capacity: 1) {
                        UInt32(bigEndian: $0.pointee.sin_addr.s_addr) >> 24 == 127
                    }
                case AF_INET6:
                    return address.withMemoryRebound(to: sockaddr_in6.self, capacity: 1) {
                        withUnsafeBytes(of: $0.pointee.sin6_addr) {
                            $0.dropLast().allSatisfy { $0 == 0 } && $0.last == 1
                        }
                    }
                default: return false
                }
            }
        }
    }
}
