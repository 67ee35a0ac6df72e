import CKernels
import Parallel

/// The numbers that matrix products multiply. Sums, and everything outside products, are float32 either way.
public enum Precision: String, Sendable, Codable, CaseIterable {
    case float32
    /// Factors rounded to 8 bits of mantissa: twice as fast, where the CPU has instructions for it.
    case bfloat16

    /// Whether this CPU multiplies bfloat16 (AVX512_BF16).
    public static let hasBFloat16 = kb_has_bf16() != 0

    /// Whether our own kernels multiply float32 on this CPU (AVX-512); else BLAS does.
    package static let hasPackedFloat32 = kb_has_avx512() != 0

    /// Steps of the inner size in 32 bits of a packed factor.
    fileprivate var stepsPerDword: Int { self == .bfloat16 ? 2 : 1 }
}

/// c = a·b + beta·c as `matrixProduct`, by our own kernels; only where the CPU has what `precision` needs.
///
/// The inner size is cut into stretches whose packed factors stay in the L3 cache, and the work of a stretch along the
/// larger side of `c`. The factor that every block needs is packed first; each block packs its own part of the other, which
/// is then still in the L2 cache.
package func packedProduct(
    _ c: Matrix, _ a: Matrix, _ aForm: Transposition, _ b: Matrix, _ bForm: Transposition, inner: Int, beta: Float,
    precision: Precision
) {
    checked(beta == 0 || beta == 1)
    let rows = PackedFactor(a, count: c.rows, innerAlongRow: aForm == .asIs, precision)
    let columns = PackedFactor(b, count: c.columns, innerAlongRow: bForm == .transposed, precision)
    let stretch = stretchSize(inner, precision)
    for first in stride(from: 0, to: max(inner, 1), by: stretch) {
        let part = first..<min(inner, first + stretch)
        addProduct(c, rows.inner(part), columns.inner(part), overwrite: beta == 0 && first == 0)
    }
}

/// c += rows·columns, or c = rows·columns.
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

/// Rows or columns of `c` that one call of the inner kernels makes, at most: a multiple of the 48 they take at once. There
/// is an even number of blocks, of about the same size, so that two cores finish together.
private func blockSize(_ count: Int) -> Int {
    let largest = 240
    let pairs = max(1, (count + 2 * largest - 1) / (2 * largest))
    let size = (count + 2 * pairs - 1) / (2 * pairs)
    return min(largest, (size + PackedFactor.strip - 1) / PackedFactor.strip * PackedFactor.strip)
}

/// Steps of the inner size that are packed at a time: of about the same size, and whole dwords.
private func stretchSize(_ inner: Int, _ precision: Precision) -> Int {
    let largest = 2_048 * precision.stepsPerDword
    let stretches = max(1, (inner + largest - 1) / largest)
    return max(2, ((inner + stretches - 1) / stretches + 15) & ~15)
}

/// One factor of a product and how it is packed for the inner kernels; see `packedproduct.h`.
private struct PackedFactor {
    static let strip = 16

    let matrix: Matrix
    /// Rows or columns of `c` it makes.
    let count: Int
    /// Whether a row of `matrix` runs along the inner size.
    let innerAlongRow: Bool
    let precision: Precision

    init(_ matrix: Matrix, count: Int, innerAlongRow: Bool, _ precision: Precision) {
        self.matrix = matrix
        self.count = count
        self.innerAlongRow = innerAlongRow
        self.precision = precision
    }

    var innerSize: Int { innerAlongRow ? matrix.columns : matrix.rows }

    /// A part of the inner size.
    func inner(_ part: Range<Int>) -> PackedFactor {
        PackedFactor(
            innerAlongRow ? matrix.columns(part) : matrix.rows(part), count: count, innerAlongRow: innerAlongRow,
            precision)
    }

    /// Dwords that `count` rows or columns of `c` take, in whole strips.
    func dwords(_ count: Int) -> Int {
        let steps = precision.stepsPerDword
        return (count + Self.strip - 1) / Self.strip * Self.strip * ((innerSize + steps - 1) / steps)
    }

    func bytes(_ count: Int) -> Int { 4 * dwords(count) }

    /// Packs a part of `count` that begins with a strip.
    func pack(_ part: Range<Int>, into base: UnsafeMutablePointer<UInt32>) {
        let pack = precision == .bfloat16 ? kb_bf16_pack : kb_f32_pack
        let first = matrix.base + part.lowerBound * (innerAlongRow ? matrix.stride : 1)
        pack(base, first, matrix.stride, part.count, innerSize, innerAlongRow ? 1 : 0)
    }
}
