import Glibc

/// Summary statistics of one tensor.
public struct TensorSummary: Sendable, Equatable {
    public let type: TensorType
    public let shape: [Int]
    /// Minimum, maximum, mean and standard deviation of the finite elements; 0 if there are none.
    public private(set) var minimum = 0.0
    public private(set) var maximum = 0.0
    public private(set) var mean = 0.0
    public private(set) var standardDeviation = 0.0
    public private(set) var zeros = 0
    public private(set) var notFinite = 0
    /// Indices of the first and last three rows and columns, with the tensor viewed as a matrix whose columns are its
    /// last dimension.
    public let rows: [Int]
    public let columns: [Int]
    /// Elements at `rows` × `columns`, in row-major order.
    public private(set) var corners: [Float] = []

    /// Reads a whole tensor, one chunk at a time.
    /// - Parameter isUnwanted: checked between chunks; reading stops once it returns true
    /// - Throws: `ModelError` if there is no tensor of that name, or if reading was stopped
    public init(
        _ name: String, in file: SafetensorsFile, isUnwanted: () -> Bool = { false }
    ) throws(ModelError) {
        guard let tensor = file.tensors[name] else {
            throw ModelError(path: file.path, reason: "the tensor `\(name)` is missing")
        }
        type = tensor.type
        shape = tensor.shape
        let width = max(1, tensor.shape.last ?? 1)
        rows = Self.ends(tensor.count / width)
        columns = Self.ends(min(width, tensor.count))
        let size = 1 << 16
        let part = UnsafeMutableBufferPointer<Float>.allocate(capacity: size)
        defer { part.deallocate() }
        let bytes = file.bytes(tensor)
        func read(_ range: Range<Int>) -> UnsafeMutableBufferPointer<Float> {
            let numbers = UnsafeMutableBufferPointer(rebasing: part[..<range.count])
            tensor.type.read(
                UnsafeRawBufferPointer(
                    rebasing: bytes[range.lowerBound * tensor.type.bytes..<range.upperBound * tensor.type.bytes]),
                into: numbers)
            return numbers
        }
        var (low, high) = (Float.infinity, -Float.infinity)
        var (count, sum) = (0, 0.0)
        func eachPart(_ body: (UnsafeMutableBufferPointer<Float>) -> Void) throws(ModelError) {
            for first in stride(from: 0, to: tensor.count, by: size) {
                guard !isUnwanted() else {
                    throw ModelError(path: file.path, reason: "reading `\(name)` was canceled")
                }
                body(read(first..<min(tensor.count, first + size)))
            }
        }
        try eachPart { numbers in
            for number in numbers {
                guard number.isFinite else {
                    notFinite += 1
                    continue
                }
                (low, high) = (min(low, number), max(high, number))
                sum += Double(number)
                count += 1
                if number == 0 { zeros += 1 }
            }
        }
        if count > 0 {
            let mean = sum / Double(count)
            var squares = 0.0
            try eachPart { numbers in
                for number in numbers where number.isFinite {
                    squares += (Double(number) - mean) * (Double(number) - mean)
                }
            }
            (minimum, maximum, self.mean) = (Double(low), Double(high), mean)
            // Sample standard deviation, like `torch.std`.
            standardDeviation = count > 1 ? (squares / Double(count - 1)).squareRoot() : 0
        }
        for row in rows {
            for column in columns { corners.append(read(row * width + column..<row * width + column + 1)[0]) }
        }
    }

    private static func ends(_ count: Int) -> [Int] {
        count <= 6 ? Array(0..<count) : Array(0..<3) + Array(count - 3..<count)
    }
}
