import ArgumentParser
import Glibc
import Interface
import Logging
import NIOCore
import Systemd
import WebClient

/// The page, and HTTP for programs: a client of the service's socket.
@main
struct KantaibertWeb: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "kantaibert-web",
        abstract: "Serves a page to ask the models and to watch them train, and an HTTP interface for programs.",
        discussion: """
            Every option can be given as a variable too: KANTAIBERT_WEB_LISTEN, KANTAIBERT_SOCKET, KANTAIBERT_INBOX, \
            KANTAIBERT_WEB_UPLOAD_LIMIT_MB, KANTAIBERT_WEB_TOKEN_FILE, KANTAIBERT_WEB_HOSTS (with commas between), \
            KANTAIBERT_WEB_CONNECTIONS_PER_ADDRESS.

            Exit status: 0 stopped by SIGTERM or SIGINT, 64 wrong arguments, 69 the address cannot be listened on, \
            73 the token cannot be written, 77 ./var is not this user's alone, 70 anything else.
            """)

    @Option(help: ArgumentHelp("Where to listen, where systemd has not opened a socket.", valueName: "host:port"))
    var listen = Place.variable("KANTAIBERT_WEB_LISTEN") ?? "127.0.0.1:8460"

    @Option(
        help:
            "The service’s socket. (default: /run/kantaibert/io.kantaibert, or this user’s own ./var/io.kantaibert where that is not)"
    )
    var socket: String?

    @Option(help: "The inbox for files that are dropped on the page. (default: that of the service)")
    var inbox: String?

    @Option(help: ArgumentHelp("The largest file that may be dropped.", valueName: "mb"))
    var uploadLimitMb = Place.variable("KANTAIBERT_WEB_UPLOAD_LIMIT_MB").flatMap { Int($0) } ?? 1024

    @Option(
        help: "The file of the token; made where there is none. (default: token in $STATE_DIRECTORY, or none)")
    var tokenFile: String?

    @Option(
        name: .customLong("allow-host"),
        help: ArgumentHelp(
            "A name by which this machine is asked, beside localhost; may be given again.", valueName: "name"))
    var hosts: [String] = []

    @Option(
        help: ArgumentHelp(
            "Connections that one address may have, other than this machine’s own; a proxy is one address.",
            valueName: "count"))
    var connectionsPerAddress = Place.variable("KANTAIBERT_WEB_CONNECTIONS_PER_ADDRESS").flatMap { Int($0) } ?? 128

    func validate() throws {
        guard (1...1 << 20).contains(uploadLimitMb) else {
            throw ValidationError("--upload-limit-mb has to be from 1 to \(1 << 20)")
        }
        guard connectionsPerAddress > 0 else { throw ValidationError("--connections-per-address has to be above 0") }
        _ = try Place.address(listen)
    }

    func run() async throws {
        SystemdLogging.bootstrap()
        let logger = Logger(label: "kantaibert-web")
        let socket: ServiceSocket
        do {
            socket = try self.socket.map(ServiceSocket.init(path:)) ?? Place.socket()
        } catch {
            throw failure(EX_NOPERM, "\(error)")
        }
        let tokenFile = self.tokenFile ?? Place.tokenFile()
        let token: AccessToken
        do {
            token = try tokenFile.map { try AccessToken(file: $0) } ?? AccessToken()
            if token.isReplaced, let tokenFile {
                logger.warning("others could read the token in \(tokenFile): it is replaced by a new one")
            }
        } catch {
            throw failure(EX_CANTCREAT, "\(error)")
        }
        var options = WebServer.Options(
            sockets: try Place.sockets(listen), socket: socket.path,
            inbox: Inbox(path: inbox ?? Place.inbox(besides: socket.path), limit: uploadLimitMb << 20), token: token,
            tokenFile: tokenFile, hosts: hosts + Place.list("KANTAIBERT_WEB_HOSTS"),
            connectionsPerAddress: connectionsPerAddress)
        options.socket = socket
        let server = WebServer(options: options, logger: logger) { addresses in
            SystemdNotify.ready()
            greet(addresses, token: token, tokenFile: tokenFile, logger)
        }
        do {
            try await server.run()
        } catch let error as IOError {
            throw failure(EX_UNAVAILABLE, "\(listen) cannot be listened on: \(error)")
        } catch let error as SocketAddressError {
            throw failure(EX_UNAVAILABLE, "\(listen) cannot be listened on: \(error)")
        } catch {
            throw failure(EX_SOFTWARE, "\(error)")
        }
    }

    /// Says where the page is: to a person with the token, to the journal without.
    private func greet(_ addresses: [SocketAddress], token: AccessToken, tokenFile: String?, _ logger: Logger) {
        if let tokenFile {
            logger.notice("the token is in \(tokenFile)")
        } else if isatty(STDERR_FILENO) == 0 {
            logger.notice("started without --token-file: nobody knows the token, and the page can change nothing")
        }
        for address in addresses {
            guard let port = address.port, let host = address.ipAddress else { continue }
            let url = "http://\(host.contains(":") ? "[\(host)]" : host):\(port)/"
            logger.notice("listening on \(url)")
            if isatty(STDERR_FILENO) == 1 { say("open \(url)#token=\(token.text)") }
            if host != "127.0.0.1" && host != "::1" {
                logger.warning("\(url) is reached from other machines: whoever does may ask, and nothing is encrypted")
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
