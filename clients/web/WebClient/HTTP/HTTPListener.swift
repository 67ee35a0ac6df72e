import Glibc
import Hummingbird
import HummingbirdCore
import LimitedLogging
import Logging
import NIOCore
import NIOHTTP1
import NIOPosix
import ServiceLifecycle

/// Serves HTTP/1.1 on sockets that this process or systemd has opened.
///
/// Hummingbird's own server opens its socket itself; this one takes its connections, its router and nothing else.
struct HTTPListener<Responder: HTTPResponder>: Service
where Responder.Context: InitializableFromSource<ApplicationRequestContextSource> {
    let sockets: HTTPSockets
    let responder: Responder
    let limits: HTTPLimits
    let log: LimitLog
    /// Called with the addresses, when clients can connect.
    let whenListening: @Sendable ([SocketAddress]) -> Void
    /// Called when no more requests are taken: what never ends by itself is to end now.
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
                            .serviceUnavailable, .unavailable, "too many answers wait for their clients",
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
            // Some of these wait for a request that does not take its body.
            .childChannelOption(.recvAllocator, value: FixedSizeRecvByteBufferAllocator(capacity: 16 << 10))
            .childChannelInitializer { [log, limits] channel in
                let admission = connections.add(channel)
                guard admission == .admitted else {
                    let isShare = admission == .shareUsedUp
                    let kind = isShare ? "too many connections of one address" : "too many connections"
                    log.write(
                        .warning, kind, kind,
                        metadata: ["limit": "\(isShare ? limits.connectionsPerAddress : limits.connections)"])
                    return channel.close()
                }
                // The task ends with the connection, which is closed at the latest when the server stops.
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

/// A bound on each thing a client controls, beside the sizes of bodies.
package struct HTTPLimits: Sendable {
    /// Clients connected at a time. One more takes the place of the one that has waited for its client the longest.
    package var connections = 512
    /// Connections that one address (of IPv6 one network) may have, other than this machine's own.
    package var connectionsPerAddress = 128
    /// Whom a connection counts against; nil is nobody.
    package var peer: @Sendable (SocketAddress?) -> Peer? = { Peer($0) }
    /// Pages that hear of events at a time. One more takes the place of the one that has heard of them the longest.
    package var eventStreams = 256
    /// Bytes of answers, of all connections together, that wait for their clients.
    package var unsentBytes = 64 << 20
    /// How long a client may send nothing where it is its turn.
    package var idle = Duration.seconds(30)
    /// How long a client may take nothing of an answer that waits for it.
    package var stalled = Duration.seconds(30)
    /// How often what clients bring about is written down.
    package var logInterval = Duration.seconds(10)
    /// How long requests under way may take to end once the server stops.
    package var grace = Duration.seconds(3)

    package init() {}
}

/// Where to listen.
public enum HTTPSockets: Sendable, Equatable {
    case open(host: String, port: Int)
    /// Listening sockets that somebody else opened, systemd for instance.
    case descriptors([Int32])
}
