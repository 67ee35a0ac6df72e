import Durable
import FoundationEssentials

/// The model files of a Hugging Face model directory: `config.json`, `model.safetensors` and, for a causal model,
/// `generation_config.json`.
public enum ModelDirectory {
    public static let weightsFile = "model.safetensors"
    public static let configurationFile = "config.json"
    /// Maximum size of `config.json` in bytes.
    public static let mostConfigurationBytes = 1 << 20

    /// Reads the model configuration from `config.json`.
    public static func configuration(of directory: String) throws(ModelError) -> RobertaConfiguration {
        try ConfigurationFile.read("\(directory)/\(configurationFile)")
    }

    /// Opens the weights and checks that the file size matches `config.json`. Does not read any weights.
    public static func open(_ directory: String) throws(ModelError) -> (RobertaConfiguration, SafetensorsFile) {
        let configuration = try configuration(of: directory)
        let file = try SafetensorsFile(
            path: "\(directory)/\(weightsFile)", bytes: configuration.weightsBytes(widest: .float32))
        return (configuration, file)
    }

    /// Writes a model into an existing folder that is not published yet.
    ///
    /// As in transformers, the decoder weight is omitted if it is tied to the word embeddings.
    /// - Parameter endTokens: tokens after which transformers ends a text, besides `</s>`
    public static func write(
        _ model: RobertaModel, to directory: String, endTokens: [Int32] = []
    ) throws(ModelError) {
        var tensors = model.parameters.tensorsToWrite()
        // Written a second time as the decoder's bias: without that name, transformers 4.46 leaves the bias of a tied
        // model at zero, and transformers 5 that of an untied one.
        let bias = model.parameters["lm_head.bias"]
        tensors.append(
            TensorToWrite(name: "lm_head.decoder.bias", shape: [bias.count], bytes: UnsafeRawBufferPointer(bias)))
        try SafetensorsFile.write(tensors, to: "\(directory)/\(weightsFile)")
        try write("\(directory)/\(configurationFile)") { try ConfigurationFile(model.configuration).encoded() }
        if model.configuration.isDecoder {
            try write("\(directory)/generation_config.json") {
                let encoder = JSONEncoder()
                encoder.outputFormatting = [.prettyPrinted, .sortedKeys]
                return try encoder.encode(GenerationConfigurationFile(endTokens))
            }
        }
    }

    private static func write(_ path: String, _ content: () throws -> Data) throws(ModelError) {
        do { try Durable.write([UInt8](content()), to: path) } catch {
            throw ModelError(path: path, reason: "\(error)")
        }
    }

    private struct GenerationConfigurationFile: Encodable {
        let bos_token_id = 0
        let eos_token_id: EndTokens
        let pad_token_id = 1
        let do_sample = true
        let temperature = 0.9
        let max_new_tokens = 100

        init(_ endTokens: [Int32]) { eos_token_id = EndTokens(ids: [2] + endTokens) }

        /// A number, or a list of several.
        struct EndTokens: Encodable {
            let ids: [Int32]

            func encode(to encoder: any Encoder) throws {
                var container = encoder.singleValueContainer()
                if ids.count == 1 { try container.encode(ids[0]) } else { try container.encode(ids) }
            }
        }
    }
}

extension RobertaModel {
    /// Loads a model directory written by this project or by transformers, with float32, float16 or bfloat16 weights.
    public static func load(directory: String) throws(ModelError) -> RobertaModel {
        let (configuration, file) = try ModelDirectory.open(directory)
        let layout = ParameterLayout(configuration)
        // Check every shape before allocating memory.
        for entry in layout.entries { _ = try file.tensor(entry.name, shape: entry.shape) }
        let parameters = Parameters(layout: layout)
        try parameters.read(from: file)
        try file.requireAllFinite()
        return RobertaModel(configuration: configuration, parameters: parameters)
    }
}
