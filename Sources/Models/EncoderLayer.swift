import Kernels

/// Activations of one encoder layer, saved for the backward pass, for T tokens, hidden size C and intermediate size I.
struct LayerActivations {
    /// (T, 3C): query, key, value
    let qkv: Matrix
    /// (heads · Σ length²): attention probabilities before dropout
    let probabilities: UnsafeMutablePointer<Float>
    let probabilityMask: UnsafeMutablePointer<UInt8>
    /// (T, C): outputs of all heads, concatenated
    let context: Matrix
    /// (T, C): residual + dropout(dense(context)), the input of the attention LayerNorm
    let attentionSum: Matrix
    let attentionMask: UnsafeMutablePointer<UInt8>
    let attentionMean: Vector
    let attentionRstd: Vector
    /// (T, C)
    let attentionOutput: Matrix
    /// (T, I): before and after GELU
    let preGELU: Matrix
    let gelu: Matrix
    /// (T, C): residual + dropout(dense(gelu)), the input of the output LayerNorm
    let outputSum: Matrix
    let outputMask: UnsafeMutablePointer<UInt8>
    let outputMean: Vector
    let outputRstd: Vector
    /// (T, C)
    let output: Matrix

    /// Returns the bytes that `init` allocates from an arena.
    static func bytes(_ configuration: RobertaConfiguration, tokens: Int, scores: Int) -> Int {
        let (hidden, intermediate) = (configuration.hiddenSize, configuration.intermediateSize)
        let matrices = 3 * hidden + 5 * hidden + 2 * intermediate
        return 4 * (tokens * (matrices + 4) + scores) + 2 * tokens * hidden + scores + 20 * Arena.alignment
    }

    init(_ arena: Arena, _ configuration: RobertaConfiguration, tokens: Int, scores: Int) {
        let (hidden, intermediate) = (configuration.hiddenSize, configuration.intermediateSize)
        qkv = arena.matrix(rows: tokens, columns: 3 * hidden)
        probabilities = arena.take(Float.self, scores)
        probabilityMask = arena.take(UInt8.self, scores)
        context = arena.matrix(rows: tokens, columns: hidden)
        attentionSum = arena.matrix(rows: tokens, columns: hidden)
        attentionMask = arena.take(UInt8.self, tokens * hidden)
        attentionMean = arena.vector(tokens)
        attentionRstd = arena.vector(tokens)
        attentionOutput = arena.matrix(rows: tokens, columns: hidden)
        preGELU = arena.matrix(rows: tokens, columns: intermediate)
        gelu = arena.matrix(rows: tokens, columns: intermediate)
        outputSum = arena.matrix(rows: tokens, columns: hidden)
        outputMask = arena.take(UInt8.self, tokens * hidden)
        outputMean = arena.vector(tokens)
        outputRstd = arena.vector(tokens)
        output = arena.matrix(rows: tokens, columns: hidden)
    }

    private init(_ all: LayerActivations, tokens: Int) {
        qkv = all.qkv.rows(0..<tokens)
        probabilities = all.probabilities
        probabilityMask = all.probabilityMask
        context = all.context.rows(0..<tokens)
        attentionSum = all.attentionSum.rows(0..<tokens)
        attentionMask = all.attentionMask
        attentionMean = all.attentionMean
        attentionRstd = all.attentionRstd
        attentionOutput = all.attentionOutput.rows(0..<tokens)
        preGELU = all.preGELU.rows(0..<tokens)
        gelu = all.gelu.rows(0..<tokens)
        outputSum = all.outputSum.rows(0..<tokens)
        outputMask = all.outputMask
        outputMean = all.outputMean
        outputRstd = all.outputRstd
        output = all.output.rows(0..<tokens)
    }

    /// Returns a view of the same memory for a batch of fewer tokens.
    func first(_ tokens: Int) -> LayerActivations { LayerActivations(self, tokens: tokens) }
}

/// Temporary gradients of a layer's backward pass.
struct LayerGradients {
    /// (T, C), (T, 3C), (T, I), (T, C)
    let sum: Matrix
    let qkv: Matrix
    let intermediate: Matrix
    let context: Matrix

    static func bytes(_ configuration: RobertaConfiguration, tokens: Int) -> Int {
        4 * tokens * (5 * configuration.hiddenSize + configuration.intermediateSize) + 4 * Arena.alignment
    }

    init(_ arena: Arena, _ configuration: RobertaConfiguration, tokens: Int) {
        sum = arena.matrix(rows: tokens, columns: configuration.hiddenSize)
        qkv = arena.matrix(rows: tokens, columns: 3 * configuration.hiddenSize)
        intermediate = arena.matrix(rows: tokens, columns: configuration.intermediateSize)
        context = arena.matrix(rows: tokens, columns: configuration.hiddenSize)
    }
}

/// Dropout configuration of the model for one training step.
struct Dropout {
    let key: DropoutKey
    let hiddenProbability: Double
    let attentionProbability: Double

    /// Place numbers for `dropoutMask`: the embeddings, followed by three per layer.
    static let embeddings: UInt32 = 0
    static func attentionProbabilities(_ layer: Int) -> UInt32 { UInt32(1 + 3 * layer) }
    static func attentionOutput(_ layer: Int) -> UInt32 { UInt32(2 + 3 * layer) }
    static func output(_ layer: Int) -> UInt32 { UInt32(3 + 3 * layer) }
}

/// One layer of `RobertaEncoder`: self-attention and a feed-forward network, each followed by
/// residual addition and LayerNorm.
struct EncoderLayer {
    let index: Int
    let weights: RobertaWeights.Layer
    let epsilon: Float
    let precision: Precision

    /// Computes a.output = layer(x).
    /// - Parameter x: (T, C)
    func forward(_ a: LayerActivations, x: Matrix, _ shape: AttentionShape, _ dropout: Dropout?) {
        let hidden = x.columns
        for (part, linear) in [weights.query, weights.key, weights.value].enumerated() {
            let out = a.qkv.columns(part * hidden..<(part + 1) * hidden)
            linearForward(out, x: x, weight: linear.weight, precision: precision)
            addBias(out, linear.bias)
        }
        var probabilityMask: UnsafeMutablePointer<UInt8>?
        var (attentionMask, outputMask) = (probabilityMask, probabilityMask)
        if let dropout {
            if dropout.attentionProbability > 0 {
                probabilityMask = a.probabilityMask
                dropoutMask(
                    a.probabilityMask, count: shape.scoreCount, probability: dropout.attentionProbability,
                    place: Dropout.attentionProbabilities(index), key: dropout.key)
            }
            if dropout.hiddenProbability > 0 {
                (attentionMask, outputMask) = (a.attentionMask, a.outputMask)
                let count = x.rows * hidden
                dropoutMask(
                    a.attentionMask, count: count, probability: dropout.hiddenProbability,
                    place: Dropout.attentionOutput(index), key: dropout.key)
                dropoutMask(
                    a.outputMask, count: count, probability: dropout.hiddenProbability, place: Dropout.output(index),
                    key: dropout.key)
            }
        }
        let hiddenScale = dropoutScale(dropout?.hiddenProbability ?? 0)
        attentionForward(
            a.context, qkv: a.qkv, probabilities: a.probabilities, shape, mask: probabilityMask,
            scale: dropoutScale(dropout?.attentionProbability ?? 0))
        linearForward(a.attentionSum, x: a.context, weight: weights.attentionOutput.weight, precision: precision)
        biasDropoutResidualForward(
            a.attentionSum, x: a.attentionSum, bias: weights.attentionOutput.bias, residual: x, mask: attentionMask,
            scale: hiddenScale)
        layerNormForward(
            a.attentionOutput, mean: a.attentionMean, rstd: a.attentionRstd, x: a.attentionSum,
            weight: weights.attentionNorm.weight, bias: weights.attentionNorm.bias, epsilon: epsilon)

        linearForward(a.preGELU, x: a.attentionOutput, weight: weights.intermediate.weight, precision: precision)
        biasGELUForward(a.gelu, x: a.preGELU, bias: weights.intermediate.bias)
        linearForward(a.outputSum, x: a.gelu, weight: weights.output.weight, precision: precision)
        biasDropoutResidualForward(
            a.outputSum, x: a.outputSum, bias: weights.output.bias, residual: a.attentionOutput, mask: outputMask,
            scale: hiddenScale)
        layerNormForward(
            a.output, mean: a.outputMean, rstd: a.outputRstd, x: a.outputSum, weight: weights.outputNorm.weight,
            bias: weights.outputNorm.bias, epsilon: epsilon)
    }

    /// Backward pass of `forward`. On entry `dx` holds the gradient of the layer's output, on return that of its input.
    /// Adds to `gradients`.
    /// - Parameters:
    ///   - dx, x: (T, C)
    ///   - dropout: same value as in the forward pass
    func backward(
        dx: Matrix, x: Matrix, _ a: LayerActivations, _ g: LayerGradients, gradients: RobertaWeights.Layer,
        _ shape: AttentionShape, _ dropout: Dropout?
    ) {
        let tokens = x.rows
        let hidden = x.columns
        let sum = g.sum.rows(0..<tokens)
        let dqkv = g.qkv.rows(0..<tokens)
        let dintermediate = g.intermediate.rows(0..<tokens)
        let dcontext = g.context.rows(0..<tokens)
        let hiddenScale = dropoutScale(dropout?.hiddenProbability ?? 0)
        let dropsHidden = (dropout?.hiddenProbability ?? 0) > 0
        let dropsAttention = (dropout?.attentionProbability ?? 0) > 0

        // output = LN(outputSum)
        layerNormBackward(
            dx: dx, dweight: gradients.outputNorm.weight, dbias: gradients.outputNorm.bias, dy: dx, x: a.outputSum,
            mean: a.outputMean, rstd: a.outputRstd, weight: weights.outputNorm.weight)
        // outputSum = attentionOutput + dropout(gelu·Wᵀ + b): dx continues as the residual's gradient
        let dbranch = dropsHidden ? sum : dx
        if dropsHidden { dropoutBackward(dx: sum, dy: dx, mask: a.outputMask, scale: hiddenScale) }
        linearBackward(
            dx: dintermediate, dweight: gradients.output.weight, dbias: gradients.output.bias, dy: dbranch, x: a.gelu,
            weight: weights.output.weight, precision: precision)
        // gelu = GELU(preGELU), preGELU = attentionOutput·Wᵀ + b
        geluBackward(dx: dintermediate, dy: dintermediate, x: a.preGELU)
        linearBackward(
            dx: dx, dweight: gradients.intermediate.weight, dbias: gradients.intermediate.bias, dy: dintermediate,
            x: a.attentionOutput, weight: weights.intermediate.weight, addToInput: true, precision: precision)
        // attentionOutput = LN(attentionSum)
        layerNormBackward(
            dx: dx, dweight: gradients.attentionNorm.weight, dbias: gradients.attentionNorm.bias, dy: dx,
            x: a.attentionSum, mean: a.attentionMean, rstd: a.attentionRstd, weight: weights.attentionNorm.weight)
        // attentionSum = x + dropout(context·Wᵀ + b)
        let dattention = dropsHidden ? sum : dx
        if dropsHidden { dropoutBackward(dx: sum, dy: dx, mask: a.attentionMask, scale: hiddenScale) }
        linearBackward(
            dx: dcontext, dweight: gradients.attentionOutput.weight, dbias: gradients.attentionOutput.bias,
            dy: dattention, x: a.context, weight: weights.attentionOutput.weight, precision: precision)
        // context = attention(qkv)
        attentionBackward(
            dqkv: dqkv, dout: dcontext, qkv: a.qkv, probabilities: a.probabilities, shape,
            mask: dropsAttention ? a.probabilityMask : nil, scale: dropoutScale(dropout?.attentionProbability ?? 0))
        // q, k, v = x·Wᵀ + b: three more gradients of x, added to the residual's gradient
        let linears = [
            (weights.query, gradients.query), (weights.key, gradients.key), (weights.value, gradients.value),
        ]
        for (part, (weight, gradient)) in linears.enumerated() {
            linearBackward(
                dx: dx, dweight: gradient.weight, dbias: gradient.bias,
                dy: dqkv.columns(part * hidden..<(part + 1) * hidden), x: x, weight: weight.weight, addToInput: true,
                precision: precision)
        }
    }
}
