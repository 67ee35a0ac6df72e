import Durable
import FoundationEssentials

/// `config.json` in Hugging Face's format. Accepts files written by transformers; rejects unsupported values by key.
struct ConfigurationFile: Codable {
    var architectures: [String]?
    var attentionProbsDropoutProb: Double?
    var bosTokenId: Int?
    var dtype: String?
    var eosTokenId: Int?
    var hiddenAct: String?
    var hiddenDropoutProb: Double?
    var hiddenSize: Int
    var initializerRange: Double?
    var intermediateSize: Int
    var isDecoder: Bool?
    var layerNormEps: Double?
    var maxPositionEmbeddings: Int
    var modelType: String
    var numAttentionHeads: Int
    var numHiddenLayers: Int
    var padTokenId: Int?
    var positionEmbeddingType: String?
    var tieWordEmbeddings: Bool?
    var typeVocabSize: Int?
    var useCache: Bool?
    var vocabSize: Int

    init(_ configuration: RobertaConfiguration) {
        architectures = [configuration.isDecoder ? "RobertaForCausalLM" : "RobertaForMaskedLM"]
        attentionProbsDropoutProb = configuration.attentionProbsDropoutProb
        bosTokenId = 0
        dtype = "float32"
        eosTokenId = 2
        hiddenAct = "gelu"
        hiddenDropoutProb = configuration.hiddenDropoutProb
        hiddenSize = configuration.hiddenSize
        initializerRange = configuration.initializerRange
        intermediateSize = configuration.intermediateSize
        isDecoder = configuration.isDecoder
        layerNormEps = configuration.layerNormEps
        maxPositionEmbeddings = configuration.maxPositionEmbeddings
        modelType = "roberta"
        numAttentionHeads = configuration.numAttentionHeads
        numHiddenLayers = configuration.numHiddenLayers
        padTokenId = Int(RobertaConfiguration.paddingID)
        positionEmbeddingType = "absolute"
        tieWordEmbeddings = configuration.tieWordEmbeddings
        typeVocabSize = 1
        useCache = true
        vocabSize = configuration.vocabSize
    }

    /// Most rows of `token_type_embeddings` in a model of other software; transformers' default is 2.
    static let mostTokenTypes = 64

    /// - Parameter isForeign: whether other software may have written the file, so that there may be several token types
    func configuration(path: String, isForeign: Bool = false) throws(ModelError) -> RobertaConfiguration {
        func expect(_ key: String, _ found: String?, _ expected: String) throws(ModelError) {
            guard let found, found != expected else { return }
            throw ModelError(
                path: path, reason: "`\(key)` is \(found.prefix(100)), only \(expected) is supported")
        }
        try expect("model_type", modelType, "roberta")
        try expect("hidden_act", hiddenAct, "gelu")
        try expect("position_embedding_type", positionEmbeddingType, "absolute")
        if !isForeign {
            try expect("type_vocab_size", typeVocabSize.map(String.init), "1")
        } else if let typeVocabSize, !(1...Self.mostTokenTypes).contains(typeVocabSize) {
            throw ModelError(
                path: path, reason: "`type_vocab_size` is \(typeVocabSize), expected 1 to \(Self.mostTokenTypes)")
        }
        try expect("bos_token_id", bosTokenId.map(String.init), "0")
        try expect("pad_token_id", padTokenId.map(String.init), "1")
        try expect("eos_token_id", eosTokenId.map(String.init), "2")
        let configuration = RobertaConfiguration(
            vocabSize: vocabSize, hiddenSize: hiddenSize, numHiddenLayers: numHiddenLayers,
            numAttentionHeads: numAttentionHeads, intermediateSize: intermediateSize,
            maxPositionEmbeddings: maxPositionEmbeddings,
            isDecoder: isDecoder ?? (architectures?.first == "RobertaForCausalLM"),
            hiddenDropoutProb: hiddenDropoutProb ?? 0.1, attentionProbsDropoutProb: attentionProbsDropoutProb ?? 0.1,
            initializerRange: initializerRange ?? 0.02, layerNormEps: layerNormEps ?? 1e-12,
            tieWordEmbeddings: tieWordEmbeddings ?? true)
        if let failureReason = configuration.failureReason { throw ModelError(path: path, reason: failureReason) }
        return configuration
    }

    static func read(_ path: String) throws(ModelError) -> RobertaConfiguration {
        try decode(path).configuration(path: path)
    }

    /// Reads a file that other software may have written.
    /// - Returns: the configuration and `type_vocab_size`, which is nil if the file does not have it
    static func readForeign(_ path: String) throws(ModelError) -> (RobertaConfiguration, typeVocabSize: Int?) {
        let file = try decode(path)
        return (try file.configuration(path: path, isForeign: true), file.typeVocabSize)
    }

    private static func decode(_ path: String) throws(ModelError) -> ConfigurationFile {
        let bytes: [UInt8]
        do { bytes = try Durable.read(path, atMost: ModelDirectory.mostConfigurationBytes) } catch {
            throw ModelError(path: path, reason: "\(error)")
        }
        let decoder = JSONDecoder()
        decoder.keyDecodingStrategy = .convertFromSnakeCase
        do { return try decoder.decode(ConfigurationFile.self, from: Data(bytes)) } catch {
            throw ModelError(path: path, reason: describe(error))
        }
    }

    func encoded() throws -> Data {
        let encoder = JSONEncoder()
        encoder.keyEncodingStrategy = .convertToSnakeCase
        encoder.outputFormatting = [.prettyPrinted, .sortedKeys, .withoutEscapingSlashes]
        return try encoder.encode(self)
    }

    private static func describe(_ error: any Error) -> String {
        func path(_ context: DecodingError.Context) -> String {
            context.codingPath.map { snakeCase($0.stringValue) }.joined(separator: ".")
        }
        switch error {
        case DecodingError.keyNotFound(CodingKeys.modelType, _):
            return "`model_type` is missing; if this is a RoBERTa model, add \"model_type\": \"roberta\""
        case DecodingError.keyNotFound(let key, _): return "`\(snakeCase(key.stringValue))` is missing"
        case DecodingError.typeMismatch(let type, let context): return "`\(path(context))` is not of type \(type)"
        case DecodingError.valueNotFound(let type, let context): return "`\(path(context))` is null, expected \(type)"
        default: return "not valid JSON: \(error)"
        }
    }

    /// Returns the key as it is in the file.
    private static func snakeCase(_ key: String) -> String {
        key.reduce(into: "") { name, character in
            name += character.isUppercase ? "_\(character.lowercased())" : String(character)
        }
    }
}
