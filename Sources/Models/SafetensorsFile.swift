import Durable
import Glibc
import Kernels

/// Number formats of a safetensors file.
public enum TensorType: String, Codable, Sendable {
    case float32 = "F32"
    case float16 = "F16"
    case bfloat16 = "BF16"

    var bytes: Int { self == .float32 ? 4 : 2 }

    /// Numbers of this type as float32.
    func read(_ source: UnsafeRawBufferPointer, into destination: UnsafeMutableBufferPointer<Float>) {
        checked(source.count == bytes * destination.count)
        switch self {
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

/// A safetensors file (huggingface/safetensors, "Format"): 8 bytes of header length, a JSON header, the tensors' bytes.
///
/// It is mapped, not read: a tensor costs memory once it is looked at. Every figure of the header is checked when opening.
public final class SafetensorsFile: @unchecked Sendable {
    // @unchecked: the mapping is read-only and lives as long as the object.

    public struct Tensor: Sendable, Equatable {
        public let type: TensorType
        public let shape: [Int]
        /// Where its bytes lie in the file.
        public let range: Range<Int>

        public var count: Int { shape.reduce(1, *) }
    }

    public let path: String
    public let tensors: [String: Tensor]
    public let metadata: [String: String]
    /// Tensors of types that no parameter has, `position_ids` for one, with their types.
    private let others: [String: String]
    private let base: UnsafeRawPointer
    private let size: Int

    /// Opens a file and checks every figure of its header.
    /// - Parameter bytes: what the file's size must be in
    public init(path: String, bytes: ClosedRange<Int>? = nil) throws(ModelError) {
        self.path = path
        let (descriptor, size): (Int32, Int)
        do throws(DurableError) {
            (descriptor, size) = try Durable.openRegular(path)
        } catch {
            throw ModelError(
                path: path,
                reason: error.errno == EINVAL
                    ? "is not a file" : "cannot be opened: \(String(cString: strerror(error.errno)))")
        }
        defer { close(descriptor) }
        guard size >= 8 else {
            throw ModelError(path: path, reason: "is \(size) bytes, a safetensors file begins with 8 of header length")
        }
        if let bytes, !bytes.contains(size) {
            throw ModelError(
                path: path,
                reason: "is \(size) bytes, expected \(bytes.lowerBound) to \(bytes.upperBound) with the sizes of "
                    + ModelDirectory.configurationFile)
        }
        guard let mapped = mmap(nil, size, PROT_READ, MAP_PRIVATE, descriptor, 0), mapped != MAP_FAILED else {
            throw ModelError(path: path, reason: "cannot be mapped: \(String(cString: strerror(errno)))")
        }
        do {
            (tensors, others, metadata) = try SafetensorsFile.readHeader(UnsafeRawPointer(mapped), size, path)
        } catch {
            munmap(mapped, size)
            throw error
        }
        base = UnsafeRawPointer(mapped)
        self.size = size
    }

    deinit { munmap(UnsafeMutableRawPointer(mutating: base), size) }

    /// The bytes of a tensor, as they lie in the file.
    public func bytes(_ tensor: Tensor) -> UnsafeRawBufferPointer {
        UnsafeRawBufferPointer(start: base + tensor.range.lowerBound, count: tensor.range.count)
    }

    /// Writes a tensor's numbers to `destination` as float32.
    /// - Throws: where it is missing or of another shape
    public func read(
        _ name: String, shape: [Int], into destination: UnsafeMutableBufferPointer<Float>
    ) throws(ModelError) {
        let tensor = try tensor(name, shape: shape)
        checked(destination.count == tensor.count)
        tensor.type.read(bytes(tensor), into: destination)
    }

    /// - Throws: where it is missing or of another shape
    public func require(_ name: String, shape: [Int]) throws(ModelError) { _ = try tensor(name, shape: shape) }

    /// - Throws: where it is missing or of another shape
    func tensor(_ name: String, shape: [Int]) throws(ModelError) -> Tensor {
        guard let tensor = tensors[name] else {
            if let type = others[name] {
                throw ModelError(path: path, reason: "`\(name)` is of type \(type), expected F32, F16 or BF16")
            }
            throw ModelError(path: path, reason: "the tensor `\(name)` is missing")
        }
        guard tensor.shape == shape else {
            throw ModelError(path: path, reason: "`\(name)` is of shape \(tensor.shape), expected \(shape)")
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
                reason: "its header claims \(length) bytes; the file has \(size - 8) after the length, and a header "
                    + "at most \(SafetensorsHeader.longest)")
        }
        let dataStart = 8 + Int(length)
        let dataSize = size - dataStart
        let header: SafetensorsHeader
        do throws(SafetensorsHeader.Flaw) {
            header = try SafetensorsHeader([UInt8](UnsafeRawBufferPointer(start: base + 8, count: Int(length))))
        } catch {
            throw ModelError(
                path: path, reason: "its header is not the JSON of a safetensors file: \(error.reason)")
        }

        var tensors: [String: Tensor] = [:]
        var others: [String: String] = [:]
        // Tensors lie one behind the other: none has a byte of another's, and no byte is nobody's.
        var covered = 0
        for entry in header.entries.sorted(by: { ($0.begin, $0.end) < ($1.begin, $1.end) }) {
            let (name, offsets) = (entry.name, [entry.begin, entry.end])
            guard entry.begin == covered, entry.end <= dataSize else {
                throw ModelError(
                    path: path,
                    reason: "`\(name)` claims bytes \(offsets) of \(dataSize), expected them to begin at \(covered)")
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
                        path: path, reason: "`\(name)` claims the shape \(entry.shape), more than the file")
                }
                count = product
            }
            guard entry.end - entry.begin == count * type.bytes else {
                throw ModelError(
                    path: path, reason: "`\(name)` of shape \(entry.shape) claims bytes \(offsets) of \(dataSize)")
            }
            tensors[name] = Tensor(
                type: type, shape: entry.shape, range: dataStart + entry.begin..<dataStart + entry.end)
        }
        guard covered == dataSize else {
            throw ModelError(path: path, reason: "its tensors cover \(covered) of \(dataSize) bytes")
        }
        return (tensors, others, header.metadata)
    }
}
