import ArgumentParser
import Formatting
import Glibc
import Interface
import Logging
import NIOCore
import Systemd
import WebClient

/// The program that serves the web page and the HTTP API, as a client of the service's socket.
@main
struct KantaibertWeb: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "kantaibert-web",
        abstract: "Serves a web page to query models and follow their training, and an HTTP API.",
        discussion: """
            Environment variables set the same options: KANTAIBERT_WEB_LISTEN, KANTAIBERT_SOCKET, KANTAIBERT_INBOX, \
            KANTAIBERT_WEB_UPLOAD_LIMIT_MB, KANTAIBERT_WEB_TOKEN_FILE, KANTAIBERT_WEB_HOSTS (separated by commas), \
            KANTAIBERT_WEB_CONNECTIONS_PER_ADDRESS.

            Exit status: 0 stopped by SIGTERM or SIGINT, 64 wrong arguments, 69 cannot listen on the address, 73 the \
            token cannot be written, 77 other users can write to ./var, 70 any other error.
            """, version: Release.version)

    @Option(help: ArgumentHelp("The address to listen on, unless systemd passes a socket.", valueName: "host:port"))
    var listen = EnvironmentVariable.text("KANTAIBERT_WEB_LISTEN") ?? "127.0.0.1:8460"

    @Option(
        help:
            "The socket of the service. (default: /run/kantaibert/io.kantaibert, else your own ./var/io.kantaibert)"
    )
    var socket: String?

    @Option(help: "The inbox for files dropped on the page. (default: the service’s inbox)")
    var inbox: String?

    @Option(help: ArgumentHelp("The maximum size of an uploaded file. (default: 1024)", valueName: "mb"))
    var uploadLimitMb: Int?

    @Option(
        help: "The file that holds the token; created if missing. (default: $STATE_DIRECTORY/token, or none)")
    var tokenFile: String?

    @Option(
        name: .customLong("allow-host"),
        help: ArgumentHelp(
            "A further host name to accept besides localhost; can be repeated.", valueName: "name"))
    var hosts: [String] = []

    @Option(
        help: ArgumentHelp(
            "The maximum number of connections from one remote address; a proxy is one address. (default: 128)",
            valueName: "count"))
    var connectionsPerAddress: Int?

    /// Limits given as options or else as environment variables; nil is the default.
    private struct Limits {
        var uploadMb: Int?
        var connectionsPerAddress: Int?
    }

    private func limits() throws -> Limits {
        func limit(_ option: Int?, _ flag: String, _ variable: String, in range: ClosedRange<Int>) throws -> Int? {
            guard let option else {
                do { return try EnvironmentVariable.integer(variable, in: range) } catch {
                    throw ValidationError("\(error)")
                }
            }
            guard range.contains(option) else {
                throw ValidationError("\(flag) must be from \(range.lowerBound) to \(range.upperBound)")
            }
            return option
        }
        return Limits(
            uploadMb: try limit(
                uploadLimitMb, "--upload-limit-mb", "KANTAIBERT_WEB_UPLOAD_LIMIT_MB", in: 1...1 << 20),
            connectionsPerAddress: try limit(
                connectionsPerAddress, "--connections-per-address", "KANTAIBERT_WEB_CONNECTIONS_PER_ADDRESS",
                in: 1...1 << 20))
    }

    func validate() throws {
        _ = try limits()
        _ = try DefaultPaths.address(listen)
    }

    func run() async throws {
        SystemdLogging.bootstrap()
        let logger = Logger(label: "kantaibert-web")
        let socket: ServiceSocket
        do {
            socket = try ServiceSocket.locate(option: self.socket)
        } catch {
            throw failure(EX_NOPERM, "\(error)")
        }
        let tokenFile = self.tokenFile ?? DefaultPaths.tokenFile()
        let token: AccessToken
        do {
            token = try tokenFile.map { try AccessToken(file: $0) } ?? AccessToken()
            if token.isReplaced, let tokenFile {
                logger.warning("other users could read the token in \(tokenFile); replaced it with a new one")
            }
        } catch {
            throw failure(EX_CANTCREAT, "\(error)")
        }
        let limits = try limits()
        let options = WebServer.Options(
            sockets: try DefaultPaths.sockets(listen), socket: socket,
            inbox: Inbox(
                path: inbox ?? DefaultPaths.inbox(besides: socket.path), limit: (limits.uploadMb ?? 1024) << 20),
            token: token,
            tokenFile: tokenFile, hosts: hosts + DefaultPaths.list("KANTAIBERT_WEB_HOSTS"),
            connectionsPerAddress: limits.connectionsPerAddress)
        let server = WebServer(options: options, logger: logger) { addresses in
            SystemdNotify.ready()
            greet(addresses, token: token, tokenFile: tokenFile, logger)
        }
        do {
            try await server.run()
        } catch let error as IOError {
            throw failure(EX_UNAVAILABLE, "cannot listen on \(listen): \(error)")
        } catch let error as SocketAddressError {
            throw failure(EX_UNAVAILABLE, "cannot listen on \(listen): \(error)")
        } catch {
            throw failure(EX_SOFTWARE, "\(error)")
        }
    }

    /// Reports the URL of the page: on a terminal with the token, in the journal without.
    private func greet(_ addresses: [SocketAddress], token: AccessToken, tokenFile: String?, _ logger: Logger) {
        if let tokenFile {
            logger.notice("the token is in \(tokenFile)")
        } else if isatty(STDERR_FILENO) == 0 {
            logger.notice(
                "started without --token-file: the token is not known to anyone, so the page cannot change anything")
        }
        for address in addresses {
            guard let port = address.port, let host = address.ipAddress else { continue }
            let url = "http://\(host.contains(":") ? "[\(host)]" : host):\(port)/"
            logger.notice("listening on \(url)")
            if isatty(STDERR_FILENO) == 1 { say("open \(url)#token=\(token.text)") }
            if host != "127.0.0.1" && host != "::1" {
                logger.warning(
                    "\(url) is reachable from other machines: anyone there can query the models, without encryption")
            }
        }
    }

    private func failure(_ status: Int32, _ message: String) -> ExitCode {
        say("kantaibert-web: \(message)")
        return ExitCode(status)
    }

    private func say(_ line: String) {
        let bytes = Array("\(line)\n".utf8)
        _ = write(STDERR_FILENO, bytes, bytes.count)
    }
}
