import FoundationEssentials
import Glibc
import Interface
import Varlink

extension GlobalOptions {
    /// Connects to the service, wherever it is.
    func connect() throws -> VarlinkClient {
        try VarlinkClient(path: socketPath, errors: InferenceInterface.errors + ManagerInterface.errors)
    }

    var socketPath: String {
        if let socket { return socket }
        if let named = ProcessInfo.processInfo.environment["KANTAIBERT_SOCKET"], !named.isEmpty { return named }
        let system = "/run/kantaibert/io.kantaibert"
        let local = "./var/io.kantaibert"
        return access(system, F_OK) != 0 && access(local, F_OK) == 0 ? local : system
    }
}
