import ArgumentParser
import Glibc
import Systemd
import WebClient

/// Default paths and addresses.
enum DefaultPaths {
    static func list(_ name: String) -> [String] {
        (EnvironmentVariable.text(name) ?? "").split(separator: ",").map { $0.filter { $0 != " " } }.filter {
            !$0.isEmpty
        }
    }

    /// The inbox. A service started with `--state-dir` keeps it next to its socket.
    static func inbox(besides socket: String) -> String {
        if let named = EnvironmentVariable.text("KANTAIBERT_INBOX") { return named }
        let folder = socket.lastIndex(of: "/").map { String(socket[..<$0]) } ?? "."
        return access("\(folder)/inbox", F_OK) == 0 ? "\(folder)/inbox" : "/var/lib/kantaibert/inbox"
    }

    static func tokenFile() -> String? {
        EnvironmentVariable.text("KANTAIBERT_WEB_TOKEN_FILE")
            ?? EnvironmentVariable.text("STATE_DIRECTORY").map { "\($0)/token" }
    }

    /// The sockets passed by systemd, or else the address to listen on.
    static func sockets(_ listen: String) throws -> HTTPSockets {
        let descriptors = listenDescriptors().map(\.descriptor)
        return descriptors.isEmpty ? try address(listen) : .descriptors(descriptors)
    }

    /// Parses an address such as `127.0.0.1:8460`, `[::1]:8460` or `localhost:0`.
    static func address(_ text: String) throws -> HTTPSockets {
        guard let colon = text.lastIndex(of: ":"), let port = UInt16(text[text.index(after: colon)...]) else {
            throw ValidationError("‘\(text)’ is not an address of the form HOST:PORT")
        }
        let host = text[..<colon].filter { $0 != "[" && $0 != "]" }
        guard !host.isEmpty else {
            throw ValidationError("‘\(text)’ has no host; use 127.0.0.1:PORT for this machine only")
        }
        return .open(host: host, port: Int(port))
    }
}
