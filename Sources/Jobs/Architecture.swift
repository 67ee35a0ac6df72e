/// The numbers that make a RoBERTa, under the names of Hugging Face's `config.json`.
public struct Architecture: Codable, Sendable, Equatable {
    /// Rows of the word embedding; null makes it as large as the tokenizer turned out, rounded up to 64.
    public var vocabSize: Int?
    public var hiddenSize: Int
    public var numHiddenLayers: Int
    public var numAttentionHeads: Int
    public var intermediateSize: Int
    public var maxPositionEmbeddings: Int
    public var hiddenDropoutProb: Double
    public var attentionProbsDropoutProb: Double
    public var initializerRange: Double
    public var layerNormEps: Double

    public init(
        vocabSize: Int?, hiddenSize: Int, numHiddenLayers: Int, numAttentionHeads: Int, intermediateSize: Int,
        maxPositionEmbeddings: Int = 514, hiddenDropoutProb: Double = 0.1, attentionProbsDropoutProb: Double = 0.1,
        initializerRange: Double = 0.02, layerNormEps: Double = 1e-12
    ) {
        self.vocabSize = vocabSize
        self.hiddenSize = hiddenSize
        self.numHiddenLayers = numHiddenLayers
        self.numAttentionHeads = numAttentionHeads
        self.intermediateSize = intermediateSize
        self.maxPositionEmbeddings = maxPositionEmbeddings
        self.hiddenDropoutProb = hiddenDropoutProb
        self.attentionProbsDropoutProb = attentionProbsDropoutProb
        self.initializerRange = initializerRange
        self.layerNormEps = layerNormEps
    }
}

/// The architectures that have a name.
public enum Preset: String, Codable, Sendable, CaseIterable {
    /// The book's: 83,504,416 parameters in 106 tensors.
    case kantaibert
    /// Learns a book in minutes on two cores.
    case small
    /// For tests.
    case tiny

    public var architecture: Architecture {
        switch self {
        case .kantaibert:
            Architecture(
                vocabSize: 52_000, hiddenSize: 768, numHiddenLayers: 6, numAttentionHeads: 12, intermediateSize: 3072)
        case .small:
            Architecture(
                vocabSize: 8_000, hiddenSize: 256, numHiddenLayers: 4, numAttentionHeads: 4, intermediateSize: 1024)
        case .tiny:
            Architecture(
                vocabSize: 512, hiddenSize: 32, numHiddenLayers: 2, numAttentionHeads: 4, intermediateSize: 64,
                maxPositionEmbeddings: 130)
        }
    }
}
