import Glibc
import Varlink

extension ManagerInterface.Import {
    /// The names of files that can be imported.
    public static let fileNames = [
        "config.json", "model.safetensors", "tokenizer.json", "vocab.json", "merges.txt", "tokenizer_config.json",
        "special_tokens_map.json", "training_args.json",
    ]
}

extension ManagerInterface.Export {
    /// The maximum number of files of a generation.
    public static let fileLimit = 32
}

extension ManagerInterface.ImportRefused {
    /// Creates the error from a reason that may contain the path of the service's copy of the files. The path means
    /// nothing to the caller and is removed.
    public init(directory: String, reason: String) {
        var text = ""
        var rest = reason[...]
        while let range = rest.firstRange(of: directory) {
            text += rest[..<range.lowerBound]
            rest = rest[range.upperBound...]
            rest = rest.hasPrefix("/") ? rest.dropFirst() : rest
        }
        self.init(reason: text + rest)
    }
}

/// An open file and its name in a model directory.
public struct NamedFile: Sendable {
    public let name: String
    public let file: OpenDescriptor

    public init(name: String, file: OpenDescriptor) {
        self.name = name
        self.file = file
    }
}

/// The client's side of `Import` and `Export`, which pass file descriptors over a second socket.
extension VarlinkClient {
    /// Sends the files of a model directory to the service and waits until they have become a generation.
    public func importModel(_ model: String, files: [NamedFile]) throws -> ManagerInterface.Import.Reply {
        let replies = try callMore(ManagerInterface.Import.self, .init(model: model, files: files.map(\.name)))
        guard let transfer = try replies.next()?.transfer else {
            throw VarlinkClientError.malformedReply(reason: "the reply to Import does not name a socket")
        }
        do throws(DescriptorPassingError) {
            let socket = try Self.connect(transfer: transfer)
            // Keep the descriptors open until they have been sent.
            defer { withExtendedLifetime((socket, files)) {} }
            try DescriptorPassing.send(files.map(\.file.number), over: socket.number)
        } catch {
            // If the service closed the socket, its next reply says why.
            guard error == .closed else { throw error }
        }
        while let reply = try replies.next() {
            if reply.generation != nil { return reply }
        }
        throw VarlinkClientError.closed
    }

    /// Opens the files of the serving generation.
    public func exportModel(_ model: String) throws -> (generation: Int, files: [NamedFile]) {
        let replies = try callMore(ManagerInterface.Export.self, .init(model: model))
        guard let reply = try replies.next(), let transfer = reply.transfer else {
            throw VarlinkClientError.malformedReply(reason: "the reply to Export does not name a socket")
        }
        let received = Result { try reply.receiveFiles(from: transfer) }
        // If the service failed, its last reply says why.
        _ = try replies.next()
        return (reply.generation, try received.get())
    }

    static func connect(transfer path: String) throws(DescriptorPassingError) -> OpenDescriptor {
        do {
            return OpenDescriptor(try UnixAddress.connect(to: path))
        } catch {
            let operation = "connect to \(path) to transfer files"
            switch error {
            case .connect(_, let number), .system(_, let number): throw .system(operation: operation, errno: number)
            default: throw .system(operation: operation, errno: ENAMETOOLONG)
            }
        }
    }
}

extension ManagerInterface.Export.Reply {
    /// Receives the files that this reply announces. Blocks until the service has sent them.
    /// - Parameters:
    ///   - transfer: the socket that the reply names
    ///   - patience: how long to wait, in seconds; nil waits until the service closes the socket
    public func receiveFiles(from transfer: String, patience: Int? = nil) throws -> [NamedFile] {
        guard files.count <= ManagerInterface.Export.fileLimit else {
            throw VarlinkClientError.malformedReply(reason: "Export of \(files.count) files")
        }
        // The caller creates files with these names.
        guard files.allSatisfy({ !$0.isEmpty && !$0.hasPrefix(".") && !$0.contains("/") }) else {
            throw VarlinkClientError.malformedReply(reason: "Export of files with invalid names")
        }
        let socket = try VarlinkClient.connect(transfer: transfer)
        if let patience {
            var limit = timeval(tv_sec: patience, tv_usec: 0)
            setsockopt(socket.number, SOL_SOCKET, SO_RCVTIMEO, &limit, socklen_t(MemoryLayout<timeval>.size))
        }
        let descriptors = try withExtendedLifetime(socket) {
            try DescriptorPassing.receive(atMost: files.count, over: socket.number)
        }
        guard descriptors.count == files.count else {
            throw VarlinkClientError.malformedReply(
                reason: "Export sent \(descriptors.count) descriptors for \(files.count) files")
        }
        return zip(files, descriptors).map { NamedFile(name: $0, file: $1) }
    }
}
