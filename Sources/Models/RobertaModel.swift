import Glibc
import Kernels
import Random

/// A RoBERTa model with a language-model head, masked (`RobertaForMaskedLM`) or causal (`RobertaForCausalLM`).
///
/// The computation is implemented by `EncoderLayer`, `LanguageModelHead`, `TrainingPass` (with gradients),
/// `InferencePass` (without) and `KeyValueCache` (incremental decoding).
public final class RobertaModel: @unchecked Sendable {
    // @unchecked: `weights` are views of `parameters`, which is only read once the model is shared.

    public let configuration: RobertaConfiguration
    public let parameters: Parameters
    let weights: RobertaWeights

    /// - Parameter parameters: must have the layout of `configuration`
    public init(configuration: RobertaConfiguration, parameters: Parameters) {
        checked(configuration.failureReason == nil, configuration.failureReason ?? "")
        checked(parameters.layout == ParameterLayout(configuration))
        self.configuration = configuration
        self.parameters = parameters
        weights = RobertaWeights(parameters, layers: configuration.numHiddenLayers)
    }

    /// Creates an untrained model, initialized like `RobertaPreTrainedModel._init_weights`: matrices normally
    /// distributed with standard deviation `initializerRange`, biases 0, LayerNorm weights 1, the rows of `<pad>` 0.
    /// - Parameter positionalHeads: whether heads are initialized to attend to
    ///   neighboring tokens; see `PositionalHeads`
    public static func initialized(
        configuration: RobertaConfiguration, seed: UInt64, positionalHeads: Bool = false
    ) -> RobertaModel {
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
        if positionalHeads { PositionalHeads(configuration: configuration).write(to: parameters) }
        return RobertaModel(configuration: configuration, parameters: parameters)
    }

    /// Initializes the head's bias with the log frequencies of the tokens (Lin et al. 2017, section 3.3), adding one
    /// half to every count.
    /// - Parameter counts: occurrences of each token id, `[tokens]`; at most as many as the embedding has rows
    public func setHeadBias(toFrequencies counts: [Int]) {
        let bias = parameters["lm_head.bias"]
        checked(counts.count <= bias.count)
        let total = Double(counts.reduce(0, +)) + 0.5 * Double(bias.count)
        for id in bias.indices {
            bias[id] = Float(log(((id < counts.count ? Double(counts[id]) : 0) + 0.5) / total))
        }
    }
}
