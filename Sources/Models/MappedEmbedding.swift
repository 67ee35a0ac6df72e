import Durable
import Glibc
import Kernels

/// Reads single rows of a matrix in a safetensors file on demand. An embedding of which a sentence needs ten rows then
/// takes no memory, and truncating the file in the meantime does not raise SIGBUS, as it would with a memory mapping.
final class MappedEmbedding: Sendable {
    let columns: Int
    private let descriptor: Int32
    private let tensor: SafetensorsFile.Tensor

    /// - Throws: `ModelError` if the tensor is missing or has a different shape, or if the file cannot be opened
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

    /// Reads row `row` as float32. If the read fails, the row is filled with NaN, which callers check every result for.
    func read(_ row: Int, into destination: UnsafeMutablePointer<Float>) {
        checked(row >= 0 && row < tensor.shape[0], "TensorRows: row out of range")
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
