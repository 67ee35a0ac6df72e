import ArgumentParser
import Daemon
import Durable
import Glibc
import Systemd

/// Default locations of files and the socket.
enum DefaultPaths {
    static func environment() -> [String: String] {
        var variables: [String: String] = [:]
        var entry = environ
        while let text = entry.pointee {
            let pair = String(cString: text).split(separator: "=", maxSplits: 1, omittingEmptySubsequences: false)
            if pair.count == 2 { variables[String(pair[0])] = String(pair[1]) }
            entry += 1
        }
        return variables
    }

    static func defaultSettings() -> String? {
        let path = "/etc/kantaibert/kantaibert.yaml"
        return access(path, F_OK) == 0 ? path : nil
    }

    /// Returns the socket to listen on: the argument if given, else the systemd socket named `varlink`, else a socket
    /// in the state directory, else one in the runtime directory.
    static func socket(argument: String?, stateDirectory: String?, _ environment: [String: String])
        -> KantaibertService.Socket
    {
        if let argument { return .path(argument) }
        if let inherited = listenDescriptors().first(where: { $0.name == "varlink" }) {
            return .descriptor(inherited.descriptor)
        }
        return .path("\(stateDirectory ?? environment["RUNTIME_DIRECTORY"] ?? "/run/kantaibert")/io.kantaibert")
    }

    /// Returns the path of a program in the same folder as this one.
    static func beside(program name: String) throws -> String {
        do {
            return try OwnProgram.sibling(name)
        } catch {
            throw ValidationError("\(error); specify --train-program")
        }
    }
}
