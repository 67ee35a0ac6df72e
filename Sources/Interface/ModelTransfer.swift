import Glibc
import Varlink

extension ManagerInterface.Import {
    /// The names of files that can be imported.
    public static let fileNames = [
        "config.json", "model.safetensors", indexFile, "tokenizer.json", "vocab.json", "merges.txt",
        "tokenizer_config.json", "special_tokens_map.json", "training_args.json",
    ]
    public static let indexFile = "model.safetensors.index.json"
    /// The maximum number of files that `indexFile` lists.
    public static let shardLimit = 64
    /// The maximum number of files of an import.
    public static let fileLimit = fileNames.count + shardLimit

    /// Whether a file is one of several with weights: `model-00001-of-00002.safetensors`.
    public static func isShard(_ name: String) -> Bool {
        let pattern = "model-00000-of-00000.safetensors".utf8
        return name.utf8.count == pattern.count
            && zip(name.utf8, pattern).allSatisfy { byte, expected in
                expected == UInt8(ascii: "0") ? (0x30...0x39).contains(byte) : byte == expected
            }
    }

    /// Whether a file has weights in PyTorch's own format, which can run code when it is opened.
    public static func isPickle(_ name: String) -> Bool {
        name == "pytorch_model.bin" || name == "pytorch_model.bin.index.json"
            || name.hasPrefix("pytorch_model-") && name.hasSuffix(".bin")
    }

    /// Says how to convert a file for which `isPickle` is true.
    public static func conversionAdvice(for name: String, in directory: String, isCausal: Bool) -> String {
        let model = isCausal ? "AutoModelForCausalLM" : "AutoModelForMaskedLM"
        return "\(name) is a Python pickle, which can run code when it is opened. Convert it to safetensors where you "
            + "trust it, and import the new directory: python3 -c \"import transformers as t; "
            + "[c.from_pretrained('\(directory)').save_pretrained('\(directory)-safetensors') "
            + "for c in (t.\(model), t.AutoTokenizer)]\""
    }
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
    /// - Returns: the first reply to `Export`, and the files
    public func exportModel(
        _ model: String
    ) throws -> (reply: ManagerInterface.Export.Reply, files: [NamedFile]) {
        let replies = try callMore(ManagerInterface.Export.self, .init(model: model))
        guard let reply = try replies.next(), let transfer = reply.transfer else {
            throw VarlinkClientError.malformedReply(reason: "the reply to Export does not name a socket")
        }
        let received = Result { try reply.receiveFiles(from: transfer) }
        // If the service failed, its last reply says why.
        _ = try replies.next()
        return (reply, try received.get())
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
