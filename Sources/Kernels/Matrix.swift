/// A non-owning view of float32 rows; the memory belongs to `Parameters`, `Arena` or a caller's buffer.
///
/// Row `i` begins at `base + i * stride`; `stride` exceeds `columns` if the view covers part of wider rows.
public struct Matrix {
    public let base: UnsafeMutablePointer<Float>
    public let rows: Int
    public let columns: Int
    public let stride: Int

    public init(_ base: UnsafeMutablePointer<Float>, rows: Int, columns: Int, stride: Int? = nil) {
        checked(rows >= 0 && columns >= 0 && stride ?? columns >= columns)
        self.base = base
        self.rows = rows
        self.columns = columns
        self.stride = stride ?? columns
    }

    @inline(__always)
    public func row(_ index: Int) -> UnsafeMutablePointer<Float> { base + index * stride }

    /// Returns a view of the given rows.
    public func rows(_ range: Range<Int>) -> Matrix {
        checked(range.lowerBound >= 0 && range.upperBound <= rows)
        return Matrix(base + range.lowerBound * stride, rows: range.count, columns: columns, stride: stride)
    }

    /// Returns a view of the given columns.
    public func columns(_ range: Range<Int>) -> Matrix {
        checked(range.lowerBound >= 0 && range.upperBound <= columns)
        return Matrix(base + range.lowerBound, rows: rows, columns: range.count, stride: stride)
    }
}

/// A non-owning view of contiguous float32 values.
public struct Vector {
    public let base: UnsafeMutablePointer<Float>
    public let count: Int

    public init(_ base: UnsafeMutablePointer<Float>, count: Int) {
        self.base = base
        self.count = count
    }
}
