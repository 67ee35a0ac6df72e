import Durable
import FoundationEssentials
import Glibc
import Kernels

/// A tensor to be written to a safetensors file.
public struct TensorToWrite {
    public let name: String
    public let type: TensorType
    public let shape: [Int]
    public let bytes: UnsafeRawBufferPointer

    public init(name: String, type: TensorType = .float32, shape: [Int], bytes: UnsafeRawBufferPointer) {
        checked(
            shape.reduce(1, *) * type.bytes == bytes.count,
            "\(name): shape \(shape) does not match \(bytes.count) bytes")
        self.name = name
        self.type = type
        self.shape = shape
        self.bytes = bytes
    }
}

extension Parameters {
    /// Returns the tensors that satisfy `isWanted`, in Hugging Face's order, with `prefix` prepended to their names.
    public func tensorsToWrite(
        prefix: String = "", where isWanted: (ParameterLayout.Entry) -> Bool = { _ in true }
    ) -> [TensorToWrite] {
        layout.entries.filter(isWanted).map {
            TensorToWrite(name: prefix + $0.name, shape: $0.shape, bytes: UnsafeRawBufferPointer(self[$0]))
        }
    }

    /// Reads the tensors that satisfy `isWanted` from a file whose tensor names begin with `prefix`.
    public func read(
        from file: SafetensorsFile, prefix: String = "", where isWanted: (ParameterLayout.Entry) -> Bool = { _ in true }
    ) throws(ModelError) {
        for entry in layout.entries where isWanted(entry) {
            try file.read(prefix + entry.name, shape: entry.shape, into: self[entry])
        }
    }
}

extension SafetensorsFile {
    /// Writes a new file: the header, padded to a multiple of 8 bytes, and then the tensors in the given order.
    ///
    /// The write is neither atomic nor synced: callers write into a temporary folder and publish it as a whole.
    public static func write(
        _ tensors: [TensorToWrite], metadata: [String: String] = ["format": "pt"], to path: String
    ) throws(ModelError) {
        var header = "{"
        header += "\"__metadata__\":{"
        header += metadata.sorted { $0.key < $1.key }.map { "\(quoted($0.key)):\(quoted($0.value))" }.joined(
            separator: ",")
        header += "}"
        var offset = 0
        for tensor in tensors {
            let shape = tensor.shape.map(String.init).joined(separator: ",")
            let end = offset + tensor.bytes.count
            header += ",\(quoted(tensor.name)):{\"dtype\":\"\(tensor.type.rawValue)\",\"shape\":[\(shape)],"
            header += "\"data_offsets\":[\(offset),\(end)]}"
            offset = end
        }
        header += "}"
        header += String(repeating: " ", count: (8 - header.utf8.count % 8) % 8)

        let descriptor = open(path, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0o600)
        guard descriptor >= 0 else {
            throw ModelError(path: path, reason: "cannot be created: \(String(cString: strerror(errno)))")
        }
        var failure: Int32?
        func put(_ bytes: UnsafeRawBufferPointer) {
            var rest = bytes[...]
            while failure == nil, !rest.isEmpty {
                let written = Glibc.write(descriptor, UnsafeRawBufferPointer(rebasing: rest).baseAddress, rest.count)
                if written >= 0 { rest = rest.dropFirst(written) } else if errno != EINTR { failure = errno }
            }
        }
        withUnsafeBytes(of: UInt64(header.utf8.count).littleEndian) { put($0) }
        Array(header.utf8).withUnsafeBytes { put($0) }
        for tensor in tensors { put(tensor.bytes) }
        if close(descriptor) != 0 && failure == nil { failure = errno }
        if let failure {
            throw ModelError(path: path, reason: "cannot be written: \(String(cString: strerror(failure)))")
        }
    }

    private static func quoted(_ text: String) -> String {
        guard let json = try? JSONEncoder().encode(text) else { fatalError("every string can be encoded as JSON") }
        return String(decoding: json, as: UTF8.self)
    }
}
