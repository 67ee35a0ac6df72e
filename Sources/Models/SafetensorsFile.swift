import FoundationEssentials
import Glibc

/// Number formats of a safetensors file.
public enum TensorType: String, Codable, Sendable {
    case float32 = "F32"
    case float16 = "F16"
    case bfloat16 = "BF16"

    var bytes: Int { self == .float32 ? 4 : 2 }

    /// Numbers of this type as float32.
    func read(_ source: UnsafeRawBufferPointer, into destination: UnsafeMutableBufferPointer<Float>) {
        precondition(source.count == bytes * destination.count)
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

    /// No header needs more, and a damaged length must not cost memory (the limit of the reference implementation).
    private static let longestHeader = 100_000_000

    public init(path: String) throws(ModelError) {
        self.path = path
        let descriptor = open(path, O_RDONLY | O_CLOEXEC)
        guard descriptor >= 0 else {
            throw ModelError(path: path, reason: "cannot be opened: \(String(cString: strerror(errno)))")
        }
        defer { close(descriptor) }
        var status = stat()
        guard fstat(descriptor, &status) == 0, status.st_mode & S_IFMT == S_IFREG else {
            throw ModelError(path: path, reason: "is not a file")
        }
        let size = Int(status.st_size)
        guard size >= 8 else {
            throw ModelError(path: path, reason: "is \(size) bytes, a safetensors file begins with 8 of header length")
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
        precondition(destination.count == tensor.count)
        tensor.type.read(bytes(tensor), into: destination)
    }

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

    private struct HeaderEntry: Decodable {
        let dtype: String
        let shape: [Int]
        let data_offsets: [Int]
    }

    private struct Header: Decodable {
        var entries: [String: HeaderEntry] = [:]
        var metadata: [String: String] = [:]

        struct Key: CodingKey {
            let stringValue: String
            var intValue: Int? { nil }
            init(stringValue: String) { self.stringValue = stringValue }
            init?(intValue: Int) { nil }
        }

        init(from decoder: any Decoder) throws {
            let container = try decoder.container(keyedBy: Key.self)
            for key in container.allKeys {
                if key.stringValue == "__metadata__" {
                    metadata = try container.decode([String: String].self, forKey: key)
                } else {
                    entries[key.stringValue] = try container.decode(HeaderEntry.self, forKey: key)
                }
            }
        }
    }

    private static func readHeader(
        _ base: UnsafeRawPointer, _ size: Int, _ path: String
    ) throws(ModelError) -> ([String: Tensor], [String: String], [String: String]) {
        let length = base.loadUnaligned(as: UInt64.self).littleEndian
        guard length <= UInt64(min(size - 8, longestHeader)) else {
            throw ModelError(
                path: path, reason: "its header claims \(length) bytes, the file has \(size - 8) after the length")
        }
        let dataStart = 8 + Int(length)
        let dataSize = size - dataStart
        let header: Header
        do {
            header = try JSONDecoder().decode(Header.self, from: Data(bytes: base + 8, count: Int(length)))
        } catch { throw ModelError(path: path, reason: "its header is not the JSON of a safetensors file: \(error)") }

        var tensors: [String: Tensor] = [:]
        var others: [String: String] = [:]
        var covered = 0
        for (name, entry) in header.entries {
            let offsets = entry.data_offsets
            guard offsets.count == 2, offsets[0] >= 0, offsets[0] <= offsets[1], offsets[1] <= dataSize else {
                throw ModelError(path: path, reason: "`\(name)` claims bytes \(offsets) of \(dataSize)")
            }
            covered += offsets[1] - offsets[0]
            guard let type = TensorType(rawValue: entry.dtype) else {
                others[name] = entry.dtype
                continue
            }
            var count = 1
            for extent in entry.shape {
                let (product, overflow) = count.multipliedReportingOverflow(by: extent)
                guard extent >= 0, !overflow, product <= size else {
                    throw ModelError(
                        path: path, reason: "`\(name)` claims the shape \(entry.shape), more than the file")
                }
                count = product
            }
            guard offsets[1] - offsets[0] == count * type.bytes else {
                throw ModelError(
                    path: path, reason: "`\(name)` of shape \(entry.shape) claims bytes \(offsets) of \(dataSize)")
            }
            tensors[name] = Tensor(
                type: type, shape: entry.shape, range: dataStart + offsets[0]..<dataStart + offsets[1])
        }
        guard covered == dataSize else {
            throw ModelError(path: path, reason: "its tensors cover \(covered) of \(dataSize) bytes")
        }
        return (tensors, others, header.metadata)
    }
}
