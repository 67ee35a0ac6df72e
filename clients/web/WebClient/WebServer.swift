import Hummingbird
import Interface
import LimitedLogging
import Logging
import NIOCore
import ServiceLifecycle
import UnixSignals

/// The HTTP server of `kantaibert-web`, which is itself a client of the service.
public struct WebServer: Sendable {
    public struct Options: Sendable {
        public var sockets: HTTPSockets
        /// The service's socket.
        public var socket: ServiceSocket
        public var inbox: Inbox
        public var token: AccessToken
        /// The file that holds `token`; nil if it is not stored in a file.
        public var tokenFile: String?
        /// Keys of those who may query the models; nil if everyone who can connect may.
        public var keys: APIKeyFile?
        /// Encrypts connections; nil for plain HTTP.
        public var certificate: TLSCertificate?
        /// Other sites whose scripts may use the API.
        public var origins = AllowedOrigins()
        /// Host names of this machine that are accepted in addition to those of the loopback interface.
        public var hosts: [String]
        /// Maximum number of connections from one remote address; nil is the default.
        public var connectionsPerAddress: Int?

        public init(
            sockets: HTTPSockets, socket: ServiceSocket, inbox: Inbox, token: AccessToken, tokenFile: String? = nil,
            hosts: [String] = [], connectionsPerAddress: Int? = nil
        ) {
            self.sockets = sockets
            self.socket = socket
            self.inbox = inbox
            self.token = token
            self.tokenFile = tokenFile
            self.hosts = hosts
            self.connectionsPerAddress = connectionsPerAddress
        }
    }

    private let options: Options
    private let limits: HTTPLimits
    private let client: ServiceClient
    private let logger: Logger
    private let whenListening: @Sendable ([SocketAddress]) -> Void

    /// - Parameter whenListening: called with the addresses once clients can connect
    public init(
        options: Options, logger: Logger, whenListening: @escaping @Sendable ([SocketAddress]) -> Void = { _ in }
    ) {
        var limits = HTTPLimits()
        limits.connectionsPerAddress = options.connectionsPerAddress ?? limits.connectionsPerAddress
        self.init(options: options, limits: limits, logger: logger, whenListening: whenListening)
    }

    /// - Parameter client: used instead of a client for `options.socket`
    package init(
        options: Options, limits: HTTPLimits, client: ServiceClient? = nil, logger: Logger,
        whenListening: @escaping @Sendable ([SocketAddress]) -> Void
    ) {
        self.options = options
        self.limits = limits
        self.client = client ?? ServiceClient(socket: options.socket)
        self.logger = logger
        self.whenListening = whenListening
    }

    /// Serves until the task is cancelled or SIGTERM or SIGINT arrives.
    public func run() async throws {
        try await run(until: [.sigterm, .sigint])
    }

    /// Serves until the task is cancelled or one of the signals arrives.
    package func run(until signals: [UnixSignal]) async throws {
        let leftovers = options.inbox.clearLeftovers()
        if leftovers > 0 {
            logger.notice("removed \(leftovers) incomplete uploads of an earlier process")
        }
        let feed = EventFeed(client: client, subscriberLimit: limits.eventStreams, logger: logger)
        let log = LimitLog(logger, interval: limits.logInterval)
        let router = Route.all.router(
            services: RouteServices(
                client: client, feed: feed, inbox: options.inbox,
                access: AccessControl(
                    token: options.token, keys: options.keys, isEncrypted: options.certificate != nil, log: log),
                tokenFile: options.tokenFile, healthDeadline: limits.health),
            hosts: options.hosts, origins: options.origins, log: log)
        let listener = HTTPListener(
            sockets: options.sockets, certificate: options.certificate, responder: router.buildResponder(),
            limits: limits, log: log,
            whenListening: whenListening, whenStopping: feed.finish)
        let group = ServiceGroup(
            configuration: .init(
                services: [feed, listener], gracefulShutdownSignals: signals, logger: logger))
        try await group.run()
    }
}
