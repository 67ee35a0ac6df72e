import Glibc

/// What the numbers of one tensor are like.
public struct TensorSummary: Sendable, Equatable {
    public let type: TensorType
    public let shape: [Int]
    /// Of those that are finite; 0 where none is.
    public private(set) var minimum = 0.0
    public private(set) var maximum = 0.0
    public private(set) var mean = 0.0
    public private(set) var standardDeviation = 0.0
    public private(set) var zeros = 0
    public private(set) var notFinite = 0
    /// Of the tensor as a matrix, its last dimension being the columns: the first and last three of each.
    public let rows: [Int]
    public let columns: [Int]
    /// At `rows` × `columns`, row after row.
    public private(set) var corners: [Float] = []

    /// Reads all of a tensor, a part at a time.
    /// - Parameter isUnwanted: looked at between two parts; the rest is left out once it is true
    /// - Throws: where there is none of that name, and where it is unwanted
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
                    throw ModelError(path: file.path, reason: "nobody waits for what is in `\(name)`")
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
            // As torch's `std`: of a sample.
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
