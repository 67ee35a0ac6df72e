import FoundationEssentials
import Glibc
import Safetensors

/// Why a model cannot be written in the ONNX format.
public struct ONNXError: Error, CustomStringConvertible, Equatable {
    public let path: String
    public let reason: String

    public var description: String { "\(path): \(reason)" }
}

/// The keys of `config.json` that the graph depends on.
struct GraphConfiguration: Decodable, Equatable {
    var hidden_size: Int
    var intermediate_size: Int
    var is_decoder: Bool
    var layer_norm_eps: Float
    var max_position_embeddings: Int
    var num_attention_heads: Int
    var num_hidden_layers: Int
    var pad_token_id: Int
    var tie_word_embeddings: Bool
    var vocab_size: Int

    /// Whether all sizes are in a range in which no product of two overflows.
    var isInRange: Bool {
        let sizes = [hidden_size, intermediate_size, max_position_embeddings, num_attention_heads, vocab_size]
        return sizes.allSatisfy { (1...1 << 30).contains($0) } && (1...512).contains(num_hidden_layers)
            && (0..<vocab_size).contains(pad_token_id) && hidden_size % num_attention_heads == 0
            && layer_norm_eps.isFinite
    }
}

/// An open file that is read at explicit offsets.
final class InputFile {
    let path: String
    let size: Int
    private let descriptor: Int32

    init(_ path: String) throws(ONNXError) {
        self.path = path
        descriptor = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK)
        guard descriptor >= 0 else { throw ONNXError(path: path, errno: errno) }
        var status = stat()
        guard fstat(descriptor, &status) == 0, status.st_mode & S_IFMT == S_IFREG else {
            close(descriptor)
            throw ONNXError(path: path, reason: "is not a regular file")
        }
        size = Int(status.st_size)
    }

    deinit { close(descriptor) }

    /// Fills `buffer` with the bytes from `offset` on.
    func read(into buffer: UnsafeMutableRawBufferPointer, from offset: Int) throws(ONNXError) {
        var done = 0
        while done < buffer.count {
            let count = pread(descriptor, buffer.baseAddress! + done, buffer.count - done, offset + done)
            if count < 0 && errno == EINTR { continue }
            guard count >= 0 else { throw ONNXError(path: path, errno: errno) }
            guard count > 0 else { throw ONNXError(path: path, reason: "was truncated in the meantime") }
            done += count
        }
    }

    func bytes(_ range: Range<Int>) throws(ONNXError) -> [UInt8] {
        var bytes = [UInt8](repeating: 0, count: range.count)
        var failure: ONNXError?
        bytes.withUnsafeMutableBytes { buffer in
            do throws(ONNXError) { try read(into: buffer, from: range.lowerBound) } catch { failure = error }
        }
        if let failure { throw failure }
        return bytes
    }
}

extension ONNXError {
    init(path: String, errno: Int32) { self.init(path: path, reason: String(cString: strerror(errno))) }
}

/// The configuration and the weights of a generation's directory.
struct ModelFiles {
    static let weightsName = "model.safetensors"

    let configuration: GraphConfiguration
    let weights: InputFile
    private let entries: [String: SafetensorsHeader.Entry]
    /// Where the data of the tensors begins.
    private let dataStart: Int

    private static let mostConfigurationBytes = 1 << 20

    init(directory: String) throws(ONNXError) {
        let file = try InputFile("\(directory)/config.json")
        guard file.size <= Self.mostConfigurationBytes else {
            throw ONNXError(
                path: file.path, reason: "has \(file.size) bytes, expected at most \(Self.mostConfigurationBytes)")
        }
        let text = Data(try file.bytes(0..<file.size))
        do { configuration = try JSONDecoder().decode(GraphConfiguration.self, from: text) } catch {
            throw ONNXError(path: file.path, reason: "\(error)")
        }
        guard configuration.isInRange else { throw ONNXError(path: file.path, reason: "a size is out of range") }

        weights = try InputFile("\(directory)/\(Self.weightsName)")
        let length =
            weights.size < 8 ? .max : try weights.bytes(0..<8).reversed().reduce(UInt64(0)) { $0 << 8 | UInt64($1) }
        guard length <= UInt64(SafetensorsHeader.longest), Int(length) <= weights.size - 8 else {
            throw ONNXError(path: weights.path, reason: "is not a safetensors file")
        }
        dataStart = 8 + Int(length)
        let header = try weights.bytes(8..<dataStart)
        do throws(SafetensorsHeader.Flaw) {
            entries = Dictionary(try SafetensorsHeader(header).entries.map { ($0.name, $0) }) { first, _ in first }
        } catch {
            throw ONNXError(path: weights.path, reason: error.reason)
        }
        let room = weights.size - dataStart
        guard entries.values.allSatisfy({ $0.end <= room }) else {
            throw ONNXError(path: weights.path, reason: "is truncated: it has \(room) bytes of numbers")
        }
    }

    /// Returns where the numbers of a float32 tensor are in the file.
    /// - Throws: `ONNXError` if there is no such tensor with this shape
    func range(of name: String, shape: [Int]) throws(ONNXError) -> Range<Int> {
        guard let entry = entries[name], entry.type == "F32", entry.shape == shape else {
            let found = entries[name].map { "is \($0.type) of shape \($0.shape)" } ?? "is missing"
            throw ONNXError(path: weights.path, reason: "`\(name)` \(found), expected F32 of shape \(shape)")
        }
        let range = dataStart + entry.begin..<dataStart + entry.end
        guard range.count == 4 * shape.reduce(1, *), range.upperBound <= weights.size else {
            throw ONNXError(path: weights.path, reason: "`\(name)` has the data offsets \(entry.begin) to \(entry.end)")
        }
        return range
    }
}
