/// The numbers of Hugging Face's `RobertaConfig` that shape a model.
public struct RobertaConfiguration: Sendable, Equatable {
    public var vocabSize: Int
    public var hiddenSize: Int
    public var numHiddenLayers: Int
    public var numAttentionHeads: Int
    public var intermediateSize: Int
    public var maxPositionEmbeddings: Int
    /// Whether a token sees only those before it: a causal model, `RobertaForCausalLM`.
    public var isDecoder: Bool
    public var hiddenDropoutProb: Double
    public var attentionProbsDropoutProb: Double
    public var initializerRange: Double
    public var layerNormEps: Double
    /// Whether the decoder's weight is the word embedding; ours are, imported ones may have one of their own.
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

    /// The id that is no token, `<pad>`; positions begin after it.
    public static let paddingID: Int32 = 1
    /// The position of a sequence's first token.
    public static let firstPosition: Int32 = paddingID + 1

    /// Tokens a sequence holds at most.
    public var longestSequence: Int { maxPositionEmbeddings - Int(Self.firstPosition) }

    /// The first thing wrong with these numbers, or nil.
    ///
    /// Without a flaw, no sum or product of sizes that a model of this configuration is laid out with overflows, and no
    /// sum of an int8 product does: 255 · 127 · `mostInputs` fits 32 bits with a sign.
    public var flaw: String? {
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
            return "its sizes make \(parameterCount) parameters, expected at most "
                + "\(RobertaConfiguration.mostParameters)"
        }
        return nil
    }

    /// Special tokens, and one that is none.
    public static let fewestRows = 6
    public static let mostRows = 1 << 22
    /// Of a matrix: what `hidden_size` and `intermediate_size` may be.
    public static let mostInputs = 1 << 16
    public static let mostLayers = 512
    /// `<s>`, a token and `</s>` have positions.
    public static let fewestPositions = Int(firstPosition) + 3
    public static let mostPositions = 1 << 20
    public static let largestInitializerRange = 100.0
    /// 34 GB of them in float32.
    public static let mostParameters = 1 << 33

    /// Numbers in the model. Sizes in their ranges make less than 2⁴⁶.
    private var parameterCount: Int {
        let (hidden, intermediate) = (hiddenSize, intermediateSize)
        let layer = 4 * (hidden * hidden + hidden) + 2 * hidden * intermediate + intermediate + hidden + 4 * hidden
        let embeddings = (vocabSize + maxPositionEmbeddings + 1) * hidden + 2 * hidden
        let head = vocabSize + hidden * hidden + hidden + 2 * hidden + (tieWordEmbeddings ? 0 : vocabSize * hidden)
        return embeddings + numHiddenLayers * layer + head
    }

    /// Bytes that a file of this model's weights has: in 16 bits a number without its header at least; at most in 32 bits,
    /// with everything that transformers writes beside the parameters (a decoder that is tied, positions, a pooler).
    var weightsBytes: ClosedRange<Int> {
        let parameters = parameterCount
        let beside =
            vocabSize * hiddenSize + vocabSize + hiddenSize * hiddenSize + hiddenSize + 2 * maxPositionEmbeddings
        return 8 + 2 * parameters...8 + SafetensorsHeader.longest + 4 * (parameters + beside)
    }
}
