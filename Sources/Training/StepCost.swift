import Datasets
import Kernels
import Models

/// The floating-point cost of the matrix products in a training step.
public struct StepCost {
    public let configuration: RobertaConfiguration

    public init(configuration: RobertaConfiguration) { self.configuration = configuration }

    /// Returns the floating-point operations of the forward and the backward pass; a multiply-add counts as two.
    /// - Parameters:
    ///   - tokens: number of tokens in the batch
    ///   - scoredRows: number of rows that the head scores
    ///   - squaredTokens: Σ length² over the sequences
    public func flops(tokens: Int, scoredRows: Int, squaredTokens: Int) -> Double {
        let (hidden, intermediate) = (Double(configuration.hiddenSize), Double(configuration.intermediateSize))
        let layer = Double(tokens) * (4 * hidden * hidden + 2 * hidden * intermediate)
        // q·kᵀ and probabilities·v; half of them in a causal model.
        let attention = Double(squaredTokens) * 2 * hidden / (configuration.isDecoder ? 2 : 1)
        let head = Double(scoredRows) * (hidden * hidden + hidden * Double(configuration.vocabSize))
        // The forward pass, and the same again for each of the two gradients in the backward pass.
        return 3 * 2 * (Double(configuration.numHiddenLayers) * (layer + attention) + head)
    }

    public func flops(of batch: Batch) -> Double {
        let lengths = zip(batch.sequenceOffsets, batch.sequenceOffsets.dropFirst()).map { $1 - $0 }
        return flops(
            tokens: batch.tokens, scoredRows: batch.scoredRows.count,
            squaredTokens: lengths.reduce(0) { $0 + $1 * $1 })
    }

    /// Measures the floating-point operations per second of products with weights, in the shapes of such a batch.
    public func productRate(tokens: Int, scoredRows: Int, precision: Precision) -> Double {
        let (hidden, intermediate) = (configuration.hiddenSize, configuration.intermediateSize)
        let rows = max(1, min(scoredRows, TrainingPass.headRows(configuration, wanted: scoredRows)))
        // `times` weights each shape by how often it occurs in a step.
        let shapes: [(rows: Int, inner: Int, outer: Int, times: Double)] = [
            (tokens, hidden, hidden, 4 * Double(configuration.numHiddenLayers)),
            (tokens, hidden, intermediate, Double(configuration.numHiddenLayers)),
            (tokens, intermediate, hidden, Double(configuration.numHiddenLayers)),
            (rows, hidden, configuration.vocabSize, Double(scoredRows) / Double(rows)),
        ]
        var (flops, seconds) = (0.0, 0.0)
        for shape in shapes {
            flops += shape.times * 6 * Double(shape.rows) * Double(shape.inner) * Double(shape.outer)
            seconds += shape.times * StepCost.forwardBackwardSeconds(shape.rows, shape.inner, shape.outer, precision)
        }
        return flops / seconds
    }

    /// Returns the best time for y = x·Wᵀ, dx = dy·W and dW += dyᵀ·x, in seconds.
    private static func forwardBackwardSeconds(_ rows: Int, _ inner: Int, _ outer: Int, _ precision: Precision)
        -> Double
    {
        let arena = Arena(bytes: 4 * (rows * inner + rows * outer + 2 * inner * outer) + 4 * Arena.alignment)
        let x = arena.matrix(rows: rows, columns: inner)
        let y = arena.matrix(rows: rows, columns: outer)
        let weight = arena.matrix(rows: outer, columns: inner)
        let dweight = arena.matrix(rows: outer, columns: inner)
        // Keeps the magnitude of x stable over repeated passes.
        let stable = 1 / Float(inner * outer).squareRoot()
        for (matrix, value) in [(x, 1), (y, 1), (weight, stable), (dweight, 0)] {
            matrix.base.update(repeating: value, count: matrix.rows * matrix.columns)
        }
        return (0..<8).map { _ in
            let start = ContinuousClock.now
            matrixProduct(y, x, .asIs, weight, .transposed, precision: precision)
            matrixProduct(x, y, .asIs, weight, .asIs, precision: precision)
            matrixProduct(dweight, y, .transposed, x, .asIs, beta: 1, precision: precision)
            return (ContinuousClock.now - start) / .seconds(1)
        }.min()!
    }
}
