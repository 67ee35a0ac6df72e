import Durable
import FoundationEssentials
import SettingsTable

/// The shape of a RoBERTa model, under the names of Hugging Face's `config.json`. A property that is nil is chosen by the
/// run (`AutomaticModel`).
///
/// `settings` documents each property and gives its range.
public struct Architecture: Codable, Sendable, Equatable {
    public var vocabSize: Int?
    public var hiddenSize: Int?
    public var numHiddenLayers: Int?
    public var numAttentionHeads: Int?
    public var intermediateSize: Int?
    public var maxPositionEmbeddings: Int
    public var hiddenDropoutProb: Double?
    public var attentionProbsDropoutProb: Double?
    public var initializerRange: Double
    public var layerNormEps: Double

    public init(
        vocabSize: Int?, hiddenSize: Int?, numHiddenLayers: Int?, numAttentionHeads: Int?, intermediateSize: Int?,
        maxPositionEmbeddings: Int = 514, hiddenDropoutProb: Double? = 0.1, attentionProbsDropoutProb: Double? = 0.1,
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

    public init(from decoder: any Decoder) throws {
        self = Preset.tiny.architecture
        try Architecture.settings.decode(decoder, into: &self)
    }

    public func encode(to encoder: any Encoder) throws { try Architecture.settings.encode(self, to: encoder) }

    /// Whether every number is set, except for `vocabSize`, which may be left to the tokenizer.
    public var isComplete: Bool {
        hiddenSize != nil && numHiddenLayers != nil && numAttentionHeads != nil && intermediateSize != nil
            && hiddenDropoutProb != nil && attentionProbsDropoutProb != nil
    }

    /// Returns the architecture with the numbers of `other` where it has none.
    public func completed(with other: Architecture) -> Architecture {
        var result = self
        result.vocabSize = vocabSize ?? other.vocabSize
        result.hiddenSize = hiddenSize ?? other.hiddenSize
        result.numHiddenLayers = numHiddenLayers ?? other.numHiddenLayers
        result.numAttentionHeads = numAttentionHeads ?? other.numAttentionHeads
        result.intermediateSize = intermediateSize ?? other.intermediateSize
        result.hiddenDropoutProb = hiddenDropoutProb ?? other.hiddenDropoutProb
        result.attentionProbsDropoutProb = attentionProbsDropoutProb ?? other.attentionProbsDropoutProb
        return result
    }
}

extension Architecture {
    /// Reads the architecture of a model that was trained here from its configuration file.
    /// - Throws: `DurableError` or `DecodingError`
    public static func trained(_ configurationFile: String) throws -> Architecture {
        let json = try Durable.read(configurationFile, atMost: 1 << 20)
        return try JobCoding.decode(Architecture.self, from: Data(json))
    }

    /// Describes the first number that is set and differs from that of a trained model; nil if there is none.
    /// Numbers that only training depends on are not compared.
    public func contradiction(to trained: Architecture) -> String? {
        let training: Set = ["hidden_dropout_prob", "attention_probs_dropout_prob", "initializer_range"]
        for setting in Architecture.settings.map(\.setting) where !training.contains(setting.key) {
            let (wanted, found) = (setting.text(of: self), setting.text(of: trained))
            guard wanted != found, wanted != Architecture.automaticWord else { continue }
            return "\(setting.key) is \(wanted), but the generation has \(found)"
        }
        return nil
    }

    /// The word in a settings file for a number that is not set.
    private static let automaticWord = "auto"

    /// The smallest vocabulary of a byte-level tokenizer: five special tokens and 256 bytes.
    public static let smallestVocabulary = 261
    /// The largest vocabulary that a tokenizer file may hold.
    public static let largestVocabulary = 1 << 20

    /// Every key of an architecture. `RobertaConfiguration` checks the same ranges when a model is loaded.
    public static let settings: [JobSetting<Architecture>] = [
        JobSetting(
            "vocab_size", optional: \.vocabSize,
            .integer(atLeast: smallestVocabulary, atMost: largestVocabulary), or: "auto",
            """
            Rows of the word embedding. auto: the size of the trained tokenizer, rounded up to a multiple of 64; the run \
            chooses the size of the tokenizer for the amount of text.
            """),
        JobSetting(
            "hidden_size", optional: \.hiddenSize, .integer(atLeast: 1, atMost: 1 << 16), or: "auto",
            "Width of the hidden states."),
        JobSetting(
            "num_hidden_layers", optional: \.numHiddenLayers, .integer(atLeast: 1, atMost: 512), or: "auto",
            "Number of transformer layers."),
        JobSetting(
            "num_attention_heads", optional: \.numAttentionHeads, .integer(atLeast: 1, atMost: 1 << 16), or: "auto",
            "Attention heads in each layer. Divides hidden_size."),
        JobSetting(
            "intermediate_size", optional: \.intermediateSize, .integer(atLeast: 1, atMost: 1 << 16), or: "auto",
            "Width of the feed-forward layers."),
        JobSetting(
            "max_position_embeddings", \.maxPositionEmbeddings, .integer(atLeast: 5, atMost: 1 << 20), isRequired: true,
            "Rows of the position embedding: at least block_size + 2, because positions start at 2."),
        JobSetting(
            "hidden_dropout_prob", optional: \.hiddenDropoutProb, .number(atLeast: 0, below: 1), or: "auto",
            "Dropout probability of embeddings and of each sublayer's output."),
        JobSetting(
            "attention_probs_dropout_prob", optional: \.attentionProbsDropoutProb, .number(atLeast: 0, below: 1),
            or: "auto", "Dropout probability of the attention weights."),
        JobSetting(
            "initializer_range", \.initializerRange, .number(above: 0, atMost: 100), isRequired: true,
            "Standard deviation of the normal distribution that initial weights are drawn from."),
        JobSetting(
            "layer_norm_eps", \.layerNormEps, .number(atLeast: 0, atMost: 1), isRequired: true,
            "Added to the variance in LayerNorm."),
    ]
}

/// The named architectures.
public enum Preset: String, Codable, Sendable, CaseIterable {
    /// Chosen by the run for its text, its time and its machine.
    case auto
    /// 83,504,416 parameters in 106 tensors, as in the book chapter.
    case kantaibert
    /// Learns a book in minutes on two cores.
    case small
    /// For tests.
    case tiny

    public var architecture: Architecture {
        switch self {
        case .auto:
            Architecture(
                vocabSize: nil, hiddenSize: nil, numHiddenLayers: nil, numAttentionHeads: nil, intermediateSize: nil,
                hiddenDropoutProb: nil, attentionProbsDropoutProb: nil)
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
