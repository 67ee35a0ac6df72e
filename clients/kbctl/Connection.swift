import Interface
import Varlink

extension GlobalOptions {
    /// Connects to the service and checks that its owner can be trusted.
    func connect() throws -> VarlinkClient {
        let place = try serviceSocket
        let client = try VarlinkClient(path: place.path, errors: InferenceInterface.errors + ManagerInterface.errors)
        try place.check(server: client.serverUser)
        return client
    }

    var serviceSocket: ServiceSocket {
        get throws {
            try ServiceSocket.locate(option: socket)
        }
    }
}
