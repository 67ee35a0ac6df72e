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
            KANTAIBERT_WEB_CONNECTIONS_PER_ADDRESS, KANTAIBERT_WEB_API_KEYS, KANTAIBERT_WEB_TLS_CERT, \
            KANTAIBERT_WEB_TLS_KEY, KANTAIBERT_WEB_ALLOW_ORIGINS (separated by commas), KANTAIBERT_WEB_INSECURE=1.

            Exit status: 0 stopped by SIGTERM or SIGINT, 64 wrong arguments, 66 the keys or the certificate cannot be \
            used, 69 cannot listen on the address, 73 the \
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

    @Option(help: "The file with the keys of those who may query the models. (default: none, everyone may)")
    var apiKeys: String?

    @Option(help: "The certificate and those of its issuers, in PEM format, for https.")
    var tlsCert: String?

    @Option(help: "The private key of the certificate, in PEM format.")
    var tlsKey: String?

    @Option(
        name: .customLong("allow-origin"),
        help: ArgumentHelp(
            "A site whose scripts may use the API, such as https://example.org, or * for any; can be repeated.",
            valueName: "origin"))
    var origins: [String] = []

    @Flag(help: "Listen on the network even without keys and a certificate.")
    var insecure = false

    @Option(
        help: ArgumentHelp(
            "Prints a new key, and on the standard output the line for the file of keys; then exits.", valueName: "name"
        ))
    var newKey: String?

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
        _ = try allowedOrigins()
    }

    private func allowedOrigins() throws -> AllowedOrigins {
        do throws(InvalidOrigin) {
            return try AllowedOrigins(origins + DefaultPaths.list("KANTAIBERT_WEB_ALLOW_ORIGINS"))
        } catch { throw ValidationError("\(error)") }
    }

    private func printNewKey(_ name: String) throws {
        do {
            let (key, line) = try APIKey.new(name: name)
            say("the key of \(name), which is not stored anywhere: \(key)")
            print(line)
        } catch { throw failure(EX_USAGE, "\(error)") }
    }

    /// The keys and the certificate.
    ///
    /// - Throws: an exit code, after printing the reason
    private func security() throws -> (keys: APIKeyFile?, certificate: TLSCertificate?) {
        func path(_ option: String?, _ variable: String) -> String? { option ?? EnvironmentVariable.text(variable) }
        let keyFile = path(apiKeys, "KANTAIBERT_WEB_API_KEYS")
        let certificates = path(tlsCert, "KANTAIBERT_WEB_TLS_CERT")
        let privateKey = path(tlsKey, "KANTAIBERT_WEB_TLS_KEY")
        guard (certificates == nil) == (privateKey == nil) else {
            throw failure(EX_USAGE, "--tls-cert and --tls-key belong together: one of them is missing")
        }
        do {
            let keys = try keyFile.map { try APIKeyFile(path: $0) }
            guard let certificates, let privateKey else { return (keys, nil) }
            return (keys, try TLSCertificate(certificates: certificates, key: privateKey))
        } catch { throw failure(EX_NOINPUT, "\(error)") }
    }

    func run() async throws {
        if let newKey { return try printNewKey(newKey) }
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
        let (keys, certificate) = try security()
        let sockets = try DefaultPaths.sockets(listen)
        let isInsecure = insecure || EnvironmentVariable.text("KANTAIBERT_WEB_INSECURE") == "1"
        guard sockets.areLocal || isInsecure || (keys != nil && certificate != nil) else {
            throw failure(
                EX_USAGE,
                "on an address that other machines can reach, --api-keys, --tls-cert and --tls-key are required: "
                    + "anyone there could query the models and read the answers; --insecure listens without them")
        }
        var options = WebServer.Options(
            sockets: sockets, socket: socket,
            inbox: Inbox(
                path: inbox ?? DefaultPaths.inbox(besides: socket.path), limit: (limits.uploadMb ?? 1024) << 20),
            token: token,
            tokenFile: tokenFile, hosts: hosts + DefaultPaths.list("KANTAIBERT_WEB_HOSTS"),
            connectionsPerAddress: limits.connectionsPerAddress)
        options.keys = keys
        options.certificate = certificate
        options.origins = try allowedOrigins()
        let server = WebServer(options: options, logger: logger) { [options] addresses in
            SystemdNotify.ready()
            greet(addresses, options, logger)
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
    private func greet(_ addresses: [SocketAddress], _ options: WebServer.Options, _ logger: Logger) {
        if let keys = options.keys { logger.notice("\(keys.count) keys of \(keys.path) may query the models") }
        if let tokenFile = options.tokenFile {
            logger.notice("the token is in \(tokenFile)")
        } else if isatty(STDERR_FILENO) == 0 {
            logger.notice(
                "started without --token-file: the token is not known to anyone, so the page cannot change anything")
        }
        for address in addresses {
            guard let port = address.port, let host = address.ipAddress else { continue }
            let scheme = options.certificate == nil ? "http" : "https"
            let url = "\(scheme)://\(host.contains(":") ? "[\(host)]" : host):\(port)/"
            logger.notice("listening on \(url)")
            if isatty(STDERR_FILENO) == 1 { say("open \(url)#token=\(options.token.text)") }
            if !options.sockets.areLocal, options.keys == nil || options.certificate == nil {
                let missing = [
                    options.keys == nil ? "anyone there can query the models" : nil,
                    options.certificate == nil ? "connections are not encrypted" : nil,
                ]
                logger.warning(
                    "\(url) is reachable from other machines: \(missing.compactMap { $0 }.joined(separator: ", and "))")
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
