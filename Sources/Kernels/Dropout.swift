import CKernels
import Parallel
import Random

/// Identifies a dropout mask. Which elements are dropped is a pure function of seed, step, place in
/// the model and element.
public struct DropoutKey: Sendable, Equatable {
    public var seed: UInt64
    /// Unique for each micro-batch of a training run.
    public var step: UInt32

    public init(seed: UInt64, step: UInt32) {
        self.seed = seed
        self.step = step
    }
}

/// Generates a dropout mask: `mask[i]` is 1 with probability 1 − `probability`, otherwise 0.
///
/// The random words come from `Philox` with purpose `.dropout`: element i uses word ⌊i/16⌋ mod 4 of block
/// 16·⌊i/64⌋ + i mod 16 for the given `place`.
/// - Parameter place: identifies the location in the model; different locations never share random numbers
public func dropoutMask(
    _ mask: UnsafeMutablePointer<UInt8>, count: Int, probability: Double, place: UInt32, key: DropoutKey
) {
    let threshold = UInt32(min(probability * 0x1p32, 0x1p32 - 1))
    Tiles.forEach(count, size: 1 << 15) { part in
        kb_philox_mask(
            mask + part.lowerBound, part.count, UInt32(part.lowerBound / 64), place, key.step,
            Philox.Purpose.dropout.rawValue, UInt32(truncatingIfNeeded: key.seed),
            UInt32(truncatingIfNeeded: key.seed >> 32), threshold)
    }
}

/// Returns the factor applied to kept elements so that the expected value is preserved.
public func dropoutScale(_ probability: Double) -> Float { Float(1 / (1 - probability)) }

/// Computes y = residual + dropout(x + b). Overwrites `y`. A nil mask keeps every element.
/// - Parameters:
///   - y, x, residual: `[tokens, features]`
///   - bias: `[features]`
///   - mask: `[tokens · features]`
public func biasDropoutResidualForward(
    _ y: Matrix, x: Matrix, bias: Vector, residual: Matrix, mask: UnsafePointer<UInt8>?, scale: Float
) {
    checked(x.rows == y.rows && x.columns == y.columns && residual.rows == x.rows && bias.count == x.columns)
    Tiles.forEach(x.rows, size: Tiles.rows(ofColumns: x.columns)) { tile in
        for row in tile {
            kb_bias_dropout_residual(
                y.row(row), x.row(row), bias.base, mask.map { $0 + row * x.columns }, scale, residual.row(row),
                x.columns)
        }
    }
}

/// Computes dx = scale·mask·dy. `dx` may alias `dy`.
/// - Parameters:
///   - dx, dy: `[tokens, features]`
///   - mask: `[tokens · features]`
public func dropoutBackward(dx: Matrix, dy: Matrix, mask: UnsafePointer<UInt8>, scale: Float) {
    checked(dx.rows == dy.rows && dx.columns == dy.columns)
    Tiles.forEach(dy.rows, size: Tiles.rows(ofColumns: dy.columns)) { tile in
        for row in tile { kb_mask(dx.row(row), dy.row(row), mask + row * dy.columns, scale, dy.columns) }
    }
}
