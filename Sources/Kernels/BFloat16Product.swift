import CKernels
import Parallel

/// The numbers that matrix products multiply. Sums, and everything outside products, are float32 either way.
public enum Precision: String, Sendable, Codable, CaseIterable {
    case float32
    /// Factors rounded to 8 bits of mantissa: twice as fast, where the CPU has instructions for it.
    case bfloat16

    /// Whether this CPU multiplies bfloat16 (AVX512_BF16).
    public static let hasBFloat16 = kb_has_bf16() != 0
}

/// Rows or columns of `c` that one call of the inner kernels makes, at most: a multiple of the 48 they take at once, or
/// fewer where the inner size is so large that a block's packed factor would not stay in the L3 cache. There is an even
/// number of blocks, of about the same size, so that two cores finish together.
private func blockSize(_ count: Int, inner: Int) -> Int {
    let largest = inner > 8_192 ? 96 : 240
    let pairs = max(1, (count + 2 * largest - 1) / (2 * largest))
    let size = (count + 2 * pairs - 1) / (2 * pairs)
    return min(largest, (size + PackedFactor.strip - 1) / PackedFactor.strip * PackedFactor.strip)
}

/// c = a·b + beta·c as `matrixProduct`, the factors rounded to bfloat16.
///
/// The work is cut along the larger side of `c`. The factor that every block needs is packed first; each block packs its
/// own part of the other, which is then still in the cache.
func bfloat16Product(
    _ c: Matrix, _ a: Matrix, _ aForm: Transposition, _ b: Matrix, _ bForm: Transposition, inner k: Int, beta: Float
) {
    precondition(beta == 0 || beta == 1)
    let byRows = c.rows >= c.columns
    let shared = PackedFactor(
        byRows ? b : a, count: byRows ? c.columns : c.rows, inner: k,
        innerAlongRow: byRows ? bForm == .transposed : aForm == .asIs)
    let blocked = PackedFactor(
        byRows ? a : b, count: byRows ? c.rows : c.columns, inner: k,
        innerAlongRow: byRows ? aForm == .asIs : bForm == .transposed)
    let size = blockSize(blocked.count, inner: k)
    Scratch.with(bytes: shared.bytes(shared.strips)) { sharedBase in
        let sharedBase = sharedBase.assumingMemoryBound(to: UInt32.self)
        Tiles.forEach(shared.strips, size: 4) { shared.pack(strips: $0, into: sharedBase) }
        Tiles.forEach(blocked.count, size: size) { block in
            let strips =
                block.lowerBound / PackedFactor.strip..<(block.upperBound + PackedFactor.strip - 1) / PackedFactor.strip
            Scratch.with(bytes: blocked.bytes(strips.count)) { base in
                let base = base.assumingMemoryBound(to: UInt32.self)
                blocked.pack(strips: strips, into: base - strips.lowerBound * blocked.stripLength)
                if byRows {
                    kb_bf16_product(
                        c.row(block.lowerBound), c.stride, block.count, c.columns, k, base, sharedBase,
                        beta == 0 ? 0 : 1)
                } else {
                    kb_bf16_product(
                        c.base + block.lowerBound, c.stride, c.rows, block.count, k, sharedBase, base, beta == 0 ? 0 : 1
                    )
                }
            }
        }
    }
}

/// One factor of a product and how it is packed for the inner kernels; see `bf16product.c`.
private struct PackedFactor {
    static let strip = 16

    let matrix: Matrix
    /// Rows or columns of `c` it makes.
    let count: Int
    let inner: Int
    /// Whether a row of `matrix` runs along the inner size.
    let innerAlongRow: Bool

    init(_ matrix: Matrix, count: Int, inner: Int, innerAlongRow: Bool) {
        self.matrix = matrix
        self.count = count
        self.inner = inner
        self.innerAlongRow = innerAlongRow
    }

    var strips: Int { (count + Self.strip - 1) / Self.strip }
    /// Dwords of a strip.
    var stripLength: Int { (inner + 1) / 2 * Self.strip }
    func bytes(_ strips: Int) -> Int { 4 * strips * stripLength }

    /// Packs some strips to where they stand in `base`, which begins with strip 0.
    func pack(strips: Range<Int>, into base: UnsafeMutablePointer<UInt32>) {
        kb_bf16_pack(
            base, matrix.base, matrix.stride, count, inner, innerAlongRow ? 1 : 0, strips.lowerBound, strips.upperBound)
    }
}
