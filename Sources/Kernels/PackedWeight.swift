import CKernels
import Parallel

/// What the weights of a model that only answers are kept in.
public enum WeightPrecision: String, Sendable, CaseIterable {
    case float32
    /// The weights, and what they are multiplied with, rounded to 8 bits of mantissa; sums in float32.
    case bfloat16
    /// Signed bytes with a scale for each output; what they are multiplied with is rounded to bytes row by row, with a scale
    /// of its own (Dettmers et al., "LLM.int8()", 2022, section 2.1: vector-wise quantization). Sums are exact.
    case int8

    /// bfloat16 where this CPU multiplies it, else float32.
    public static let fitting: WeightPrecision = Precision.hasBFloat16 ? .bfloat16 : .float32

    /// Whether this CPU has instructions for such products; without them they are made, but not fast.
    public var isFast: Bool {
        switch self {
        case .float32: kb_has_avx512() != 0
        case .bfloat16: Precision.hasBFloat16
        case .int8: kb_has_vnni() != 0
        }
    }

    /// Steps of the inner size in 32 bits.
    fileprivate var stepsPerDword: Int {
        switch self {
        case .float32: 1
        case .bfloat16: 2
        case .int8: 4
        }
    }
}

/// A weight `[outFeatures, inFeatures]`, packed once for every y = x·Wᵀ to come, in memory that somebody else owns.
///
/// Every 16 outputs are a strip: for each dword of the inner size the dwords of its 16 outputs side by side, as
/// `packedproduct.h` has it. In int8 the scales of the outputs follow, then 128 times the sums of their bytes.
public struct PackedWeight {
    static let strip = 16

    public let precision: WeightPrecision
    public let outFeatures: Int
    public let inFeatures: Int
    fileprivate let base: UnsafeMutableRawPointer

    /// - Parameter base: on a cache line, `bytes` of it
    public init(_ base: UnsafeMutableRawPointer, outFeatures: Int, inFeatures: Int, _ precision: WeightPrecision) {
        checked(outFeatures > 0 && inFeatures > 0 && UInt(bitPattern: base) % 64 == 0)
        self.precision = precision
        self.outFeatures = outFeatures
        self.inFeatures = inFeatures
        self.base = base
    }

    /// What a weight takes: whole cache lines.
    public static func bytes(outFeatures: Int, inFeatures: Int, _ precision: WeightPrecision) -> Int {
        let outputs = (outFeatures + strip - 1) / strip * strip
        let dwords = (inFeatures + precision.stepsPerDword - 1) / precision.stepsPerDword
        return 4 * outputs * (dwords + (precision == .int8 ? 2 : 0))
    }

    /// Packs some of the outputs.
    /// - Parameters:
    ///   - rows: `[outputs, inFeatures]`
    ///   - first: the output of the first row; begins a strip
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

    /// Dwords of the inner size.
    fileprivate var length: Int { (inFeatures + precision.stepsPerDword - 1) / precision.stepsPerDword }

    /// Where the strip of an output begins.
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

/// In which order a row's sums are taken. Whichever it is, what the row gets depends on no other row.
public enum SumOrder: Sendable {
    /// Along the row. The weights are read once for all rows, which are multiplied as they are.
    case straight
    /// In stretches, whose sums are added. The rows are packed as the weights are.
    case blocked

    /// Up to so many rows, reading the weights costs more than multiplying them.
    public static let straightRows = 16

    /// The faster one for so many rows.
    public init(rows: Int) { self = rows > Self.straightRows ? .blocked : .straight }
}

/// y = x·Wᵀ, as `torch.nn.Linear` without its bias. Overwrites `y`.
/// - Parameters:
///   - y: `[tokens, outFeatures]`
///   - x: `[tokens, inFeatures]`
///   - order: nil is the faster one for as many rows as there are
public func linearForward(_ y: Matrix, x: Matrix, weight: PackedWeight, order: SumOrder? = nil) {
    packedForward(y, x: x, weight: weight, order: order, isFast: weight.precision.isFast)
}

/// - Parameter isFast: whether to use the instructions that `weight.precision` is fast with
package func packedForward(_ y: Matrix, x: Matrix, weight: PackedWeight, order: SumOrder? = nil, isFast: Bool) {
    checked(y.rows == x.rows && y.columns == weight.outFeatures && x.columns == weight.inFeatures)
    let order = order ?? SumOrder(rows: x.rows)
    switch weight.precision {
    case .float32:
        if isFast && order == .blocked {
            blockProduct(y, x: x, weight: weight, pack: kb_f32_pack, product: kb_f32_product)
        } else {
            float32Rows(y, x: x, weight: weight, isFast ? kb_f32_rows : kb_f32_rows_portable)
        }
    case .bfloat16:
        if isFast && order == .blocked {
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
        Tiles.forEach(x.rows, size: SumOrder.straightRows) { part in
            for row in part {
                // A last step without a partner gets a zero.
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
        Tiles.forEach(x.rows, size: SumOrder.straightRows) { part in
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

/// Calls `body` with outputs that together are all of them, each stretch a whole number of pairs of strips: small enough
/// that two cores finish together, large enough that memory is read as a stream.
private func forEachStretch(of weight: PackedWeight, _ body: (Range<Int>) -> Void) {
    let stretchBytes = 96 << 10
    let pairs = max(1, stretchBytes / (2 * 4 * PackedWeight.strip * weight.length))
    Tiles.forEach(weight.outFeatures, size: 2 * PackedWeight.strip * pairs, body)
}

/// Many rows: `x` is packed as the weights are, and blocks of `y` are made by the kernels of `packedProduct`.
private func blockProduct(
    _ y: Matrix, x: Matrix, weight: PackedWeight,
    pack: @convention(c) (UnsafeMutablePointer<UInt32>?, UnsafePointer<Float>?, Int, Int, Int, Int32) -> Void,
    product:
        @convention(c) (
            UnsafeMutablePointer<Float>?, Int, Int, Int, Int, UnsafePointer<UInt32>?, UnsafePointer<UInt32>?, Int32
        ) -> Void
) {
    let (length, strip) = (weight.length, PackedWeight.strip)
    let rows = (x.rows + strip - 1) / strip * strip
    Scratch.with(bytes: 4 * rows * length) { scratch in
        let packed = scratch.assumingMemoryBound(to: UInt32.self)
        Tiles.forEach(x.rows, size: 2 * strip) { part in
            pack(packed + part.lowerBound * length, x.row(part.lowerBound), x.stride, part.count, x.columns, 1)
        }
        // Multiples of the 48 outputs the kernels make at once; 240 of each factor stay in the L2 cache.
        let (tall, wide) = (240, 192)
        let down = (x.rows + tall - 1) / tall
        ThreadPool.shared.forEach(down * ((y.columns + wide - 1) / wide)) { block in
            let (row, output) = (block % down * tall, block / down * wide)
            product(
                y.row(row) + output, y.stride, min(tall, x.rows - row), min(wide, y.columns - output), x.columns,
                packed + row * length, weight.dwords(output), 0)
        }
    }
}
