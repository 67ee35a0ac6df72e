import Safetensors

/// The values of Hugging Face's `RobertaConfig` that define a model.
public struct RobertaConfiguration: Sendable, Equatable {
    public var vocabSize: Int
    public var hiddenSize: Int
    public var numHiddenLayers: Int
    public var numAttentionHeads: Int
    public var intermediateSize: Int
    public var maxPositionEmbeddings: Int
    /// Whether attention is causal (`RobertaForCausalLM`).
    public var isDecoder: Bool
    public var hiddenDropoutProb: Double
    public var attentionProbsDropoutProb: Double
    public var initializerRange: Double
    public var layerNormEps: Double
    /// Whether the decoder weight is the word embedding. Always true for models trained here;
    /// imported models may differ.
    public var tieWordEmbeddings: Bool

    public init(
        vocabSize: Int, hiddenSize: Int, numHiddenLayers: Int, numAttentionHeads: Int, intermediateSize: Int,
        maxPositionEmbeddings: Int, isDecoder: Bool, hiddenDropoutProb: Double = 0.1,
        attentionProbsDropoutProb: Double = 0.1, initializerRange: Double = 0.02, layerNormEps: Double = 1e-12,
        tieWordEmbeddings: Bool = true
    ) {
        self.vocabSize = vocabSize
        self.hiddenSize = hiddenSize
        self.numHiddenLayers = numHiddenLayers
        self.numAttentionHeads = numAttentionHeads
        self.intermediateSize = intermediateSize
        self.maxPositionEmbeddings = maxPositionEmbeddings
        self.isDecoder = isDecoder
        self.hiddenDropoutProb = hiddenDropoutProb
        self.attentionProbsDropoutProb = attentionProbsDropoutProb
        self.initializerRange = initializerRange
        self.layerNormEps = layerNormEps
        self.tieWordEmbeddings = tieWordEmbeddings
    }

    /// The id of `<pad>`. Positions start after it.
    public static let paddingID: Int32 = 1
    /// The position of a sequence's first token.
    public static let firstPosition: Int32 = paddingID + 1

    /// Maximum number of tokens in a sequence.
    public var longestSequence: Int { maxPositionEmbeddings - Int(Self.firstPosition) }

    /// A description of the first invalid value, or nil.
    ///
    /// If nil, no sum or product of sizes in the layout of such a model overflows, and no int8 accumulation does:
    /// 255 · 127 · `mostInputs` fits in a signed 32-bit integer.
    public var failureReason: String? {
        let sizes = [
            ("vocab_size", vocabSize, RobertaConfiguration.fewestRows...RobertaConfiguration.mostRows),
            ("hidden_size", hiddenSize, 1...RobertaConfiguration.mostInputs),
            ("num_hidden_layers", numHiddenLayers, 1...RobertaConfiguration.mostLayers),
            ("num_attention_heads", numAttentionHeads, 1...RobertaConfiguration.mostInputs),
            ("intermediate_size", intermediateSize, 1...RobertaConfiguration.mostInputs),
            (
                "max_position_embeddings", maxPositionEmbeddings,
                RobertaConfiguration.fewestPositions...RobertaConfiguration.mostPositions
            ),
        ]
        for (key, size, range) in sizes where !range.contains(size) {
            return "`\(key)` is \(size), expected \(range.lowerBound) to \(range.upperBound)"
        }
        if hiddenSize % numAttentionHeads != 0 {
            return "`hidden_size` \(hiddenSize) is not a multiple of `num_attention_heads` \(numAttentionHeads)"
        }
        // NaN is in no range.
        let shares = [
            ("hidden_dropout_prob", hiddenDropoutProb), ("attention_probs_dropout_prob", attentionProbsDropoutProb),
        ]
        for (key, share) in shares where !(0..<1).contains(share) {
            return "`\(key)` is \(share), expected at least 0 and less than 1"
        }
        if !(0...RobertaConfiguration.largestInitializerRange).contains(initializerRange) {
            return "`initializer_range` is \(initializerRange), expected 0 to "
                + "\(RobertaConfiguration.largestInitializerRange)"
        }
        if !(0...1).contains(layerNormEps) { return "`layer_norm_eps` is \(layerNormEps), expected 0 to 1" }
        if parameterCount > RobertaConfiguration.mostParameters {
            return "the sizes result in \(parameterCount) parameters, expected at most "
                + "\(RobertaConfiguration.mostParameters)"
        }
        return nil
    }

    /// The special tokens and one other token.
    public static let fewestRows = 6
    public static let mostRows = 1 << 22
    /// Maximum of `hidden_size` and `intermediate_size`, the input dimensions of a matrix.
    public static let mostInputs = 1 << 16
    public static let mostLayers = 512
    /// Positions for `<s>`, a token and `</s>`.
    public static let fewestPositions = Int(firstPosition) + 3
    public static let mostPositions = 1 << 20
    public static let largestInitializerRange = 100.0
    /// 34 GB in float32.
    public static let mostParameters = 1 << 33

    /// Number of parameters. Sizes within their ranges give less than 2⁴⁶.
    private var parameterCount: Int {
        let (hidden, intermediate) = (hiddenSize, intermediateSize)
        let layer = 4 * (hidden * hidden + hidden) + 2 * hidden * intermediate + intermediate + hidden + 4 * hidden
        let embeddings = (vocabSize + maxPositionEmbeddings + 1) * hidden + 2 * hidden
        let head = vocabSize + hidden * hidden + hidden + 2 * hidden + (tieWordEmbeddings ? 0 : vocabSize * hidden)
        return embeddings + numHiddenLayers * layer + head
    }

    /// Possible sizes of this model's weights file, in bytes. The lower bound is 16 bits per parameter and no header;
    /// the upper bound is `widest` bytes per parameter and every extra tensor that transformers writes (a tied decoder,
    /// position ids, a pooler).
    func weightsBytes(widest: TensorType) -> ClosedRange<Int> {
        let parameters = parameterCount
        let beside =
            vocabSize * hiddenSize + vocabSize + hiddenSize * hiddenSize + hiddenSize + 2 * maxPositionEmbeddings
        return 8 + 2 * parameters...8 + SafetensorsHeader.longest + widest.bytes * (parameters + beside)
    }
}
