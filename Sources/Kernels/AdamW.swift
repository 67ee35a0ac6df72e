import CKernels
import Parallel

/// Hyperparameters of one AdamW step (Loshchilov & Hutter 2019, algorithm 2), with
/// the semantics of `torch.optim.AdamW`.
public struct AdamWStep: Sendable {
    public var learningRate: Double
    public var beta1: Double
    public var beta2: Double
    public var epsilon: Double
    /// Decoupled weight decay: each parameter is multiplied by 1 − learningRate · weightDecay.
    public var weightDecay: Double
    /// Factor applied to the gradient first; implements gradient clipping.
    public var gradientScale: Double
    /// The step number, starting at 1; used for bias correction.
    public var step: Int

    public init(
        learningRate: Double, beta1: Double, beta2: Double, epsilon: Double, weightDecay: Double, gradientScale: Double,
        step: Int
    ) {
        self.learningRate = learningRate
        self.beta1 = beta1
        self.beta2 = beta2
        self.epsilon = epsilon
        self.weightDecay = weightDecay
        self.gradientScale = gradientScale
        self.step = step
    }
}

/// Applies one AdamW step to `count` parameters: updates the parameters and both moments in place.
public func adamWUpdate(
    parameters: UnsafeMutablePointer<Float>, gradients: UnsafePointer<Float>,
    firstMoment: UnsafeMutablePointer<Float>, secondMoment: UnsafeMutablePointer<Float>, count: Int, _ step: AdamWStep
) {
    checked(step.step >= 1)
    var numbers = kb_adamw_step(
        learning_rate: Float(step.learningRate), beta1: Float(step.beta1), beta2: Float(step.beta2),
        epsilon: Float(step.epsilon), weight_decay: Float(step.weightDecay), gradient_scale: Float(step.gradientScale),
        correction1: Float(1 - power(step.beta1, step.step)), correction2: Float(1 - power(step.beta2, step.step)))
    withUnsafePointer(to: &numbers) { numbers in
        Tiles.forEach(count, size: 1 << 15) { part in
            let at = part.lowerBound
            kb_adamw(parameters + at, gradients + at, firstMoment + at, secondMoment + at, part.count, numbers)
        }
    }
}

/// Returns Σ x² in double precision. The summation order does not depend on the number of threads.
public func squaredNorm(_ x: UnsafePointer<Float>, count: Int) -> Double {
    let size = 1 << 16
    let tiles = (count + size - 1) / size
    return withUnsafeTemporaryAllocation(of: Double.self, capacity: max(tiles, 1)) { sums in
        ThreadPool.shared.forEach(tiles) { tile in
            sums[tile] = kb_squared_norm(x + tile * size, min(size, count - tile * size))
        }
        return sums[0..<tiles].reduce(0, +)
    }
}

/// Returns base^exponent, computed by repeated squaring.
private func power(_ base: Double, _ exponent: Int) -> Double {
    var (result, base, exponent) = (1.0, base, exponent)
    while exponent > 0 {
        if exponent & 1 == 1 { result *= base }
        base *= base
        exponent >>= 1
    }
    return result
}
