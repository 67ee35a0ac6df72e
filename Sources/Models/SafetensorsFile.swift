import Durable
import Glibc
import Kernels
import Safetensors

/// Element types of a safetensors file.
public enum TensorType: String, Codable, Sendable {
    /// Only in models that other software wrote. Values are rounded to float32 when they are read.
    case float64 = "F64"
    case float32 = "F32"
    case float16 = "F16"
    case bfloat16 = "BF16"

    public var bytes: Int {
        switch self {
        case .float64: 8
        case .float32: 4
        case .float16, .bfloat16: 2
        }
    }

    /// Converts elements of this type to float32.
    func read(_ source: UnsafeRawBufferPointer, into destination: UnsafeMutableBufferPointer<Float>) {
        checked(source.count == bytes * destination.count)
        switch self {
        case .float64:
            for index in destination.indices {
                destination[index] = Float(source.loadUnaligned(fromByteOffset: 8 * index, as: Double.self))
            }
        case .float32:
            UnsafeMutableRawBufferPointer(destination).copyMemory(from: source)
        case .float16:
            for index in destination.indices {
                destination[index] = Float(source.loadUnaligned(fromByteOffset: 2 * index, as: Float16.self))
            }
        case .bfloat16:
            for index in destination.indices {
                let bits = source.loadUnaligned(fromByteOffset: 2 * index, as: UInt16.self)
                destination[index] = Float(bitPattern: UInt32(bits) << 16)
            }
        }
    }
}

/// A safetensors file (huggingface/safetensors, "Format"): an 8-byte header length, a JSON header and the tensor data.
///
/// The file is memory-mapped: a tensor uses memory only once it is accessed. Opening validates the whole header.
public final class SafetensorsFile: Sendable {
    public struct Tensor: Sendable, Equatable {
        public let type: TensorType
        public let shape: [Int]
        /// Byte range of the tensor's data in the file.
        public let range: Range<Int>

        public var count: Int { shape.reduce(1, *) }
    }

    public let path: String
    public let tensors: [String: Tensor]
    public let metadata: [String: String]
    /// Element types of the tensors whose type this project does not support, such as `position_ids`.
    private let others: [String: String]
    private let mapping: MappedFile

    /// Opens a file and validates its header.
    /// - Parameter bytes: the range that the file size must be in
    public init(path: String, bytes: ClosedRange<Int>? = nil) throws(ModelError) {
        self.path = path
        let mapping: MappedFile
        do throws(DurableError) {
            mapping = try MappedFile(path)
        } catch {
            let reason = String(cString: strerror(error.errno))
            switch (error.operation, error.errno) {
            case ("mmap", _): throw ModelError(path: path, reason: "cannot be mapped: \(reason)")
            case (_, EINVAL): throw ModelError(path: path, reason: "is not a file")
            default: throw ModelError(path: path, reason: "cannot be opened: \(reason)")
            }
        }
        let size = mapping.bytes.count
        guard size >= 8 else {
            throw ModelError(path: path, reason: "is \(size) bytes, too short for a safetensors file's header length")
        }
        if let bytes, !bytes.contains(size) {
            throw ModelError(
                path: path,
                reason: "is \(size) bytes, expected \(bytes.lowerBound) to \(bytes.upperBound) for the sizes in "
                    + ModelDirectory.configurationFile)
        }
        (tensors, others, metadata) = try SafetensorsFile.readHeader(mapping.bytes.baseAddress!, size, path)
        self.mapping = mapping
    }

    /// The unconverted bytes of a tensor.
    public func bytes(_ tensor: Tensor) -> UnsafeRawBufferPointer {
        UnsafeRawBufferPointer(rebasing: mapping.bytes[tensor.range])
    }

    /// Reads a tensor into `destination`, converted to float32.
    /// - Throws: `ModelError` if the tensor is missing or has a different shape
    public func read(
        _ name: String, shape: [Int], into destination: UnsafeMutableBufferPointer<Float>
    ) throws(ModelError) {
        let tensor = try tensor(name, shape: shape)
        checked(destination.count == tensor.count)
        tensor.type.read(bytes(tensor), into: destination)
    }

    /// Reads the first rows of a tensor into `destination`, as many as it has room for.
    /// - Throws: `ModelError` if the tensor is missing or has a different shape
    func readRows(
        _ name: String, shape: [Int], into destination: UnsafeMutableBufferPointer<Float>
    ) throws(ModelError) {
        let tensor = try tensor(name, shape: shape)
        checked(destination.count <= tensor.count)
        tensor.type.read(
            UnsafeRawBufferPointer(rebasing: bytes(tensor)[..<(destination.count * tensor.type.bytes)]),
            into: destination)
    }

    /// The element types of all tensors, as the file names them.
    var allTypes: [String: String] { tensors.mapValues(\.type.rawValue).merging(others) { type, _ in type } }

    /// Checks that a tensor exists and has the given shape.
    /// - Throws: `ModelError` if the tensor is missing or has a different shape
    public func require(_ name: String, shape: [Int]) throws(ModelError) { _ = try tensor(name, shape: shape) }

    /// Returns the tensor with the given name and shape.
    /// - Throws: `ModelError` if the tensor is missing or has a different shape
    func tensor(_ name: String, shape: [Int]) throws(ModelError) -> Tensor {
        guard let tensor = tensors[name] else {
            if let type = others[name] {
                throw ModelError(path: path, reason: "`\(name)` has type \(type), expected F64, F32, F16 or BF16")
            }
            throw ModelError(path: path, reason: "the tensor `\(name)` is missing")
        }
        guard tensor.shape == shape else {
            throw ModelError(path: path, reason: "`\(name)` has shape \(tensor.shape), expected \(shape)")
        }
        return tensor
    }

    private static func readHeader(
        _ base: UnsafeRawPointer, _ size: Int, _ path: String
    ) throws(ModelError) -> ([String: Tensor], [String: String], [String: String]) {
        let length = base.loadUnaligned(as: UInt64.self).littleEndian
        guard length <= UInt64(min(size - 8, SafetensorsHeader.longest)) else {
            throw ModelError(
                path: path,
                reason: "the header length is \(length) bytes, but \(size - 8) bytes follow it and a header has at "
                    + "most \(SafetensorsHeader.longest)")
        }
        let dataStart = 8 + Int(length)
        let dataSize = size - dataStart
        let header: SafetensorsHeader
        do throws(SafetensorsHeader.Flaw) {
            header = try SafetensorsHeader([UInt8](UnsafeRawBufferPointer(start: base + 8, count: Int(length))))
        } catch {
            throw ModelError(
                path: path, reason: "the header is not valid safetensors JSON: \(error.reason)")
        }

        var tensors: [String: Tensor] = [:]
        var others: [String: String] = [:]
        // Tensor data must be contiguous: no byte belongs to two tensors or to none.
        var covered = 0
        for entry in header.entries.sorted(by: { ($0.begin, $0.end) < ($1.begin, $1.end) }) {
            let (name, offsets) = (entry.name, [entry.begin, entry.end])
            guard entry.begin == covered, entry.end <= dataSize else {
                throw ModelError(
                    path: path,
                    reason: "`\(name)` has data offsets \(offsets) of \(dataSize) bytes, "
                        + "expected them to begin at \(covered)")
            }
            covered = entry.end
            guard let type = TensorType(rawValue: entry.type) else {
                others[name] = entry.type
                continue
            }
            var count = 1
            for extent in entry.shape {
                let (product, overflow) = count.multipliedReportingOverflow(by: extent)
                guard !overflow, product <= size else {
                    throw ModelError(
                        path: path, reason: "`\(name)` has shape \(entry.shape), which exceeds the file size")
                }
                count = product
            }
            guard entry.end - entry.begin == count * type.bytes else {
                throw ModelError(
                    path: path,
                    reason: "`\(name)` has shape \(entry.shape), which does not match its data offsets \(offsets)")
            }
            tensors[name] = Tensor(
                type: type, shape: entry.shape, range: dataStart + entry.begin..<dataStart + entry.end)
        }
        guard covered == dataSize else {
            throw ModelError(path: path, reason: "the tensors cover \(covered) of \(dataSize) bytes")
        }
        return (tensors, others, header.metadata)
    }
}
