import Glibc
import Varlink

/// An open file and the name it has in a model directory.
public struct NamedFile: Sendable {
    public let name: String
    public let file: OpenDescriptor

    public init(name: String, file: OpenDescriptor) {
        self.name = name
        self.file = file
    }
}

/// The caller's side of `Import` and `Export`: descriptors go over a socket beside the connection.
extension VarlinkClient {
    /// Hands the files of a model directory to the service, and waits for the generation they become.
    public func importModel(_ model: String, files: [NamedFile]) throws -> ManagerInterface.Import.Reply {
        let replies = try callMore(ManagerInterface.Import.self, .init(model: model, files: files.map(\.name)))
        guard let transfer = try replies.next()?.transfer else {
            throw VarlinkClientError.malformedReply(reason: "Import without a socket for the files")
        }
        do throws(DescriptorPassingError) {
            let socket = try Self.connect(transfer: transfer)
            // It is closed with its last use, which is not to be before the files have gone.
            defer { withExtendedLifetime((socket, files)) {} }
            try DescriptorPassing.send(files.map(\.file.number), over: socket.number)
        } catch {
            // Where the service has hung up, its reply says why.
            guard error == .closed else { throw error }
        }
        while let reply = try replies.next() {
            if reply.generation != nil { return reply }
        }
        throw VarlinkClientError.closed
    }

    /// Opens the files of the generation that serves.
    public func exportModel(_ model: String) throws -> (generation: Int, files: [NamedFile]) {
        let replies = try callMore(ManagerInterface.Export.self, .init(model: model))
        guard let reply = try replies.next(), let transfer = reply.transfer,
            reply.files.count <= ManagerInterface.Export.fileLimit
        else { throw VarlinkClientError.malformedReply(reason: "Export without a socket for the files") }
        // They become files of this user's, under these names.
        guard reply.files.allSatisfy({ !$0.isEmpty && !$0.hasPrefix(".") && !$0.contains("/") }) else {
            throw VarlinkClientError.malformedReply(reason: "Export of names that are none of a model directory")
        }
        let socket = try Self.connect(transfer: transfer)
        let received = withExtendedLifetime(socket) {
            Result { try DescriptorPassing.receive(atMost: reply.files.count, over: socket.number) }
        }
        // Where the service has failed, its last reply says why.
        _ = try replies.next()
        let descriptors = try received.get()
        guard descriptors.count == reply.files.count else {
            throw VarlinkClientError.malformedReply(reason: "Export with \(descriptors.count) files")
        }
        return (reply.generation, zip(reply.files, descriptors).map { NamedFile(name: $0, file: $1) })
    }

    private static func connect(transfer path: String) throws(DescriptorPassingError) -> OpenDescriptor {
        do {
            return OpenDescriptor(try UnixAddress.connect(to: path))
        } catch {
            switch error {
            case .connect(_, let number), .system(_, let number):
                throw .system(operation: "connect to \(path), where the files are to go", errno: number)
            default: throw .system(operation: "connect to \(path), where the files are to go", errno: ENAMETOOLONG)
            }
        }
    }
}
