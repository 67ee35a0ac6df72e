import CKernels
import Parallel

/// Precision in which an inference-only model stores its weights.
public enum WeightPrecision: String, Sendable, CaseIterable {
    case float32
    /// Weights and activations rounded to an 8-bit significand; accumulation in float32.
    case bfloat16
    /// Signed 8-bit weights with one scale per output. Activations are quantized to 8 bits row by row, each row with
    /// its own scale (Dettmers et al., "LLM.int8()", 2022, section 2.1: vector-wise quantization). Integer accumulation
    /// is exact.
    case int8

    /// Bytes per weight.
    public var bytes: Int { 4 / stepsPerDword }

    /// Whether this CPU has the instructions of a kernel for this precision: AVX2 or, for bfloat16, AVX512_BF16. Without
    /// them a slower portable kernel is used.
    public var isFast: Bool {
        switch self {
        case .float32, .int8: kb_has_avx2() != 0
        case .bfloat16: Precision.hasBFloat16
        }
    }

    /// Number of inner-dimension elements in each 32-bit word.
    fileprivate var stepsPerDword: Int {
        switch self {
        case .float32: 1
        case .bfloat16: 2
        case .int8: 4
        }
    }
}

/// A non-owning view of a weight `[outFeatures, inFeatures]`, packed once and reused by every y = x·Wᵀ.
///
/// Every 16 outputs form a strip, which stores, for each 32-bit word of the inner dimension, the words of its 16
/// outputs contiguously, as described in `packedproduct.h`. In int8 the scales of the outputs follow, then 128 times
/// the sums of their bytes.
public struct PackedWeight {
    static let strip = 16

    public let precision: WeightPrecision
    public let outFeatures: Int
    public let inFeatures: Int
    /// Whether bfloat16 weights are multiplied by many rows with the kernel of float32; see
    /// `InstructionRates.expandsBFloat16`.
    public let expandsBFloat16: Bool
    fileprivate let base: UnsafeMutableRawPointer

    /// - Parameter base: aligned to a cache line, with room for `bytes`
    public init(
        _ base: UnsafeMutableRawPointer, outFeatures: Int, inFeatures: Int, _ precision: WeightPrecision,
        expandsBFloat16: Bool = false
    ) {
        checked(outFeatures > 0 && inFeatures > 0 && UInt(bitPattern: base) % 64 == 0)
        self.precision = precision
        self.expandsBFloat16 = expandsBFloat16
        self.outFeatures = outFeatures
        self.inFeatures = inFeatures
        self.base = base
    }

    /// Returns the size of a packed weight in bytes, a multiple of the cache line size.
    public static func bytes(outFeatures: Int, inFeatures: Int, _ precision: WeightPrecision) -> Int {
        let outputs = (outFeatures + strip - 1) / strip * strip
        let dwords = (inFeatures + precision.stepsPerDword - 1) / precision.stepsPerDword
        return 4 * outputs * (dwords + (precision == .int8 ? 2 : 0))
    }

    /// Packs a range of outputs.
    /// - Parameters:
    ///   - rows: `[outputs, inFeatures]`
    ///   - first: the output index of the first row; must begin a strip
    public func pack(_ rows: Matrix, at first: Int) {
        checked(first % Self.strip == 0 && first + rows.rows <= outFeatures && rows.columns == inFeatures)
        Tiles.forEach(rows.rows, size: Self.strip) { part in
            let (x, stride, count) = (rows.row(part.lowerBound), rows.stride, part.count)
            let output = first + part.lowerBound
            let packed = dwords(output)
            switch precision {
            case .float32:
                kb_f32_pack_weights(
                    UnsafeMutableRawPointer(packed).assumingMemoryBound(to: Float.self), x, stride, count, inFeatures)
            case .bfloat16: kb_bf16_pack_weights(packed, x, stride, count, inFeatures)
            case .int8: kb_s8_pack_weights(packed, scales + output, sums + output, x, stride, count, inFeatures)
            }
        }
    }

    fileprivate var strips: Int { (outFeatures + Self.strip - 1) / Self.strip }

    /// Length of the inner dimension in 32-bit words.
    fileprivate var length: Int { (inFeatures + precision.stepsPerDword - 1) / precision.stepsPerDword }

    /// Returns a pointer to the strip that begins at `output`.
    fileprivate func dwords(_ output: Int) -> UnsafeMutablePointer<UInt32> {
        base.assumingMemoryBound(to: UInt32.self) + output * length
    }

    fileprivate func floats(_ output: Int) -> UnsafeMutablePointer<Float> {
        base.assumingMemoryBound(to: Float.self) + output * length
    }

    fileprivate var scales: UnsafeMutablePointer<Float> { floats(strips * Self.strip) }

    fileprivate var sums: UnsafeMutablePointer<Int32> {
        base.assumingMemoryBound(to: Int32.self) + strips * Self.strip * (length + 1)
    }
}

/// Accumulation order within a row. With either order, a row's result does not depend on the other rows.
public enum AccumulationOrder: Sendable {
    /// Sequential along the row. The weights are read once for all rows; the rows are not packed.
    case straight
    /// In blocks whose sums are then added. The rows are packed like the weights.
    case blocked

    /// Up to this many rows, reading the weights takes longer than multiplying them.
    public static let straightRows = 16

    /// Selects the faster order for the given number of rows.
    public init(rows: Int) { self = rows > Self.straightRows ? .blocked : .straight }
}

/// Computes y = x·Wᵀ, as `torch.nn.Linear` without bias. Overwrites `y`.
/// - Parameters:
///   - y: `[tokens, outFeatures]`
///   - x: `[tokens, inFeatures]`
///   - order: nil selects the faster order for the number of rows
public func linearForward(_ y: Matrix, x: Matrix, weight: PackedWeight, order: AccumulationOrder? = nil) {
    packedForward(y, x: x, weight: weight, order: order, isFast: weight.precision.isFast)
}

/// - Parameter isFast: whether to use the CPU instructions specific to `weight.precision`
package func packedForward(_ y: Matrix, x: Matrix, weight: PackedWeight, order: AccumulationOrder? = nil, isFast: Bool)
{
    checked(y.rows == x.rows && y.columns == weight.outFeatures && x.columns == weight.inFeatures)
    let order = order ?? AccumulationOrder(rows: x.rows)
    switch weight.precision {
    case .float32:
        if isFast && order == .blocked {
            blockProduct(y, x: x, weight: weight, pack: kb_f32_pack_left, product: kb_f32_product)
        } else {
            float32Rows(y, x: x, weight: weight, isFast ? kb_f32_rows : kb_f32_rows_portable)
        }
    case .bfloat16:
        if weight.expandsBFloat16 && Precision.hasPackedFloat32 && order == .blocked {
            expandedProduct(y, x: x, weight: weight)
        } else if isFast && order == .blocked {
            blockProduct(y, x: x, weight: weight, pack: kb_bf16_pack, product: kb_bf16_product)
        } else {
            bfloat16Rows(y, x: x, weight: weight, isFast ? kb_bf16_rows : kb_bf16_rows_portable)
        }
    case .int8: int8Rows(y, x: x, weight: weight, isFast ? kb_s8_rows : kb_s8_rows_portable)
    }
}

private func float32Rows(
    _ y: Matrix, x: Matrix, weight: PackedWeight,
    _ product:
        @convention(c) (
            UnsafeMutablePointer<Float>?, Int, Int, Int, Int, UnsafePointer<Float>?, Int, UnsafePointer<Float>?
        ) -> Void
) {
    forEachStretch(of: weight) { outputs in
        product(
            y.base + outputs.lowerBound, y.stride, y.rows, outputs.count, weight.inFeatures, x.base, x.stride,
            weight.floats(outputs.lowerBound))
    }
}

private func bfloat16Rows(
    _ y: Matrix, x: Matrix, weight: PackedWeight,
    _ product:
        @convention(c) (
            UnsafeMutablePointer<Float>?, Int, Int, Int, Int, UnsafePointer<UInt32>?, UnsafePointer<UInt32>?
        ) -> Void
) {
    let length = weight.length
    Scratch.with(bytes: 4 * x.rows * length) { scratch in
        let rounded = scratch.assumingMemoryBound(to: UInt16.self)
        Tiles.forEach(x.rows, size: AccumulationOrder.straightRows) { part in
            for row in part {
                // Pads an odd row length with a zero.
                rounded[2 * length * (row + 1) - 1] = 0
                kb_bf16_round(rounded + 2 * length * row, x.row(row), x.columns)
            }
        }
        forEachStretch(of: weight) { outputs in
            product(
                y.base + outputs.lowerBound, y.stride, y.rows, outputs.count, weight.inFeatures,
                scratch.assumingMemoryBound(to: UInt32.self), weight.dwords(outputs.lowerBound))
        }
    }
}

private func int8Rows(
    _ y: Matrix, x: Matrix, weight: PackedWeight,
    _ product:
        @convention(c) (
            UnsafeMutablePointer<Float>?, Int, Int, Int, Int, UnsafePointer<UInt32>?, UnsafePointer<Float>?,
            UnsafePointer<UInt32>?, UnsafePointer<Float>?, UnsafePointer<Int32>?
        ) -> Void
) {
    let length = weight.length
    Scratch.with(bytes: 4 * x.rows * (length + 1)) { scratch in
        let quantized = scratch.assumingMemoryBound(to: UInt8.self)
        let scales = scratch.assumingMemoryBound(to: Float.self) + x.rows * length
        Tiles.forEach(x.rows, size: AccumulationOrder.straightRows) { part in
            for row in part { kb_s8_quantize_row(quantized + 4 * length * row, scales + row, x.row(row), x.columns) }
        }
        forEachStretch(of: weight) { outputs in
            let first = outputs.lowerBound
            product(
                y.base + first, y.stride, y.rows, outputs.count, weight.inFeatures,
                scratch.assumingMemoryBound(to: UInt32.self), scales, weight.dwords(first), weight.scales + first,
                weight.sums + first)
        }
    }
}

/// Calls `body` with ranges that cover all outputs, each a whole number of pairs of strips. The ranges are small enough
/// for two cores to finish together and large enough for sequential memory access.
private func forEachStretch(of weight: PackedWeight, _ body: (Range<Int>) -> Void) {
    let stretchBytes = 96 << 10
    let pairs = max(1, stretchBytes / (2 * 4 * PackedWeight.strip * weight.length))
    Tiles.forEach(weight.outFeatures, size: 2 * PackedWeight.strip * pairs, body)
}

/// Computes y = x·Wᵀ for many rows: packs `x` like the weights and computes blocks of `y` with
/// the kernels of `packedProduct`.
private func blockProduct(
    _ y: Matrix, x: Matrix, weight: PackedWeight,
    pack: @convention(c) (UnsafeMutablePointer<UInt32>?, UnsafePointer<Float>?, Int, Int, Int, Int32) -> Void,
    product:
        @convention(c) (
            UnsafeMutablePointer<Float>?, Int, Int, Int, Int, UnsafePointer<UInt32>?, UnsafePointer<UInt32>?, Int32
        ) -> Void
) {
    let length = weight.length
    Scratch.with(bytes: 4 * wholeStrips(x.rows) * length) { scratch in
        let packed = scratch.assumingMemoryBound(to: UInt32.self)
        Tiles.forEach(x.rows, size: 2 * PackedWeight.strip) { part in
            pack(packed + part.lowerBound * length, x.row(part.lowerBound), x.stride, part.count, x.columns, 1)
        }
        forEachBlock(of: y) { rows, outputs in
            product(
                y.row(rows.lowerBound) + outputs.lowerBound, y.stride, rows.count, outputs.count, x.columns,
                packed + rows.lowerBound * length, weight.dwords(outputs.lowerBound), 0)
        }
    }
}

/// Computes y = x·Wᵀ for many rows and bfloat16 weights with the float32 kernels: both operands are rounded to bfloat16
/// and stored as float32, so that only the order of accumulation differs from the bfloat16 kernels. Each block converts
/// its weights, which stay in the L2 cache.
private func expandedProduct(_ y: Matrix, x: Matrix, weight: PackedWeight) {
    let inner = x.columns
    Scratch.with(bytes: 4 * wholeStrips(x.rows) * inner) { scratch in
        let packed = scratch.assumingMemoryBound(to: UInt32.self)
        Tiles.forEach(x.rows, size: 2 * PackedWeight.strip) { part in
            let start = packed + part.lowerBound * inner
            kb_f32_pack_left(start, x.row(part.lowerBound), x.stride, part.count, inner, 1)
            kb_bf16_round_floats(
                UnsafeMutableRawPointer(start).assumingMemoryBound(to: Float.self), wholeStrips(part.count) * inner)
        }
        forEachBlock(of: y) { rows, outputs in
            let count = wholeStrips(outputs.count)
            Scratch.with(bytes: 4 * count * inner) { scratch in
                let expanded = scratch.assumingMemoryBound(to: UInt32.self)
                kb_bf16_expand(expanded, weight.dwords(outputs.lowerBound), count / PackedWeight.strip, inner)
                kb_f32_product(
                    y.row(rows.lowerBound) + outputs.lowerBound, y.stride, rows.count, outputs.count, inner,
                    packed + rows.lowerBound * inner, expanded, 0)
            }
        }
    }
}

/// Returns `count` rounded up to whole strips.
private func wholeStrips(_ count: Int) -> Int {
    (count + PackedWeight.strip - 1) / PackedWeight.strip * PackedWeight.strip
}

/// Calls `body` on the threads of the pool with the ranges of rows and columns of blocks that cover `y`.
private func forEachBlock(of y: Matrix, _ body: (_ rows: Range<Int>, _ outputs: Range<Int>) -> Void) {
    // Multiples of the 48 outputs that the kernels compute at once; 240 rows of each operand fit in the L2 cache.
    let (tall, wide) = (240, 192)
    let down = (y.rows + tall - 1) / tall
    ThreadPool.shared.forEach(down * ((y.columns + wide - 1) / wide)) { block in
        let (row, output) = (block % down * tall, block / down * wide)
        body(row..<min(row + tall, y.rows), output..<min(output + wide, y.columns))
    }
}
