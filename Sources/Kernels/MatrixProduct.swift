import CBLAS
import CKernels
import Parallel

/// Whether an operand is transposed.
public enum Transposition {
    case asIs, transposed
}

/// Computes c = a·b + beta·c, split along the larger dimension of `c`. Uses the kernels of this project if the CPU has
/// AVX2 or AVX-512, otherwise BLAS `sgemm`.
///
/// - Parameters:
///   - c: `[m, n]`
///   - a: `[m, k]`, or `[k, m]` if transposed
///   - b: `[k, n]`, or `[n, k]` if transposed
///   - beta: 0 overwrites `c`, 1 adds to it
///   - precision: precision the operands are rounded to; `.bfloat16` requires `Precision.hasBFloat16`
public func matrixProduct(
    _ c: Matrix, _ a: Matrix, _ aForm: Transposition = .asIs, _ b: Matrix, _ bForm: Transposition = .asIs,
    beta: Float = 0, precision: Precision = .float32
) {
    let (m, n) = (c.rows, c.columns)
    let k = aForm == .asIs ? a.columns : a.rows
    checked(m == (aForm == .asIs ? a.rows : a.columns), "matrixProduct: c is [\(m), \(n)], but a has \(a.rows) rows")
    checked(n == (bForm == .asIs ? b.columns : b.rows), "matrixProduct: c is [\(m), \(n)], b does not match")
    checked(k == (bForm == .asIs ? b.rows : b.columns), "matrixProduct: inner dimensions of a and b differ")
    guard m > 0, n > 0 else { return }
    if precision == .float32 && !Precision.hasPackedFloat32 {
        blasProduct(c, a, aForm, b, bForm, inner: k, beta: beta)
    } else if precision == .float32 && m == 1 && aForm == .asIs && bForm == .transposed && beta == 0 {
        vectorProduct(c, a, b)
    } else if precision == .float32 && m * n * k < 2 * smallestShare {
        serialProduct(c, a, aForm, b, bForm, inner: k, beta: beta)
    } else {
        packedProduct(c, a, aForm, b, bForm, inner: k, beta: beta, precision: precision)
    }
}

/// Computes c = a·bᵀ for a single row, as when a token is generated: reads b once, without packing it.
private func vectorProduct(_ c: Matrix, _ a: Matrix, _ b: Matrix) {
    Tiles.forEach(b.rows, size: 4 * Tiles.rows(ofColumns: b.columns)) { part in
        kb_attention_scores(
            c.base + part.lowerBound, a.base, b.row(part.lowerBound), b.stride, part.count, b.columns)
    }
}

/// Computes c = a·b + beta·c like `matrixProduct`, in float32 with BLAS.
package func blasProduct(
    _ c: Matrix, _ a: Matrix, _ aForm: Transposition, _ b: Matrix, _ bForm: Transposition, inner k: Int, beta: Float
) {
    let (m, n) = (c.rows, c.columns)
    let byRows = m >= n
    let parts = partCount(larger: max(m, n), work: m * n * k)
    let size = byRows ? partSize(m, parts) : partSize(n, parts)
    Tiles.forEach(max(m, n), size: size) { part in
        let aPart = byRows ? (aForm == .asIs ? a.rows(part) : a.columns(part)) : a
        let bPart = byRows ? b : (bForm == .asIs ? b.columns(part) : b.rows(part))
        let cPart = byRows ? c.rows(part) : c.columns(part)
        blasSerialProduct(cPart, aPart, aForm, bPart, bForm, inner: k, beta: beta)
    }
}

/// Like `matrixProduct` in float32, but runs on the calling thread only, for use inside a tile.
@inline(__always)
func serialProduct(
    _ c: Matrix, _ a: Matrix, _ aForm: Transposition, _ b: Matrix, _ bForm: Transposition, inner k: Int, beta: Float
) {
    if Precision.hasPackedFloat32 {
        packedSerialProduct(c, a, aForm, b, bForm, inner: k, beta: beta)
    } else {
        blasSerialProduct(c, a, aForm, b, bForm, inner: k, beta: beta)
    }
}

private func blasSerialProduct(
    _ c: Matrix, _ a: Matrix, _ aForm: Transposition, _ b: Matrix, _ bForm: Transposition, inner k: Int, beta: Float
) {
    _ = singleThreaded
    if c.rows == 1 && aForm == .asIs && bForm == .transposed {
        // With a single row (generation), sgemv reads the weights once in place; sgemm would pack them first.
        cblas_sgemv(
            CblasRowMajor, CblasNoTrans, blasint(b.rows), blasint(k), 1, b.base, blasint(b.stride), a.base, 1, beta,
            c.base, 1)
        return
    }
    cblas_sgemm(
        CblasRowMajor, aForm == .asIs ? CblasNoTrans : CblasTrans, bForm == .asIs ? CblasNoTrans : CblasTrans,
        blasint(c.rows), blasint(c.columns), blasint(k), 1, a.base, blasint(a.stride), b.base, blasint(b.stride),
        beta, c.base, blasint(c.stride))
}

/// Disables OpenBLAS's own threading. The thread pool splits the work instead, so that the operation that follows a
/// product finds its input in the same core's cache.
private let singleThreaded: Void = openblas_set_num_threads(1)

/// Minimum number of multiplications per thread.
private let smallestShare = 1 << 17

private func partCount(larger: Int, work: Int) -> Int {
    // An even number, so that two cores finish together; parts stay wide enough to keep the cost of packing the other
    // operand negligible.
    let parts = min(8, max(2, larger / 256 & ~1))
    return max(1, min(parts, work / smallestShare))
}

/// Returns the part size, rounded up to the number of rows that the inner kernels process at once.
private func partSize(_ count: Int, _ parts: Int) -> Int {
    let size = (count + parts - 1) / parts
    return parts == 1 ? count : (size + 15) & ~15
}
