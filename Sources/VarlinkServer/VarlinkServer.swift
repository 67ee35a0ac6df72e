import Glibc
import LimitedLogging
import Logging
import NIOCore
import NIOPosix
import Varlink

/// Serves a `VarlinkService` on a Unix socket.
public final class VarlinkServer: Sendable {
    public enum Listener: Sendable, Equatable {
        /// A listening socket created by another process, such as systemd. The server closes it when it stops and does not
        /// remove its file.
        case descriptor(Int32)
        /// A socket that the server creates and removes. A stale socket at the path is replaced; if a process listens on
        /// it, the server does not start.
        case path(String, mode: mode_t = 0o660, group: String? = nil)
    }

    private let service: VarlinkService
    private let listener: Listener
    private let limits: Limits
    private let logger: Logger
    private let connections: ConnectionRegistry
    private let memory: RequestMemory

    public init(service: VarlinkService, listener: Listener, limits: Limits = Limits(), logger: Logger) {
        self.service = service
        self.listener = listener
        self.limits = limits
        self.logger = logger
        self.connections = ConnectionRegistry(limit: limits.connections, limitOfUser: limits.connectionsPerUser)
        self.memory = RequestMemory(limit: limits.requestMemory, limitOfUser: limits.requestMemoryPerUser)
    }

    /// Serves until the task is cancelled. The server then accepts no more calls, waits up to `limits.grace` for those in
    /// progress, cancels the rest, and returns.
    ///
    /// - Parameter whenListening: called once clients can connect.
    /// - Throws: `VarlinkListenError`, or an error of SwiftNIO if the socket fails.
    public func run(whenListening: @Sendable () async throws -> Void = {}) async throws {
        var made: ListeningSocket?
        let descriptor: Int32
        switch listener {
        case .descriptor(let given): descriptor = given
        case .path(let path, let mode, let group):
            let socket = try ListeningSocket.bind(path: path, mode: mode, group: group)
            made = socket
            descriptor = socket.descriptor
        }
        defer { made?.removeFile() }
        let listening = try await bootstrap().withBoundSocket(descriptor).get()
        do {
            try await whenListening()
        } catch {
            try? await listening.close()
            throw error
        }
        try await withTaskCancellationHandler {
            try await listening.closeFuture.get()
        } onCancel: {
            listening.close(promise: nil)
        }
        // Removed before the last calls have finished, so that new clients fail to connect immediately.
        made?.removeFile()
        made = nil
        await connections.stop(grace: limits.grace, on: listening.eventLoop)
        guard Task.isCancelled else { throw ChannelError.eof }
    }

    private func bootstrap() -> ServerBootstrap {
        ServerBootstrap(group: MultiThreadedEventLoopGroup.singleton)
            .serverChannelOption(.backlog, value: 128)
            .childChannelOption(.autoRead, value: false)
            .childChannelOption(.allowRemoteHalfClosure, value: true)
            .childChannelInitializer {
                [service, limits, connections, memory, log = LimitLog(logger, interval: limits.logInterval)] channel in
                channel.eventLoop.makeCompletedFuture {
                    let peer = try channel.pipeline.syncOperations.withUnsafeTransportIfAvailable(
                        of: NIOBSDSocket.Handle.self
                    ) { PeerCredentials(of: $0) }
                    guard case .some(.some(let peer)) = peer else { throw ChannelError.unknownLocalAddress }
                    let refusal: VarlinkLimitsInterface.TooManyConnections?
                    switch connections.add(channel, user: peer.uid) {
                    case .admitted: refusal = nil
                    case .refused(let reason): refusal = reason
                    case .stopping: throw ChannelError.eof
                    }
                    try channel.pipeline.syncOperations.addHandler(
                        ConnectionHandler(
                            service: service, peer: peer, refusal: refusal, limits: limits, memory: memory, log: log))
                }
            }
    }
}
