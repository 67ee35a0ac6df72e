import Glibc
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
        checked(configuration.flaw == nil, configuration.flaw ?? "")
        checked(parameters.layout == ParameterLayout(configuration))
        self.configuration = configuration
        self.parameters = parameters
        weights = RobertaWeights(parameters, layers: configuration.numHiddenLayers)
    }

    /// A model that has learned nothing, as `RobertaPreTrainedModel._init_weights`: matrices from the normal distribution
    /// of deviation `initializerRange`, biases 0, LayerNorms 1, the rows of `<pad>` 0.
    /// - Parameter positionalHeads: whether each head begins with a neighbour to look at, as `PositionalHeads` says
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

    /// Lets a new model begin with how often each token occurs: the head's bias becomes the logarithm of the frequencies
    /// (Lin et al. 2017, section 3.3), with one half of an occurrence for every row of the embedding.
    /// - Parameter counts: of ids from 0; `[tokens]`, at most as many as the embedding has rows
    public func setHeadBias(toFrequencies counts: [Int]) {
        let bias = parameters["lm_head.bias"]
        checked(counts.count <= bias.count)
        let total = Double(counts.reduce(0, +)) + 0.5 * Double(bias.count)
        for id in bias.indices {
            bias[id] = Float(log(((id < counts.count ? Double(counts[id]) : 0) + 0.5) / total))
        }
    }
}
