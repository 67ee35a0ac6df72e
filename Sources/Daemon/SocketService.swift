import Formatting
import Logging
import ServiceLifecycle
import Settings
import VarlinkServer

/// Runs the Varlink server as a member of the service group.
struct SocketService: Service {
    private let server: VarlinkServer
    private let whenReady: @Sendable () -> Void
    private let whenStopping: @Sendable () -> Void

    init(
        listener: VarlinkServer.Listener, settings: Settings, administrators: Administrators, logger: Logger,
        inference: InferenceService,
        manager: ManagerService, whenReady: @escaping @Sendable () -> Void,
        whenStopping: @escaping @Sendable () -> Void
    ) {
        var service = VarlinkService(
            vendor: "kantaibert", product: "kantaibertd", version: Release.version,
            url: "https://github.com/kantaibert/kantaibert",
            administrators: administrators)
        inference.register(with: &service)
        manager.register(with: &service)
        server = VarlinkServer(service: service, listener: listener, limits: settings.limits, logger: logger)
        self.whenReady = whenReady
        self.whenStopping = whenStopping
    }

    func run() async throws {
        let (server, whenReady) = (server, whenReady)
        try await withGracefulShutdownHandler {
            do {
                try await cancelWhenGracefulShutdown { try await server.run(whenListening: whenReady) }
            } catch is CancellationError {
                return
            }
        } onGracefulShutdown: { [whenStopping] in
            whenStopping()
        }
    }
}

extension Settings {
    fileprivate var limits: VarlinkServer.Limits {
        .init(
            messageBytes: socket.maxRequestBytes, requestMemory: serving.maxRequestMemory,
            requestMemoryPerUser: serving.maxRequestMemory / 2, connections: socket.maxConnections,
            connectionsPerUser: socket.maxConnectionsPerUser ?? max(1, socket.maxConnections / 2),
            idle: .seconds(socket.idleTimeoutSeconds), receiving: .seconds(socket.receiveTimeoutSeconds),
            answering: .seconds(socket.answerTimeoutSeconds), reading: .seconds(socket.readTimeoutSeconds),
            grace: .seconds(2))
    }
}
