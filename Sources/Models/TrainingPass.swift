import Kernels

/// The forward and backward pass of one micro-batch. Allocates all activations and temporary gradients once.
///
/// A batch is a concatenation of sequences without padding, with their offsets. Not safe for concurrent use.
public final class TrainingPass {
    private let model: RobertaModel
    private let precision: Precision
    private let arena: Arena
    /// (T, C): the sum of the three embeddings; `embedding` is its LayerNorm after dropout
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

    /// Returns the bytes of a pass over at most `maximumTokens` tokens.
    /// - Parameter scoredRows: expected number of rows that the head runs on; memory reserved for more is never written
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

    /// Returns the number of rows that the head processes at once if `wanted` rows are scored.
    public static func headRows(_ configuration: RobertaConfiguration, wanted: Int) -> Int {
        LanguageModelHead.Workspace.rows(configuration, wanted: wanted)
    }

    /// Returns the bytes of temporary memory used by matrix products: about the size of the largest packed operand.
    public static func scratchBytes(_ configuration: RobertaConfiguration, maximumTokens: Int, scoredRows: Int) -> Int {
        let rows = LanguageModelHead.Workspace.rows(configuration, wanted: scoredRows)
        return 4 * max(rows * configuration.vocabSize, maximumTokens * configuration.intermediateSize)
    }

    /// - Parameters:
    ///   - maximumTokens: maximum number of tokens in a batch, over all sequences
    ///   - maximumSequenceLength: maximum number of tokens in a sequence
    ///   - precision: precision of products with weights, in the forward and the backward pass
    public init(
        model: RobertaModel, maximumTokens: Int, maximumSequenceLength: Int, precision: Precision = .float32
    ) {
        checked(precision == .float32 || Precision.hasBFloat16, "this CPU does not support bfloat16")
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

    /// Runs the forward and the backward pass; adds lossScale · dΣloss/dθ to `gradients`.
    /// - Parameters:
    ///   - inputIDs: token ids of all sequences, concatenated, `[tokens]`
    ///   - sequenceOffsets: start of each sequence and the end; non-decreasing from 0
    ///   - scoredRows: indices into `inputIDs` of the tokens whose output is scored
    ///   - labels: the target id of each scored row
    ///   - lossScale: 1 ÷ the number of tokens scored in the whole step gives the gradient of the mean loss
    ///   - dropout: nil disables dropout
    /// - Returns: the sums over the scored tokens, with the loss unscaled
    public func forwardBackward(
        inputIDs: [Int32], sequenceOffsets: [Int], scoredRows: [Int], labels: [Int32], lossScale: Float,
        dropout: DropoutKey?, gradients: Parameters
    ) -> LossAccumulator {
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

    /// Computes the loss without dropout and without gradients. The parameters are those of `forwardBackward`.
    public func evaluate(
        inputIDs: [Int32], sequenceOffsets: [Int], scoredRows: [Int], labels: [Int32]
    ) -> LossAccumulator {
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
            "TrainingPass: capacity is \(maximumTokens) tokens, the batch has \(shape.sequences.tokens)")
        return shape
    }

    /// Runs the embeddings and all layers; returns the output of the last layer, (T, C).
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
            // Multiplies by the same factors as the backward pass.
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

    /// Returns each token's row of the position table.
    func positions(_ sequences: SequenceOffsets) -> [Int32] {
        (0..<sequences.count).flatMap { sequence in
            (0..<sequences.range(sequence).count).map { Int32($0) + RobertaConfiguration.firstPosition }
        }
    }

    /// Computes out = LN(sum), sum = word + position + type: `RobertaEmbeddings` without dropout.
    func embed(_ out: Matrix, sum: Matrix, mean: Vector, rstd: Vector, ids: [Int32], positions: [Int32]) {
        embeddingForward(
            sum, ids: ids, positions: positions, words: weights.words, positionTable: weights.positions,
            types: weights.types)
        layerNormForward(
            out, mean: mean, rstd: rstd, x: sum, weight: weights.embeddingNorm.weight,
            bias: weights.embeddingNorm.bias, epsilon: Float(configuration.layerNormEps))
    }
}
