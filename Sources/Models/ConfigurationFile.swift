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

    func configuration(path: String) throws(ModelError) -> RobertaConfiguration {
        func expect(_ key: String, _ found: String?, _ expected: String) throws(ModelError) {
            guard let found, found != expected else { return }
            throw ModelError(
                path: path, reason: "`\(key)` is \(found.prefix(100)), only \(expected) is supported")
        }
        try expect("model_type", modelType, "roberta")
        try expect("hidden_act", hiddenAct, "gelu")
        try expect("position_embedding_type", positionEmbeddingType, "absolute")
        try expect("type_vocab_size", typeVocabSize.map(String.init), "1")
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
        let bytes: [UInt8]
        do { bytes = try Durable.read(path, atMost: ModelDirectory.mostConfigurationBytes) } catch {
            throw ModelError(path: path, reason: "\(error)")
        }
        let decoder = JSONDecoder()
        decoder.keyDecodingStrategy = .convertFromSnakeCase
        let file: ConfigurationFile
        do { file = try decoder.decode(ConfigurationFile.self, from: Data(bytes)) } catch {
            throw ModelError(path: path, reason: describe(error))
        }
        return try file.configuration(path: path)
    }

    func encoded() throws -> Data {
        let encoder = JSONEncoder()
        encoder.keyEncodingStrategy = .convertToSnakeCase
        encoder.outputFormatting = [.prettyPrinted, .sortedKeys, .withoutEscapingSlashes]
        return try encoder.encode(self)
    }

    private static func describe(_ error: any Error) -> String {
        switch error {
        case DecodingError.keyNotFound(let key, _): "`\(key.stringValue)` is missing"
        case DecodingError.typeMismatch(let type, let context):
            "`\(context.codingPath.map(\.stringValue).joined(separator: "."))` is not of type \(type)"
        case DecodingError.valueNotFound(let type, let context):
            "`\(context.codingPath.map(\.stringValue).joined(separator: "."))` is null, expected \(type)"
        default: "not valid JSON: \(error)"
        }
    }
}
