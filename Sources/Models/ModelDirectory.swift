import Durable
import FoundationEssentials

/// The model's part of a Hugging Face model directory: `config.json`, `model.safetensors` and, for a causal model,
/// `generation_config.json`.
public enum ModelDirectory {
    public static let weightsFile = "model.safetensors"
    public static let configurationFile = "config.json"
    /// Of `config.json`.
    public static let mostConfigurationBytes = 1 << 20

    /// What `config.json` says of the model.
    public static func configuration(of directory: String) throws(ModelError) -> RobertaConfiguration {
        try ConfigurationFile.read("\(directory)/\(configurationFile)")
    }

    /// Opens a directory's weights, whose size and tensors have to be what `config.json` says. No weight is read.
    public static func open(_ directory: String) throws(ModelError) -> (RobertaConfiguration, SafetensorsFile) {
        let configuration = try configuration(of: directory)
        let file = try SafetensorsFile(path: "\(directory)/\(weightsFile)", bytes: configuration.weightsBytes)
        return (configuration, file)
    }

    /// Writes a model into a folder that exists and is not yet published.
    ///
    /// The weight of a decoder that is tied to the word embeddings is not written, as transformers does.
    public static func write(_ model: RobertaModel, to directory: String) throws(ModelError) {
        var tensors = model.parameters.tensorsToWrite()
        // Twice, under the name of the decoder too: transformers 4.46 leaves the bias of a tied model zero without it, and 5
        // that of an untied one.
        let bias = model.parameters["lm_head.bias"]
        tensors.append(
            TensorToWrite(name: "lm_head.decoder.bias", shape: [bias.count], bytes: UnsafeRawBufferPointer(bias)))
        try SafetensorsFile.write(tensors, to: "\(directory)/\(weightsFile)")
        try write("\(directory)/\(configurationFile)") { try ConfigurationFile(model.configuration).encoded() }
        if model.configuration.isDecoder {
            try write("\(directory)/generation_config.json") {
                let encoder = JSONEncoder()
                encoder.outputFormatting = [.prettyPrinted, .sortedKeys]
                return try encoder.encode(GenerationConfigurationFile())
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
        let eos_token_id = 2
        let pad_token_id = 1
        let do_sample = true
        let temperature = 0.9
        let max_new_tokens = 100
    }
}

extension RobertaModel {
    /// Reads a directory that this program or transformers wrote, its numbers in float32, float16 or bfloat16.
    public static func load(directory: String) throws(ModelError) -> RobertaModel {
        let (configuration, file) = try ModelDirectory.open(directory)
        let layout = ParameterLayout(configuration)
        // Before there is memory for them.
        for entry in layout.entries { _ = try file.tensor(entry.name, shape: entry.shape) }
        let parameters = Parameters(layout: layout)
        try parameters.read(from: file)
        try file.requireAllFinite()
        return RobertaModel(configuration: configuration, parameters: parameters)
    }
}
