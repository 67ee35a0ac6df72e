import CBLAS
import Parallel

/// Whether a factor is used as it lies or transposed.
public enum Transposition {
    case asIs, transposed
}

/// c = a·b + beta·c, cut over the rows or the columns of `c`, whichever are more: by our own kernels where the CPU has
/// AVX-512 and the product is worth their packing, else by BLAS's `sgemm`.
///
/// - Parameters:
///   - c: `[m, n]`
///   - a: `[m, k]`, or `[k, m]` if transposed
///   - b: `[k, n]`, or `[n, k]` if transposed
///   - beta: 0 overwrites `c`, 1 adds to it
///   - precision: what the factors are rounded to; `.bfloat16` only where the CPU has it
public func matrixProduct(
    _ c: Matrix, _ a: Matrix, _ aForm: Transposition = .asIs, _ b: Matrix, _ bForm: Transposition = .asIs,
    beta: Float = 0, precision: Precision = .float32
) {
    let (m, n) = (c.rows, c.columns)
    let k = aForm == .asIs ? a.columns : a.rows
    checked(m == (aForm == .asIs ? a.rows : a.columns), "matrixProduct: c is [\(m), \(n)], a has \(a.rows) rows")
    checked(n == (bForm == .asIs ? b.columns : b.rows), "matrixProduct: c is [\(m), \(n)], b is not")
    checked(k == (bForm == .asIs ? b.rows : b.columns), "matrixProduct: a and b share no inner size")
    guard m > 0, n > 0 else { return }
    if precision == .bfloat16 || Precision.hasPackedFloat32 && isWorthPacking(m, n, k) {
        packedProduct(c, a, aForm, b, bForm, inner: k, beta: beta, precision: precision)
    } else {
        blasProduct(c, a, aForm, b, bForm, inner: k, beta: beta)
    }
}

/// c = a·b + beta·c as `matrixProduct`, in float32 by BLAS.
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
        serialProduct(cPart, aPart, aForm, bPart, bForm, inner: k, alpha: 1, beta: beta)
    }
}

/// As `matrixProduct`, in the calling thread alone, for what is already inside a tile.
@inline(__always)
func serialProduct(
    _ c: Matrix, _ a: Matrix, _ aForm: Transposition, _ b: Matrix, _ bForm: Transposition, inner k: Int, alpha: Float,
    beta: Float
) {
    _ = singleThreaded
    if c.rows == 1 && aForm == .asIs && bForm == .transposed {
        // One row (generation) reads the weights once where they lie; sgemm would pack them first.
        cblas_sgemv(
            CblasRowMajor, CblasNoTrans, blasint(b.rows), blasint(k), alpha, b.base, blasint(b.stride), a.base, 1, beta,
            c.base, 1)
        return
    }
    cblas_sgemm(
        CblasRowMajor, aForm == .asIs ? CblasNoTrans : CblasTrans, bForm == .asIs ? CblasNoTrans : CblasTrans,
        blasint(c.rows), blasint(c.columns), blasint(k), alpha, a.base, blasint(a.stride), b.base, blasint(b.stride),
        beta, c.base, blasint(c.stride))
}

/// OpenBLAS's own threads stay idle: ours cut the work so that what follows a product finds it in the same cache.
private let singleThreaded: Void = openblas_set_num_threads(1)

/// Whether a float32 product is large enough for our own kernels.
private func isWorthPacking(_ m: Int, _ n: Int, _ k: Int) -> Bool {
    min(m, n) >= 16 && m * n * k >= 1 << 18
}

/// Below this many multiplications a product is not worth a second thread.
private let smallestShare = 1 << 17

private func partCount(larger: Int, work: Int) -> Int {
    // An even number, so that two cores finish together; no part so thin that packing the other factor shows.
    let parts = min(8, max(2, larger / 256 & ~1))
    return max(1, min(parts, work / smallestShare))
}

/// Rounded up to what the products' inner kernels take at once.
private func partSize(_ count: Int, _ parts: Int) -> Int {
    let size = (count + parts - 1) / parts
    return parts == 1 ? count : (size + 15) & ~15
}
