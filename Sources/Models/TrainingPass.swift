import Kernels

/// One micro-batch there and back: all activations and gradients it needs, allocated once.
///
/// A batch is one row of tokens and the places where its sequences begin; nothing is padded. Not for two threads at once.
public final class TrainingPass {
    private let model: RobertaModel
    private let precision: Precision
    private let arena: Arena
    /// (T, C): the sum of the three embeddings, and what dropout left of its LayerNorm
    private let embeddingSum: Matrix
    private let embeddingMean: Vector
    private let embeddingRstd: Vector
    private let embeddingMask: UnsafeMutablePointer<UInt8>
    private let embedding: Matrix
    private let layers: [LayerActivations]
    private let layerGradients: LayerGradients
    private let head: LanguageModelHead.Workspace
    /// (T, C)
    private let dhidden: Matrix
    private let maximumTokens: Int
    private let maximumScores: Int

    /// Bytes of a pass over at most that many tokens.
    /// - Parameter scoredRows: rows of them that the head runs on, where they are fewer than there is room for: the rest is
    ///   never written
    public static func bytes(
        _ configuration: RobertaConfiguration, maximumTokens: Int, maximumSequenceLength: Int, scoredRows: Int? = nil
    ) -> Int {
        let scores = configuration.numAttentionHeads * maximumTokens * maximumSequenceLength
        let hidden = configuration.hiddenSize
        let rows = LanguageModelHead.Workspace.rows(configuration, wanted: scoredRows ?? maximumTokens)
        return maximumTokens * (3 * 4 * hidden + hidden + 8) + 8 * Arena.alignment
            + configuration.numHiddenLayers
            * LayerActivations.bytes(configuration, tokens: maximumTokens, scores: scores)
            + LayerGradients.bytes(configuration, tokens: maximumTokens)
            + LanguageModelHead.Workspace.bytes(configuration, rows: rows)
    }

    /// Rows that the head takes at once, of as many as are wanted.
    public static func headRows(_ configuration: RobertaConfiguration, wanted: Int) -> Int {
        LanguageModelHead.Workspace.rows(configuration, wanted: wanted)
    }

    /// Bytes that the products of a pass take and give back: about the largest factor, packed.
    public static func scratchBytes(_ configuration: RobertaConfiguration, maximumTokens: Int, scoredRows: Int) -> Int {
        let rows = LanguageModelHead.Workspace.rows(configuration, wanted: scoredRows)
        return 4 * max(rows * configuration.vocabSize, maximumTokens * configuration.intermediateSize)
    }

    /// - Parameters:
    ///   - maximumTokens: of a batch, all sequences together
    ///   - maximumSequenceLength: of its longest sequence
    ///   - precision: of the products with weights, there and back
    public init(
        model: RobertaModel, maximumTokens: Int, maximumSequenceLength: Int, precision: Precision = .float32
    ) {
        checked(precision == .float32 || Precision.hasBFloat16, "this CPU does not multiply bfloat16")
        let configuration = model.configuration
        self.precision = precision
        checked(maximumSequenceLength <= configuration.longestSequence)
        self.model = model
        self.maximumTokens = maximumTokens
        let scores = configuration.numAttentionHeads * maximumTokens * maximumSequenceLength
        maximumScores = scores
        let arena = Arena(
            bytes: TrainingPass.bytes(
                configuration, maximumTokens: maximumTokens, maximumSequenceLength: maximumSequenceLength))
        self.arena = arena
        let hidden = configuration.hiddenSize
        embeddingSum = arena.matrix(rows: maximumTokens, columns: hidden)
        embeddingMean = arena.vector(maximumTokens)
        embeddingRstd = arena.vector(maximumTokens)
        embeddingMask = arena.take(UInt8.self, maximumTokens * hidden)
        embedding = arena.matrix(rows: maximumTokens, columns: hidden)
        layers = (0..<configuration.numHiddenLayers).map { _ in
            LayerActivations(arena, configuration, tokens: maximumTokens, scores: scores)
        }
        layerGradients = LayerGradients(arena, configuration, tokens: maximumTokens)
        head = LanguageModelHead.Workspace(
            arena, configuration, rows: LanguageModelHead.Workspace.rows(configuration, wanted: maximumTokens))
        dhidden = arena.matrix(rows: maximumTokens, columns: hidden)
    }

    /// Adds lossScale · dΣloss/dθ to `gradients`.
    /// - Parameters:
    ///   - inputIDs: all sequences in one row, `[tokens]`
    ///   - sequenceOffsets: where each begins, and the end; rising from 0
    ///   - scoredRows: indexes into `inputIDs` of the tokens whose output is scored
    ///   - labels: the wanted id of each
    ///   - lossScale: 1 ÷ the tokens scored in the whole step makes the gradient that of the mean
    ///   - dropout: nil drops nothing
    /// - Returns: the sums over the scored tokens; the loss unscaled
    public func forwardBackward(
        inputIDs: [Int32], sequenceOffsets: [Int], scoredRows: [Int], labels: [Int32], lossScale: Float,
        dropout: DropoutKey?, gradients: Parameters
    ) -> LossSums {
        checked(gradients.layout == model.parameters.layout)
        let configuration = model.configuration
        let shape = attentionShape(sequenceOffsets)
        let dropout = dropout.map {
            Dropout(
                key: $0, hiddenProbability: configuration.hiddenDropoutProb,
                attentionProbability: configuration.attentionProbsDropoutProb)
        }
        let tokens = inputIDs.count
        let positions = model.positions(shape.sequences)
        let hidden = forward(inputIDs, positions, shape, dropout)
        let dweights = RobertaWeights(gradients, layers: configuration.numHiddenLayers)

        let dx = dhidden.rows(0..<tokens)
        dx.base.update(repeating: 0, count: tokens * dx.columns)
        let sums = model.head(precision).loss(
            head, x: hidden, rows: scoredRows, labels: labels, backward: (dx, dweights, lossScale))
        for index in layers.indices.reversed() {
            let input = index == 0 ? embedding.rows(0..<tokens) : layers[index - 1].first(tokens).output
            model.layer(index, precision).backward(
                dx: dx, x: input, layers[index].first(tokens), layerGradients, gradients: dweights.layers[index], shape,
                dropout)
        }
        // embedding = dropout(LN(embeddingSum))
        if let dropout, dropout.hiddenProbability > 0 {
            dropoutBackward(dx: dx, dy: dx, mask: embeddingMask, scale: dropoutScale(dropout.hiddenProbability))
        }
        layerNormBackward(
            dx: dx, dweight: dweights.embeddingNorm.weight, dbias: dweights.embeddingNorm.bias, dy: dx,
            x: embeddingSum.rows(0..<tokens), mean: embeddingMean, rstd: embeddingRstd,
            weight: model.weights.embeddingNorm.weight)
        embeddingBackward(
            dwords: dweights.words, dpositions: dweights.positions, dtypes: dweights.types, dy: dx, ids: inputIDs,
            positions: positions, padding: RobertaConfiguration.paddingID)
        return sums
    }

    /// The loss alone, without dropout. Parameters as of `forwardBackward`.
    public func evaluate(
        inputIDs: [Int32], sequenceOffsets: [Int], scoredRows: [Int], labels: [Int32]
    ) -> LossSums {
        let shape = attentionShape(sequenceOffsets)
        let hidden = forward(inputIDs, model.positions(shape.sequences), shape, nil)
        return model.head(precision).loss(head, x: hidden, rows: scoredRows, labels: labels, backward: nil)
    }

    private func attentionShape(_ sequenceOffsets: [Int]) -> AttentionShape {
        let shape = AttentionShape(
            sequences: SequenceOffsets(sequenceOffsets), heads: model.configuration.numAttentionHeads,
            causal: model.configuration.isDecoder)
        checked(
            shape.sequences.tokens <= maximumTokens && shape.scoreCount <= maximumScores,
            "TrainingPass: made for \(maximumTokens) tokens, given \(shape.sequences.tokens)")
        return shape
    }

    /// (T, C): what the last layer says.
    private func forward(
        _ inputIDs: [Int32], _ positions: [Int32], _ shape: AttentionShape, _ dropout: Dropout?
    ) -> Matrix {
        let tokens = inputIDs.count
        var hidden = embedding.rows(0..<tokens)
        model.embed(
            hidden, sum: embeddingSum.rows(0..<tokens), mean: embeddingMean, rstd: embeddingRstd, ids: inputIDs,
            positions: positions)
        if let dropout, dropout.hiddenProbability > 0 {
            dropoutMask(
                embeddingMask, count: tokens * hidden.columns, probability: dropout.hiddenProbability,
                place: Dropout.embeddings, key: dropout.key)
            // The same factors as on the way back.
            dropoutBackward(
                dx: hidden, dy: hidden, mask: embeddingMask, scale: dropoutScale(dropout.hiddenProbability))
        }
        for index in layers.indices {
            let activations = layers[index].first(tokens)
            model.layer(index, precision).forward(activations, x: hidden, shape, dropout)
            hidden = activations.output
        }
        return hidden
    }
}

extension RobertaModel {
    func layer(_ index: Int, _ precision: Precision) -> EncoderLayer {
        EncoderLayer(
            index: index, weights: weights.layers[index], epsilon: Float(configuration.layerNormEps),
            precision: precision)
    }

    func head(_ precision: Precision) -> LanguageModelHead {
        LanguageModelHead(weights: weights, epsilon: Float(configuration.layerNormEps), precision: precision)
    }

    /// Each token's row of the position table.
    func positions(_ sequences: SequenceOffsets) -> [Int32] {
        (0..<sequences.count).flatMap { sequence in
            (0..<sequences.range(sequence).count).map { Int32($0) + RobertaConfiguration.firstPosition }
        }
    }

    /// out = LN(sum), sum = word + position + type: `RobertaEmbeddings` without its dropout.
    func embed(_ out: Matrix, sum: Matrix, mean: Vector, rstd: Vector, ids: [Int32], positions: [Int32]) {
        embeddingForward(
            sum, ids: ids, positions: positions, words: weights.words, positionTable: weights.positions,
            types: weights.types)
        layerNormForward(
            out, mean: mean, rstd: rstd, x: sum, weight: weights.embeddingNorm.weight,
            bias: weights.embeddingNorm.bias, epsilon: Float(configuration.layerNormEps))
    }
}
