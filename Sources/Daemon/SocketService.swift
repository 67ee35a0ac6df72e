import Logging
import ServiceLifecycle
import VarlinkServer

/// The socket, as a service of the group.
struct SocketService: Service {
    private let server: VarlinkServer
    private let whenReady: @Sendable () -> Void
    private let whenStopping: @Sendable () -> Void

    init(
        listener: VarlinkServer.Listener, settings: SocketSettings, logger: Logger, inference: InferenceService,
        manager: ManagerService, whenReady: @escaping @Sendable () -> Void,
        whenStopping: @escaping @Sendable () -> Void
    ) throws(VarlinkListenError) {
        var service = VarlinkService(
            vendor: "kantaibert", product: "kantaibertd", version: KantaibertService.version,
            url: "https://github.com/kantaibert/kantaibert",
            administrators: try Administrators(group: settings.adminGroup))
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

extension SocketSettings {
    fileprivate var limits: VarlinkServer.Limits {
        .init(
            messageBytes: maxRequestBytes, connections: maxConnections, connectionsPerUser: maxConnectionsPerUser,
            idle: .seconds(idleTimeoutSeconds), receiving: .seconds(receiveTimeoutSeconds),
            answering: .seconds(answerTimeoutSeconds), reading: .seconds(readTimeoutSeconds), grace: .seconds(2))
    }
}
