import CKernels
import Parallel

/// Precision of matrix product operands. Accumulation, and everything outside products, is float32 in both cases.
public enum Precision: String, Sendable, Codable, CaseIterable {
    case float32
    /// Operands rounded to an 8-bit significand. With AVX512_BF16, products are twice as fast on some CPUs and half as
    /// fast on others; see `InstructionRates`.
    case bfloat16

    /// Whether this CPU has bfloat16 multiply instructions (AVX512_BF16).
    public static let hasBFloat16 = kb_has_bf16() != 0

    /// Whether this CPU can run the float32 kernels of this project (AVX2 or AVX-512); otherwise BLAS is used.
    package static let hasPackedFloat32 = kb_has_avx2() != 0

    /// Number of inner-dimension elements in each 32-bit word of a packed operand.
    fileprivate var stepsPerDword: Int { self == .bfloat16 ? 2 : 1 }
}

/// Computes c = a·b + beta·c like `matrixProduct`, with the packed kernels. The CPU must support `precision`.
///
/// The inner dimension is split into ranges whose packed operands fit in the L3 cache; within a range, the work is
/// split along the larger dimension of `c`. The operand shared by all blocks is packed first; each block packs its own
/// part of the other operand, which then is still in the L2 cache.
package func packedProduct(
    _ c: Matrix, _ a: Matrix, _ aForm: Transposition, _ b: Matrix, _ bForm: Transposition, inner: Int, beta: Float,
    precision: Precision
) {
    checked(beta == 0 || beta == 1)
    let rows = PackedFactor(a, .left, count: c.rows, innerAlongRow: aForm == .asIs, precision)
    let columns = PackedFactor(b, .right, count: c.columns, innerAlongRow: bForm == .transposed, precision)
    let stretch = stretchSize(inner, precision)
    for first in stride(from: 0, to: max(inner, 1), by: stretch) {
        let part = first..<min(inner, first + stretch)
        addProduct(c, rows.inner(part), columns.inner(part), overwrite: beta == 0 && first == 0)
    }
}

/// Computes c = a·b + beta·c like `packedProduct` in float32, but runs on the calling thread only, and in one piece.
func packedSerialProduct(
    _ c: Matrix, _ a: Matrix, _ aForm: Transposition, _ b: Matrix, _ bForm: Transposition, inner k: Int, beta: Float
) {
    let rows = PackedFactor(a, .left, count: c.rows, innerAlongRow: aForm == .asIs, .float32)
    let columns = PackedFactor(b, .right, count: c.columns, innerAlongRow: bForm == .transposed, .float32)
    // The kernels for few rows read them unpacked, and are as fast for many while the other operand fits in the caches.
    let readsRows = aForm == .asIs && beta == 0
    let rowBytes = readsRows ? 0 : rows.bytes(c.rows)
    let bytes = max(rowBytes + columns.bytes(c.columns), Arena.alignment)
    withUnsafeTemporaryAllocation(byteCount: bytes, alignment: Arena.alignment) { scratch in
        let packedRows = scratch.baseAddress!.assumingMemoryBound(to: UInt32.self)
        let packedColumns = (scratch.baseAddress! + rowBytes).assumingMemoryBound(to: UInt32.self)
        columns.pack(0..<c.columns, into: packedColumns)
        if readsRows {
            let weights = UnsafeMutableRawPointer(packedColumns).assumingMemoryBound(to: Float.self)
            kb_f32_rows(c.base, c.stride, c.rows, c.columns, k, a.base, a.stride, weights)
        } else {
            rows.pack(0..<c.rows, into: packedRows)
            kb_f32_product(c.base, c.stride, c.rows, c.columns, k, packedRows, packedColumns, beta == 0 ? 0 : 1)
        }
    }
}

/// Computes c += rows·columns, or c = rows·columns if `overwrite` is set.
private func addProduct(_ c: Matrix, _ rows: PackedFactor, _ columns: PackedFactor, overwrite: Bool) {
    let byRows = c.rows >= c.columns
    let (shared, blocked) = byRows ? (columns, rows) : (rows, columns)
    let product = rows.precision == .bfloat16 ? kb_bf16_product : kb_f32_product
    Scratch.with(bytes: shared.bytes(shared.count)) { sharedBase in
        let sharedBase = sharedBase.assumingMemoryBound(to: UInt32.self)
        Tiles.forEach(shared.count, size: 4 * PackedFactor.strip) { part in
            shared.pack(part, into: sharedBase + shared.dwords(part.lowerBound))
        }
        Tiles.forEach(blocked.count, size: blockSize(blocked.count)) { block in
            Scratch.with(bytes: blocked.bytes(block.count)) { base in
                let base = base.assumingMemoryBound(to: UInt32.self)
                blocked.pack(block, into: base)
                let part = byRows ? c.rows(block) : c.columns(block)
                product(
                    part.base, part.stride, part.rows, part.columns, rows.innerSize, byRows ? base : sharedBase,
                    byRows ? sharedBase : base, overwrite ? 0 : 1)
            }
        }
    }
}

/// Returns how many rows or columns of `c` one call of the inner kernels computes: at most 240, a multiple of the 48
/// they process at once. The number of blocks is even and their sizes are similar, so that two cores finish together.
private func blockSize(_ count: Int) -> Int {
    let largest = 240
    let pairs = max(1, (count + 2 * largest - 1) / (2 * largest))
    let size = (count + 2 * pairs - 1) / (2 * pairs)
    return min(largest, (size + PackedFactor.strip - 1) / PackedFactor.strip * PackedFactor.strip)
}

/// Returns how many inner-dimension elements are packed at a time: ranges of similar size, in whole 32-bit words.
private func stretchSize(_ inner: Int, _ precision: Precision) -> Int {
    let largest = 2_048 * precision.stepsPerDword
    let stretches = max(1, (inner + largest - 1) / largest)
    return max(2, ((inner + stretches - 1) / stretches + 15) & ~15)
}

/// One operand of a product and its packed layout for the inner kernels; see `packedproduct.h`.
private struct PackedFactor {
    static let strip = 16

    enum Side { case left, right }

    let matrix: Matrix
    let side: Side
    /// Number of rows or columns of `c` that this operand contributes.
    let count: Int
    /// Whether the inner dimension runs along the rows of `matrix`.
    let innerAlongRow: Bool
    let precision: Precision

    init(_ matrix: Matrix, _ side: Side, count: Int, innerAlongRow: Bool, _ precision: Precision) {
        self.matrix = matrix
        self.side = side
        self.count = count
        self.innerAlongRow = innerAlongRow
        self.precision = precision
    }

    var innerSize: Int { innerAlongRow ? matrix.columns : matrix.rows }

    /// Returns a view of a range of the inner dimension.
    func inner(_ part: Range<Int>) -> PackedFactor {
        PackedFactor(
            innerAlongRow ? matrix.columns(part) : matrix.rows(part), side, count: count, innerAlongRow: innerAlongRow,
            precision)
    }

    /// Returns the number of 32-bit words for `count` rows or columns of `c`, rounded up to whole strips.
    func dwords(_ count: Int) -> Int {
        let steps = precision.stepsPerDword
        return (count + Self.strip - 1) / Self.strip * Self.strip * ((innerSize + steps - 1) / steps)
    }

    func bytes(_ count: Int) -> Int { 4 * dwords(count) }

    /// Packs the rows or columns `part` of `c`, which must begin at a strip boundary.
    func pack(_ part: Range<Int>, into base: UnsafeMutablePointer<UInt32>) {
        let pack =
            switch (precision, side) {
            case (.bfloat16, _): kb_bf16_pack
            case (.float32, .left): kb_f32_pack_left
            case (.float32, .right): kb_f32_pack_right
            }
        let first = matrix.base + part.lowerBound * (innerAlongRow ? matrix.stride : 1)
        pack(base, first, matrix.stride, part.count, innerSize, innerAlongRow ? 1 : 0)
    }
}
