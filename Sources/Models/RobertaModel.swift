import Kernels
import Random

/// A RoBERTa with its language-model head: masked, or causal where `isDecoder` (`RobertaForMaskedLM`, `RobertaForCausalLM`).
///
/// What it computes is in `EncoderLayer`, `LanguageModelHead`, `TrainingPass` (with gradients), `InferencePass` (without)
/// and `KeyValueCache` (one token after another).
public final class RobertaModel: @unchecked Sendable {
    // @unchecked: `weights` are views of `parameters`, which is shared only to be read.

    public let configuration: RobertaConfiguration
    public let parameters: Parameters
    let weights: RobertaWeights

    /// - Parameter parameters: of the layout of `configuration`
    public init(configuration: RobertaConfiguration, parameters: Parameters) {
        precondition(configuration.flaw == nil, configuration.flaw ?? "")
        precondition(parameters.layout == ParameterLayout(configuration))
        self.configuration = configuration
        self.parameters = parameters
        weights = RobertaWeights(parameters, layers: configuration.numHiddenLayers)
    }

    /// A model that has learned nothing, as `RobertaPreTrainedModel._init_weights`: matrices from the normal distribution
    /// of deviation `initializerRange`, biases 0, LayerNorms 1, the rows of `<pad>` 0.
    public static func initialized(configuration: RobertaConfiguration, seed: UInt64) -> RobertaModel {
        let parameters = Parameters(layout: ParameterLayout(configuration))
        let philox = Philox(seed: seed, purpose: .initialization)
        for (index, entry) in parameters.layout.entries.enumerated() {
            let tensor = parameters[entry]
            if entry.isDecayed {
                fillNormal(tensor, deviation: configuration.initializerRange, philox, tensorIndex: UInt32(index))
            } else if entry.name.hasSuffix("weight") {
                tensor.update(repeating: 1)
            }
        }
        let padding = Int(RobertaConfiguration.paddingID) * configuration.hiddenSize
        for name in ["word_embeddings", "position_embeddings"] {
            let table = parameters["roberta.embeddings.\(name).weight"]
            table[padding..<padding + configuration.hiddenSize].update(repeating: 0)
        }
        return RobertaModel(configuration: configuration, parameters: parameters)
    }
}
