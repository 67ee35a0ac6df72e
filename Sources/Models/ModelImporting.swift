import Kernels

extension RobertaModel {
    /// Loads a model directory written by transformers, accepting all tensor names that its versions use: the encoder
    /// with or without the `roberta.` prefix, and the output bias as the head's or as its decoder's (the one that
    /// `RobertaLMHead.forward` adds).
    public static func importing(directory: String) throws(ModelError) -> RobertaModel {
        try importing(ForeignWeights(directory: directory))
    }

    /// Of several token types, the model has the first, which transformers uses if it is given none. The sum of the
    /// embeddings is then the same, bit for bit.
    public static func importing(_ weights: ForeignWeights) throws(ModelError) -> RobertaModel {
        let configuration = weights.configuration
        guard weights.tensors.keys.contains(where: { $0.hasPrefix("lm_head.") }) else {
            throw ModelError(
                path: weights.path,
                reason: "has no language-model head (lm_head.…); "
                    + "save RobertaForMaskedLM or RobertaForCausalLM, not RobertaModel")
        }
        let layout = ParameterLayout(configuration)
        let found = layout.entries.map { entry in
            names(entry.name).first { weights.tensors[$0] != nil } ?? entry.name
        }
        // Check every shape before allocating memory.
        for (name, entry) in zip(found, layout.entries) { try weights.require(name, shape: entry.shape) }
        let parameters = Parameters(layout: layout)
        for (name, entry) in zip(found, layout.entries) {
            try weights.read(name, shape: entry.shape, into: parameters[entry])
        }
        try weights.requireAllFinite()
        return RobertaModel(configuration: configuration, parameters: parameters)
    }

    private static func names(_ name: String) -> [String] {
        if name == "lm_head.bias" { return ["lm_head.decoder.bias", name] }
        return name.hasPrefix("roberta.") ? [name, String(name.dropFirst("roberta.".count))] : [name]
    }
}
