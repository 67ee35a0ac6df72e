import Kernels
import Parallel

/// One float32 value for each parameter of a model, in one memory region: weights, gradients or optimizer moments.
public final class Parameters: @unchecked Sendable {
    // @unchecked: training and loading hold the only reference while they write; serving models only read.

    public let layout: ParameterLayout
    /// All tensors, `layout.storageCount` floats.
    public let values: UnsafeMutableBufferPointer<Float>
    private let arena: Arena

    /// Creates parameters that are all zero.
    public init(layout: ParameterLayout) {
        self.layout = layout
        arena = Arena(bytes: layout.storageCount * MemoryLayout<Float>.stride)
        values = UnsafeMutableBufferPointer(
            start: arena.take(Float.self, layout.storageCount), count: layout.storageCount)
    }

    /// The elements of the tensor with the given name, which must be in the layout.
    public subscript(name: String) -> UnsafeMutableBufferPointer<Float> {
        guard let entry = layout.entry(name) else { fatalError("there is no parameter named \(name)") }
        return self[entry]
    }

    public subscript(entry: ParameterLayout.Entry) -> UnsafeMutableBufferPointer<Float> {
        UnsafeMutableBufferPointer(rebasing: values[entry.offset..<entry.offset + entry.count])
    }

    public func setToZero() {
        let size = 1 << 18
        ThreadPool.shared.forEach((values.count + size - 1) / size) { tile in
            let from = tile * size
            (values.baseAddress! + from).update(repeating: 0, count: min(size, values.count - from))
        }
    }

    public func copy(from other: Parameters) {
        checked(layout == other.layout)
        values.baseAddress!.update(from: other.values.baseAddress!, count: values.count)
    }

    func matrix(_ name: String) -> Matrix {
        guard let entry = layout.entry(name), entry.shape.count == 2 else {
            fatalError("there is no matrix named \(name)")
        }
        return matrix(entry)
    }

    /// - Parameter entry: a tensor with two dimensions
    public func matrix(_ entry: ParameterLayout.Entry) -> Matrix {
        Matrix(values.baseAddress! + entry.offset, rows: entry.shape[0], columns: entry.shape[1])
    }

    func vector(_ name: String) -> Vector {
        let tensor = self[name]
        return Vector(tensor.baseAddress!, count: tensor.count)
    }
}
