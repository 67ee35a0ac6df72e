import Durable
import Glibc
import Kernels

/// Rows of one matrix of a safetensors file, read when they are asked for: an embedding of which a sentence needs ten rows
/// takes no memory, and a file that is cut short meanwhile is no signal, as it would be for a mapped one.
final class TensorRows: Sendable {
    let columns: Int
    private let descriptor: Int32
    private let tensor: SafetensorsFile.Tensor

    /// - Throws: where the tensor is missing or of another shape, or the file cannot be opened
    init(_ file: SafetensorsFile, _ name: String, shape: [Int]) throws(ModelError) {
        tensor = try file.tensor(name, shape: shape)
        columns = shape[1]
        do throws(DurableError) {
            descriptor = try Durable.openRegular(file.path).descriptor
        } catch {
            throw ModelError(path: file.path, reason: "cannot be opened: \(String(cString: strerror(error.errno)))")
        }
    }

    deinit { close(descriptor) }

    /// Writes row `row` as float32. What cannot be read becomes NaN, which every answer is looked through for.
    func read(_ row: Int, into destination: UnsafeMutablePointer<Float>) {
        checked(row >= 0 && row < tensor.shape[0], "TensorRows: no such row")
        let bytes = columns * tensor.type.bytes
        let destination = UnsafeMutableBufferPointer(start: destination, count: columns)
        withUnsafeTemporaryAllocation(byteCount: bytes, alignment: 4) { buffer in
            var count: Int
            repeat {
                count = pread(descriptor, buffer.baseAddress, bytes, off_t(tensor.range.lowerBound + row * bytes))
            } while count < 0 && errno == EINTR
            if count == bytes {
                tensor.type.read(UnsafeRawBufferPointer(buffer), into: destination)
            } else {
                destination.update(repeating: .nan)
            }
        }
    }
}
