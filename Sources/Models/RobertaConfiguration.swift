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
    public var flaw: String? {
        let sizes = [
            ("vocab_size", vocabSize), ("hidden_size", hiddenSize), ("num_hidden_layers", numHiddenLayers),
            ("num_attention_heads", numAttentionHeads), ("intermediate_size", intermediateSize),
            ("max_position_embeddings", maxPositionEmbeddings),
        ]
        for (key, size) in sizes where size < 1 || size > 1 << 24 {
            return "`\(key)` is \(size), expected 1 to \(1 << 24)"
        }
        if hiddenSize % numAttentionHeads != 0 {
            return "`hidden_size` \(hiddenSize) is not a multiple of `num_attention_heads` \(numAttentionHeads)"
        }
        if maxPositionEmbeddings <= Int(Self.firstPosition) {
            return "`max_position_embeddings` is \(maxPositionEmbeddings), expected at least \(Self.firstPosition + 1)"
        }
        return nil
    }
}
