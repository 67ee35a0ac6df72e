import Kernels

/// Named views of the tensors of `Parameters`, used for weights and for their gradients.
struct RobertaWeights {
    struct Linear {
        /// `[outFeatures, inFeatures]`
        let weight: Matrix
        /// `[outFeatures]`
        let bias: Vector

        init(_ parameters: Parameters, _ name: String) {
            weight = parameters.matrix("\(name).weight")
            bias = parameters.vector("\(name).bias")
        }
    }

    struct LayerNorm {
        let weight: Vector
        let bias: Vector

        init(_ parameters: Parameters, _ name: String) {
            weight = parameters.vector("\(name).weight")
            bias = parameters.vector("\(name).bias")
        }
    }

    struct Layer {
        let query: Linear
        let key: Linear
        let value: Linear
        let attentionOutput: Linear
        let attentionNorm: LayerNorm
        let intermediate: Linear
        let output: Linear
        let outputNorm: LayerNorm

        init(_ parameters: Parameters, _ name: String) {
            query = Linear(parameters, "\(name).attention.self.query")
            key = Linear(parameters, "\(name).attention.self.key")
            value = Linear(parameters, "\(name).attention.self.value")
            attentionOutput = Linear(parameters, "\(name).attention.output.dense")
            attentionNorm = LayerNorm(parameters, "\(name).attention.output.LayerNorm")
            intermediate = Linear(parameters, "\(name).intermediate.dense")
            output = Linear(parameters, "\(name).output.dense")
            outputNorm = LayerNorm(parameters, "\(name).output.LayerNorm")
        }
    }

    /// `[vocab, hidden]`
    let words: Matrix
    /// `[vocab, hidden]`; the word embedding if the weights are tied.
    let decoder: Matrix
    /// `[maxPositions, hidden]`
    let positions: Matrix
    /// `[hidden]`, the only row of the token type embedding.
    let types: Vector
    let embeddingNorm: LayerNorm
    let layers: [Layer]
    let headDense: Linear
    let headNorm: LayerNorm
    /// `[vocab]`
    let headBias: Vector

    init(_ parameters: Parameters, layers count: Int) {
        words = parameters.matrix("roberta.embeddings.word_embeddings.weight")
        decoder = parameters.layout.entry("lm_head.decoder.weight").map(parameters.matrix) ?? words
        positions = parameters.matrix("roberta.embeddings.position_embeddings.weight")
        types = parameters.vector("roberta.embeddings.token_type_embeddings.weight")
        embeddingNorm = LayerNorm(parameters, "roberta.embeddings.LayerNorm")
        layers = (0..<count).map { Layer(parameters, "roberta.encoder.layer.\($0)") }
        headDense = Linear(parameters, "lm_head.dense")
        headNorm = LayerNorm(parameters, "lm_head.layer_norm")
        headBias = parameters.vector("lm_head.bias")
    }
}
