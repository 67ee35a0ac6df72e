import Kernels
import Models

/// Bounds how far rounding of the gradients can move each parameter in AdamW steps.
///
/// AdamW divides the mean of the gradients by √v̂ + ε, and so takes nearly full steps however small they are. If a
/// gradient is not larger than the error of its own summation, the order of the sum decides the step's length and sign.
package final class AdamWUncertainty {
    /// Bound on the error of a gradient that is due to the order of its sums, relative to its scale. In ten models with
    /// 2 to 8 layers, PyTorch's float32 gradients differ from those in double precision by up to 4.1e-5, two thirds of
    /// this, and by 2.6e-6 in the norm of a tensor.
    static let relativeRounding = 0x1p-14

    /// The bound on the movement of each parameter in all steps so far.
    private let movement: Parameters
    /// The bound on the error of each gradient, the largest of all steps so far.
    private let rounding: Parameters

    package init(layout: ParameterLayout) {
        movement = Parameters(layout: layout)
        rounding = Parameters(layout: layout)
    }

    package func movement(_ entry: ParameterLayout.Entry) -> UnsafeMutableBufferPointer<Float> { movement[entry] }

    /// Adds a step, after which `secondMoment` is that of the step.
    ///
    /// If gradients change by at most δ, m̂ and √v̂ (means with weights that sum to 1) change by at most δ, and |m̂| ≤ √v̂
    /// up to a few percent. The step m̂ / D with D = √v̂ + ε therefore changes by at most 2δ / (D − δ), and in any case
    /// by at most 2.
    package func add(
        _ entry: ParameterLayout.Entry, gradients: UnsafeMutableBufferPointer<Float>,
        secondMoment: UnsafeMutableBufferPointer<Float>, _ step: AdamWStep
    ) {
        let scale = GradientScale(gradients, shape: entry.shape)
        let correction = 1 - (1...step.step).reduce(1) { power, _ in power * step.beta2 }
        let (movement, rounding) = (movement[entry], rounding[entry])
        for index in 0..<entry.count {
            let bound = max(Double(rounding[index]), scale.rounding(index) * step.gradientScale)
            rounding[index] = Float(bound)
            let denominator = (Double(secondMoment[index]) / correction).squareRoot() + step.epsilon
            let change = denominator > bound ? min(2, 2 * bound / (denominator - bound)) : 2
            movement[index] += Float(step.learningRate * change)
        }
    }
}

/// The scale of each element of a gradient: the magnitude expected if all its sums were of independent terms.
package struct GradientScale {
    private let rows: [Double]
    private let columns: [Double]

    /// The gradient of a weight is Σ dy·xᵀ over tokens, so that an element's scale is proportional to the norms of its row
    /// and of its column. A vector, or a matrix with one row, has one scale.
    package init(_ gradient: UnsafeMutableBufferPointer<Float>, shape: [Int]) {
        guard shape.count == 2, shape[0] > 1 else {
            let squares = gradient.reduce(0) { $0 + Double($1) * Double($1) }
            rows = [1]
            columns = Array(repeating: (squares / Double(max(gradient.count, 1))).squareRoot(), count: gradient.count)
            return
        }
        var (rowSquares, columnSquares) = (
            [Double](repeating: 0, count: shape[0]), [Double](repeating: 0, count: shape[1])
        )
        for row in 0..<shape[0] {
            for column in 0..<shape[1] {
                let value = Double(gradient[row * shape[1] + column])
                rowSquares[row] += value * value
                columnSquares[column] += value * value
            }
        }
        let total = rowSquares.reduce(0, +)
        rows = rowSquares.map { $0.squareRoot() }
        columns = columnSquares.map { total > 0 ? ($0 / total).squareRoot() : 0 }
    }

    /// Returns the bound on the error of an element's summation.
    package func rounding(_ index: Int) -> Double {
        rows[index / columns.count] * columns[index % columns.count] * AdamWUncertainty.relativeRounding
    }
}
