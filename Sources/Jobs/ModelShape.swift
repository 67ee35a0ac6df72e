/// The numbers that determine the size of a model's layers.
struct ModelShape: Sendable, Equatable {
    var layers: Int
    var hidden: Int
    var heads: Int
    var intermediate: Int

    /// Weights of the matrices of a layer.
    var weightsOfLayer: Int { hidden * (4 * hidden + 2 * intermediate) }

    /// Returns the number of parameters without biases and LayerNorms.
    /// - Parameters:
    ///   - rows: the rows of the word embedding
    ///   - positions: the rows of the position embedding
    func parameters(rows: Int, positions: Int) -> Int {
        layers * weightsOfLayer + hidden * (rows + positions + hidden)
    }

    /// Hidden sizes and numbers of layers of the candidates, in ascending order of their cost.
    private static let sizes: [(hidden: Int, layers: Int)] = [
        (128, 2), (192, 4), (256, 4), (320, 5), (384, 6), (448, 6), (512, 6), (512, 8), (640, 8), (768, 8), (768, 12),
    ]

    /// Returns the candidates that have the numbers of an architecture where they are set, in ascending order; at least one.
    static func candidates(_ architecture: Architecture) -> [ModelShape] {
        var shapes: [ModelShape] = []
        for size in sizes {
            let hidden = architecture.hiddenSize ?? multiple(of: architecture.numAttentionHeads ?? 1, near: size.hidden)
            let shape = ModelShape(
                layers: architecture.numHiddenLayers ?? size.layers, hidden: hidden,
                heads: architecture.numAttentionHeads ?? heads(dividing: hidden),
                intermediate: architecture.intermediateSize ?? 4 * hidden)
            if !shapes.contains(shape) { shapes.append(shape) }
        }
        return shapes
    }

    private static func multiple(of divisor: Int, near size: Int) -> Int { max(size / divisor, 1) * divisor }

    /// Returns the number of heads with a width of about 64.
    private static func heads(dividing hidden: Int) -> Int {
        (1...max(hidden / 64, 1)).last { hidden % $0 == 0 } ?? 1
    }
}
