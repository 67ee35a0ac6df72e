import Foundation
import Glibc
import Interface
import Logging
import NIOCore
import Testing
import VarlinkServer
import WebClient

extension HTTPLimits {
    /// Timeouts that expire only if something hangs. Tests of a timeout set it.
    static var patient: HTTPLimits {
        var limits = HTTPLimits()
        limits.idle = .seconds(3600)
        limits.stalled = .seconds(3600)
        limits.health = .seconds(600)
        return limits
    }
}

/// A web server on a free port, in front of a service that can be started and stopped.
final class WebUnderTest: Sendable {
    static let token = AccessToken()
    static let uploadLimit = 100_000

    let service = CannedService()
    let folder: String
    let port: Int
    private let web: Task<Void, any Error>

    var inbox: String { "\(folder)/inbox" }
    var socket: String { "\(folder)/socket" }

    /// Runs `body` with a server and a service, and stops both afterwards.
    static func run(
        limits: HTTPLimits = .patient, hosts: [String] = [], reserve: Int = 0, client: ServiceClient? = nil,
        service isThere: Bool = true,
        logger: Logger = Logger(label: "test") { _ in SwiftLogNoOpLogHandler() },
        changing: (inout WebServer.Options) -> Void = { _ in },
        _ body: (WebUnderTest) async throws -> Void
    ) async throws {
        let web = try await WebUnderTest(
            limits: limits, hosts: hosts, reserve: reserve, client: client, logger: logger, changing: changing)
        defer {
            web.web.cancel()
            try? FileManager.default.removeItem(atPath: web.folder)
        }
        guard isThere else { return try await body(web) }
        try await web.withService { try await body(web) }
    }

    private init(
        limits: HTTPLimits, hosts: [String], reserve: Int, client: ServiceClient?, logger: Logger,
        changing: (inout WebServer.Options) -> Void
    ) async throws {
        folder = "/tmp/kantaibert-web-\(getpid())-\(UInt64.random(in: 0 ..< .max))"
        try FileManager.default.createDirectory(atPath: "\(folder)/inbox", withIntermediateDirectories: true)
        let (ports, continuation) = AsyncStream.makeStream(of: Int.self)
        var options = WebServer.Options(
            sockets: .open(host: "127.0.0.1", port: 0), socket: ServiceSocket(path: "\(folder)/socket"),
            inbox: Inbox(path: "\(folder)/inbox", limit: Self.uploadLimit, reserve: reserve),
            token: Self.token, hosts: hosts)
        changing(&options)
        let server = WebServer(
            options: options, limits: limits, client: client, logger: logger
        ) { continuation.yield($0[0].port!) }
        web = Task {
            defer { continuation.finish() }
            try await server.run()
        }
        port = try #require(await ports.first { _ in true })
    }

    /// Runs the service while `body` runs.
    func withService(_ body: () async throws -> Void) async throws {
        let server = VarlinkServer(
            service: service.varlink, listener: .path(socket), limits: .init(grace: .milliseconds(100)),
            logger: Logger(label: "test") { _ in SwiftLogNoOpLogHandler() })
        let (listening, continuation) = AsyncStream.makeStream(of: Void.self)
        let running = Task {
            defer { continuation.finish() }
            try await server.run { continuation.yield() }
        }
        for await _ in listening { break }
        do {
            try await body()
        } catch {
            running.cancel()
            _ = await running.result
            throw error
        }
        running.cancel()
        _ = await running.result
    }

    /// The files in the inbox, including hidden ones.
    var files: [String] {
        get throws { try FileManager.default.subpathsOfDirectory(atPath: inbox).sorted() }
    }
}
