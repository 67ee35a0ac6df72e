/// Makes the directions of embeddings comparable: subtracts their mean and divides by their covariance, so that what all
/// texts have in common does not hide how they differ.
///
/// With Σ the covariance and λ a fraction of its mean variance, x becomes L⁻¹(x − μ), L Lᵀ = Σ + λI (Cholesky), scaled to
/// length 1. The dot product of two such vectors is their cosine.
public struct Whitening: Sendable, Equatable {
    /// λ as a fraction of the mean variance. See docs/serving.md for what was measured.
    static let ridge = 0.03
    /// Number of vectors that suffice for the estimate.
    public static let mostSamples = 4096

    public let dimension: Int
    /// `[dimension]`
    public let mean: [Float]
    /// L by rows, zeros above the diagonal. `[dimension, dimension]`
    public let factor: [Float]

    /// - Returns: nil if the sizes do not match, or a number is not finite or not positive where it has to be
    public init?(mean: [Float], factor: [Float]) {
        let dimension = mean.count
        guard dimension > 0, factor.count == dimension * dimension, mean.allSatisfy(\.isFinite),
            factor.allSatisfy(\.isFinite), (0..<dimension).allSatisfy({ factor[$0 * (dimension + 1)] > 0 })
        else { return nil }
        (self.dimension, self.mean, self.factor) = (dimension, mean, factor)
    }

    /// Estimates the mean and the covariance. Blocks for up to some seconds.
    /// - Parameter vectors: `[count, dimension]`, finite
    public init(of vectors: [Float], dimension: Int) {
        precondition(dimension > 0 && vectors.count % dimension == 0, "vectors of another dimension")
        let count = vectors.count / dimension
        var mean = [Double](repeating: 0, count: dimension)
        for index in vectors.indices { mean[index % dimension] += Double(vectors[index]) }
        for column in mean.indices { mean[column] /= Double(max(1, count)) }
        var covariance = [Double](repeating: 0, count: dimension * dimension)
        var centered = [Double](repeating: 0, count: dimension)
        covariance.withUnsafeMutableBufferPointer { covariance in
            for row in 0..<count {
                for column in 0..<dimension {
                    centered[column] = Double(vectors[row * dimension + column]) - mean[column]
                }
                centered.withUnsafeBufferPointer { centered in
                    for i in 0..<dimension {
                        let (base, value) = (i * dimension, centered[i])
                        for j in 0...i { covariance[base + j] += value * centered[j] }
                    }
                }
            }
        }
        for index in covariance.indices { covariance[index] /= Double(max(1, count)) }
        let variance = (0..<dimension).reduce(0) { $0 + covariance[$1 * (dimension + 1)] } / Double(dimension)
        // Without variance, as with a single passage, vectors are only centered.
        let lambda = variance > 0 ? Self.ridge * variance : 1
        for index in 0..<dimension { covariance[index * (dimension + 1)] += lambda }
        Self.factorize(&covariance, dimension)
        self.dimension = dimension
        self.mean = mean.map(Float.init)
        factor = covariance.map(Float.init)
    }

    /// Replaces a positive definite matrix, of which the lower half is read, by its Cholesky factor.
    private static func factorize(_ matrix: inout [Double], _ n: Int) {
        matrix.withUnsafeMutableBufferPointer { matrix in
            for i in 0..<n {
                for j in 0...i {
                    var sum = matrix[i * n + j]
                    for k in 0..<j { sum -= matrix[i * n + k] * matrix[j * n + k] }
                    // λ keeps it positive; rounding could make it tiny.
                    matrix[i * n + j] = i == j ? max(sum, 1e-30).squareRoot() : sum / matrix[j * n + j]
                }
                for j in i + 1..<max(n, i + 1) { matrix[i * n + j] = 0 }
            }
        }
    }

    /// Returns the whitened vector, of length 1, or of zeros if it equals the mean.
    public func apply(_ vector: [Float]) -> [Float] {
        precondition(vector.count == dimension, "a vector of another dimension")
        var result = [Float](repeating: 0, count: dimension)
        factor.withUnsafeBufferPointer { factor in
            for i in 0..<dimension {
                var sum = vector[i] - mean[i]
                for k in 0..<i { sum -= factor[i * dimension + k] * result[k] }
                result[i] = sum / factor[i * (dimension + 1)]
            }
        }
        let length = result.reduce(0) { $0 + $1 * $1 }.squareRoot()
        guard length > 0, length.isFinite else { return [Float](repeating: 0, count: dimension) }
        return result.map { $0 / length }
    }
}
