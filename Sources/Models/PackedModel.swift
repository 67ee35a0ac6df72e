import Kernels

/// An inference-only RoBERTa model. Its matrices are packed for products in one precision, its vectors and its position
/// table are float32, and the rows of its word embedding are read from the file on demand.
///
/// Embeddings, LayerNorm, GELU, softmax and attention are computed in float32 for every precision.
public final class PackedModel: @unchecked Sendable {
    // @unchecked: the memory behind the pointers is never written after initialization.

    public let configuration: RobertaConfiguration
    public let precision: WeightPrecision
    let layers: [PackedEncoderLayer]
    let headDense: PackedWeight
    let headDenseBias: Vector
    let headNorm: RobertaWeights.LayerNorm
    /// `[vocab, hidden]`, the decoder weight.
    let words: PackedWeight
    let headBias: Vector
    private let embeddings: MappedEmbedding
    private let positions: Matrix
    private let types: Vector
    private let embeddingNorm: RobertaWeights.LayerNorm
    private let vectors: Parameters
    private let memory: AnyObject

    /// - Parameters:
    ///   - file: contains every tensor of the configuration's `ParameterLayout`
    ///   - base: `PackedLayout.bytes` of memory, packed from `file`
    ///   - memory: owns `base`; retained by the model
    ///   - rates: decide which kernels multiply many rows
    public init(
        configuration: RobertaConfiguration, file: SafetensorsFile, layout: PackedLayout,
        base: UnsafeMutableRawPointer, memory: AnyObject, rates: InstructionRates = .ofThisProcess
    ) throws(ModelError) {
        let all = ParameterLayout(configuration)
        let packed = Set(layout.entries.flatMap(\.tensors))
        let words = "roberta.embeddings.word_embeddings.weight"
        let vectors = Parameters(layout: all.filter { !packed.contains($0.name) && $0.name != words })
        for entry in all.entries {
            if packed.contains(entry.name) || entry.name == words {
                _ = try file.tensor(entry.name, shape: entry.shape)
            } else {
                try file.read(entry.name, shape: entry.shape, into: vectors[entry.name])
            }
        }
        embeddings = try MappedEmbedding(file, words, shape: [configuration.vocabSize, configuration.hiddenSize])
        let weights = layout.weights(at: base, expandsBFloat16: rates.expandsBFloat16)
        layers = (0..<configuration.numHiddenLayers).map { index in
            PackedEncoderLayer(
                vectors, "roberta.encoder.layer.\(index)", Array(weights[4 * index..<4 * index + 4]), configuration)
        }
        self.configuration = configuration
        self.precision = layout.precision
        self.memory = memory
        self.vectors = vectors
        self.words = weights[weights.count - 1]
        headDense = weights[weights.count - 2]
        headDenseBias = vectors.vector("lm_head.dense.bias")
        headNorm = RobertaWeights.LayerNorm(vectors, "lm_head.layer_norm")
        headBias = vectors.vector("lm_head.bias")
        positions = vectors.matrix("roberta.embeddings.position_embeddings.weight")
        types = vectors.vector("roberta.embeddings.token_type_embeddings.weight")
        embeddingNorm = RobertaWeights.LayerNorm(vectors, "roberta.embeddings.LayerNorm")
    }

    /// Computes w.x = LN(word + position + type).
    /// - Parameter places: each token's row of the position table
    func embed(_ w: PackedWorkspace, ids: [Int32], positions places: [Int32]) {
        checked(ids.allSatisfy { $0 >= 0 && $0 < configuration.vocabSize }, "embed: token id outside the vocabulary")
        checked(places.allSatisfy { $0 >= 0 && $0 < positions.rows }, "embed: position out of range")
        let (x, sum) = (w.x.rows(0..<ids.count), w.sum.rows(0..<ids.count))
        for (row, id) in ids.enumerated() {
            embeddings.read(Int(id), into: sum.row(row))
            let out = Vector(sum.row(row), count: sum.columns)
            add(out, Vector(positions.row(Int(places[row])), count: sum.columns))
            add(out, types)
        }
        layerNormForward(
            x, mean: w.mean, rstd: w.rstd, x: sum, weight: embeddingNorm.weight, bias: embeddingNorm.bias,
            epsilon: Float(configuration.layerNormEps))
    }

    /// Computes the logits of the first rows of `w.x` into `w.logits`: LN(gelu(dense(x)))·Eᵀ + bias.
    func head(_ w: PackedWorkspace, rows count: Int, _ order: AccumulationOrder) -> Matrix {
        let rows = 0..<count
        let (x, sum, dense) = (w.x.rows(rows), w.sum.rows(rows), w.attentionOutput.rows(rows))
        linearForward(sum, x: x, weight: headDense, order: order)
        biasGELUForward(dense, x: sum, bias: headDenseBias)
        layerNormForward(
            x, mean: w.mean, rstd: w.rstd, x: dense, weight: headNorm.weight, bias: headNorm.bias,
            epsilon: Float(configuration.layerNormEps))
        let logits = w.logits.rows(rows)
        linearForward(logits, x: x, weight: words, order: order)
        addBias(logits, headBias)
        return logits
    }
}

/// Memory for a pass through a `PackedModel`, for T tokens, hidden size C, intermediate size I and vocabulary size V.
struct PackedWorkspace {
    /// (T, C): input and output of a layer
    let x: Matrix
    /// (T, 3C): query, key, value
    let qkv: Matrix
    /// (T, C)
    let context: Matrix
    let sum: Matrix
    let attentionOutput: Matrix
    /// (T, I)
    let preGELU: Matrix
    let gelu: Matrix
    let mean: Vector
    let rstd: Vector
    /// (m, V): logits of one chunk of the head
    let logits: Matrix
    private let arena: Arena

    /// - Parameter scored: maximum number of rows that the head processes at a time
    init(_ configuration: RobertaConfiguration, tokens: Int, scored: Int) {
        let (hidden, intermediate) = (configuration.hiddenSize, configuration.intermediateSize)
        arena = Arena(
            bytes: 4 * (tokens * (7 * hidden + 2 * intermediate + 2) + scored * configuration.vocabSize)
                + 10 * Arena.alignment)
        x = arena.matrix(rows: tokens, columns: hidden)
        qkv = arena.matrix(rows: tokens, columns: 3 * hidden)
        context = arena.matrix(rows: tokens, columns: hidden)
        sum = arena.matrix(rows: tokens, columns: hidden)
        attentionOutput = arena.matrix(rows: tokens, columns: hidden)
        preGELU = arena.matrix(rows: tokens, columns: intermediate)
        gelu = arena.matrix(rows: tokens, columns: intermediate)
        mean = arena.vector(tokens)
        rstd = arena.vector(tokens)
        logits = arena.matrix(rows: scored, columns: configuration.vocabSize)
    }
}

/// One layer of `RobertaEncoder` with packed matrices: `EncoderLayer` without dropout and without a backward pass.
struct PackedEncoderLayer {
    private let qkv: PackedWeight
    private let qkvBiases: [Vector]
    private let attentionOutput: PackedWeight
    private let attentionOutputBias: Vector
    private let attentionNorm: RobertaWeights.LayerNorm
    private let intermediate: PackedWeight
    private let intermediateBias: Vector
    private let output: PackedWeight
    private let outputBias: Vector
    private let outputNorm: RobertaWeights.LayerNorm
    private let epsilon: Float

    init(_ vectors: Parameters, _ name: String, _ weights: [PackedWeight], _ configuration: RobertaConfiguration) {
        qkv = weights[0]
        attentionOutput = weights[1]
        intermediate = weights[2]
        output = weights[3]
        qkvBiases = ["query", "key", "value"].map { vectors.vector("\(name).attention.self.\($0).bias") }
        attentionOutputBias = vectors.vector("\(name).attention.output.dense.bias")
        attentionNorm = RobertaWeights.LayerNorm(vectors, "\(name).attention.output.LayerNorm")
        intermediateBias = vectors.vector("\(name).intermediate.dense.bias")
        outputBias = vectors.vector("\(name).output.dense.bias")
        outputNorm = RobertaWeights.LayerNorm(vectors, "\(name).output.LayerNorm")
        epsilon = Float(configuration.layerNormEps)
    }

    /// Computes w.qkv = x·Wᵀ + b for the first rows of `w.x`.
    func project(_ w: PackedWorkspace, rows count: Int, _ order: AccumulationOrder) {
        let (x, out) = (w.x.rows(0..<count), w.qkv.rows(0..<count))
        linearForward(out, x: x, weight: qkv, order: order)
        for (part, bias) in qkvBiases.enumerated() {
            addBias(out.columns(part * x.columns..<(part + 1) * x.columns), bias)
        }
    }

    /// Computes everything after attention: writes the layer's output to `w.x`, from the first rows
    /// of `w.context` and `w.x`.
    /// - Parameter pause: called between its products
    func finish(_ w: PackedWorkspace, rows count: Int, _ order: AccumulationOrder, pause: () -> Void) {
        let rows = 0..<count
        let (x, sum, attended) = (w.x.rows(rows), w.sum.rows(rows), w.attentionOutput.rows(rows))
        linearForward(sum, x: w.context.rows(rows), weight: attentionOutput, order: order)
        biasDropoutResidualForward(sum, x: sum, bias: attentionOutputBias, residual: x, mask: nil, scale: 1)
        layerNormForward(
            attended, mean: w.mean, rstd: w.rstd, x: sum, weight: attentionNorm.weight, bias: attentionNorm.bias,
            epsilon: epsilon)
        pause()
        let (preGELU, gelu) = (w.preGELU.rows(rows), w.gelu.rows(rows))
        linearForward(preGELU, x: attended, weight: intermediate, order: order)
        biasGELUForward(gelu, x: preGELU, bias: intermediateBias)
        pause()
        linearForward(sum, x: gelu, weight: output, order: order)
        biasDropoutResidualForward(sum, x: sum, bias: outputBias, residual: attended, mask: nil, scale: 1)
        layerNormForward(
            x, mean: w.mean, rstd: w.rstd, x: sum, weight: outputNorm.weight, bias: outputNorm.bias, epsilon: epsilon)
    }
}
