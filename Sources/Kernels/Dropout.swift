import CKernels
import Parallel
import Random

/// Which elements a step drops: a pure function of seed, step, place in the model and element.
public struct DropoutKey: Sendable, Equatable {
    public var seed: UInt64
    /// Unique for each micro-batch of a run.
    public var step: UInt32

    public init(seed: UInt64, step: UInt32) {
        self.seed = seed
        self.step = step
    }
}

/// Draws which elements are kept: `mask[i]` is 1 with probability 1 − `probability`, else 0.
///
/// Words come from `Philox` at purpose `.dropout`: block 16·⌊i/64⌋ + i mod 16 of place `place`, word ⌊i/16⌋ mod 4.
/// - Parameter place: where in the model the mask is used; two places never share a number
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

/// What a kept element is multiplied with, so that the mean stays.
public func dropoutScale(_ probability: Double) -> Float { Float(1 / (1 - probability)) }

/// y = residual + dropout(x + b). Overwrites `y`; no mask keeps everything.
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

/// dx = scale·mask·dy. May be in place.
/// - Parameters:
///   - dx, dy: `[tokens, features]`
///   - mask: `[tokens · features]`
public func dropoutBackward(dx: Matrix, dy: Matrix, mask: UnsafePointer<UInt8>, scale: Float) {
    checked(dx.rows == dy.rows && dx.columns == dy.columns)
    Tiles.forEach(dy.rows, size: Tiles.rows(ofColumns: dy.columns)) { tile in
        for row in tile { kb_mask(dx.row(row), dy.row(row), mask + row * dy.columns, scale, dy.columns) }
    }
}
