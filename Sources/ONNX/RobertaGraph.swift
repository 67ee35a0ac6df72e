/// The graph of `RobertaForMaskedLM` or `RobertaForCausalLM` as transformers computes it, without dropout.
///
/// Inputs are `input_ids` and `attention_mask`, both int64 (batch, sequence); the output is `logits`, float32 (batch,
/// sequence, vocabulary). Between the embeddings and the logits, activations have the shape (batch · sequence, hidden), so
/// that every linear layer is a `Gemm` with the weight as PyTorch stores it.
struct RobertaGraph {
    private let configuration: GraphConfiguration
    private let files: ModelFiles
    /// The name of the file in which the weights stay; nil copies them.
    private let weightsFile: String?
    private var builder = GraphBuilder()

    /// - Throws: `ONNXError` if a tensor is missing or has another shape
    static func build(_ files: ModelFiles, weightsFile: String?) throws(ONNXError) -> ProtobufMessage {
        var graph = RobertaGraph(files: files, weightsFile: weightsFile)
        try graph.build()
        return graph.builder.graph(name: "roberta")
    }

    private init(files: ModelFiles, weightsFile: String?) {
        configuration = files.configuration
        self.files = files
        self.weightsFile = weightsFile
    }

    private var hidden: Int { configuration.hidden_size }

    private mutating func build() throws(ONNXError) {
        builder.input("input_ids", .int64, [.named("batch"), .named("sequence")])
        builder.input("attention_mask", .int64, [.named("batch"), .named("sequence")])
        builder.output("logits", .float, [.named("batch"), .named("sequence"), .fixed(configuration.vocab_size)])
        addConstants()
        let shape = builder.node("Shape", ["input_ids"], as: "shape")
        var x = try embeddings()
        let bias = attentionBias(shape: shape)
        for layer in 0..<configuration.num_hidden_layers { x = try self.layer(layer, x, bias: bias) }
        try head(x, shape: shape)
    }

    private mutating func addConstants() {
        let width = hidden / configuration.num_attention_heads
        for (name, number) in [
            ("half", 0.5), ("one", 1), ("sqrt_2", Float(2).squareRoot()), ("zero", 0),
            ("lowest", -Float.greatestFiniteMagnitude), ("scale", 1 / Float(width).squareRoot()),
        ] as [(String, Float)] {
            _ = builder.constant(name, number)
        }
        for (name, number) in [("integer_1", 1), ("padding", configuration.pad_token_id)] {
            _ = builder.constant(name, [number], isScalar: true)
        }
        for (name, numbers) in [
            ("axes_1_2", [1, 2]), ("rows_shape", [-1, hidden]),
            ("heads", [configuration.num_attention_heads, width]), ("vocabulary", [configuration.vocab_size]),
        ] {
            _ = builder.constant(name, numbers)
        }
    }

    /// Position ids as in `create_position_ids_from_input_ids`: tokens are counted from the padding id + 1, and padding is
    /// not counted.
    private mutating func positions() -> String {
        let isPadding = builder.node("Equal", ["input_ids", "padding"], as: "is_padding")
        let isToken = builder.node("Not", [isPadding], as: "is_token")
        let counted = builder.node(
            "Cast", [isToken], [.int("to", GraphBuilder.ElementType.int64.rawValue)], as: "counted")
        let sum = builder.node("CumSum", [counted, "integer_1"], as: "token_count")
        let masked = builder.node("Mul", [sum, counted], as: "masked_token_count")
        return builder.node("Add", [masked, "padding"], as: "position_ids")
    }

    private mutating func embeddings() throws(ONNXError) -> String {
        let name = "roberta.embeddings"
        let words = try weights("\(name).word_embeddings.weight", [configuration.vocab_size, hidden])
        let types = try weights("\(name).token_type_embeddings.weight", [1, hidden])
        let places = try weights("\(name).position_embeddings.weight", [configuration.max_position_embeddings, hidden])
        let word = builder.node("Gather", [words, "input_ids"], as: "word_embeddings")
        let typed = builder.node("Add", [word, types], as: "typed_embeddings")
        let position = builder.node("Gather", [places, positions()], as: "position_embeddings")
        let sum = builder.node("Add", [typed, position], as: "embeddings")
        let rows = builder.node("Reshape", [sum, "rows_shape"], as: "embedding_rows")
        return try layerNorm("\(name).LayerNorm", rows)
    }

    /// What is added to the attention scores, (batch, 1, 1 or sequence, sequence): the lowest float32 for keys that must not
    /// be attended to. It is finite, so that a row without any key yields numbers.
    private mutating func attentionBias(shape: String) -> String {
        let mask = builder.node(
            "Cast", ["attention_mask"], [.int("to", GraphBuilder.ElementType.bool.rawValue)], as: "mask")
        var isAttended = builder.node("Unsqueeze", [mask, "axes_1_2"], as: "key_mask")
        if configuration.is_decoder {
            let first = builder.constant("integer_0", [0], isScalar: true)
            let (row, column) = (builder.constant("axis_0", [0]), builder.constant("axis_1", [1]))
            let length = builder.node("Gather", [shape, "integer_1"], as: "sequence_length")
            let range = builder.node("Range", [first, length, "integer_1"], as: "places")
            let keys = builder.node("Unsqueeze", [range, row], as: "key_places")
            let queries = builder.node("Unsqueeze", [range, column], as: "query_places")
            let causal = builder.node("LessOrEqual", [keys, queries], as: "causal_mask")
            isAttended = builder.node("And", [isAttended, causal], as: "attention_mask_4d")
        }
        _ = builder.node("Concat", [shape, "heads"], [.int("axis", 0)], as: "heads_shape")
        return builder.node("Where", [isAttended, "zero", "lowest"], as: "attention_bias")
    }

    /// One `RobertaLayer`.
    private mutating func layer(_ index: Int, _ x: String, bias: String) throws(ONNXError) -> String {
        let name = "roberta.encoder.layer.\(index)"
        func part(_ suffix: String) -> String { "layer_\(index)_\(suffix)" }
        // (batch, heads, sequence, width), and the keys (batch, heads, width, sequence)
        var split: [String] = []
        for (kind, order) in [("query", [0, 2, 1, 3]), ("key", [0, 2, 3, 1]), ("value", [0, 2, 1, 3])] {
            let y = try linear("\(name).attention.self.\(kind)", hidden, hidden, x)
            let heads = builder.node("Reshape", [y, "heads_shape"], as: part("\(kind)_heads"))
            split.append(builder.node("Transpose", [heads], [.ints("perm", order)], as: part(kind)))
        }
        let products = builder.node("MatMul", [split[0], split[1]], as: part("products"))
        let scaled = builder.node("Mul", [products, "scale"], as: part("scaled_products"))
        let scores = builder.node("Add", [scaled, bias], as: part("scores"))
        let shares = builder.node("Softmax", [scores], [.int("axis", -1)], as: part("attention"))
        let mixed = builder.node("MatMul", [shares, split[2]], as: part("mixed"))
        let joined = builder.node("Transpose", [mixed], [.ints("perm", [0, 2, 1, 3])], as: part("joined"))
        let context = builder.node("Reshape", [joined, "rows_shape"], as: part("context"))

        let attended = try linear("\(name).attention.output.dense", hidden, hidden, context)
        let attendedSum = builder.node("Add", [attended, x], as: part("attended_sum"))
        let attention = try layerNorm("\(name).attention.output.LayerNorm", attendedSum)

        let intermediate = configuration.intermediate_size
        let wide = gelu(try linear("\(name).intermediate.dense", intermediate, hidden, attention))
        let narrow = try linear("\(name).output.dense", hidden, intermediate, wide)
        let sum = builder.node("Add", [narrow, attention], as: part("sum"))
        return try layerNorm("\(name).output.LayerNorm", sum)
    }

    /// `RobertaLMHead`; the weight of a tied decoder is the tensor of the word embeddings.
    private mutating func head(_ x: String, shape: String) throws(ONNXError) {
        let dense = gelu(try linear("lm_head.dense", hidden, hidden, x))
        let normed = try layerNorm("lm_head.layer_norm", dense)
        let decoder =
            configuration.tie_word_embeddings
            ? "roberta.embeddings.word_embeddings.weight"
            : try weights("lm_head.decoder.weight", [configuration.vocab_size, hidden])
        let bias = try weights("lm_head.bias", [configuration.vocab_size])
        let rows = builder.node("Gemm", [normed, decoder, bias], [.int("transB", 1)], as: "logit_rows")
        let logitsShape = builder.node("Concat", [shape, "vocabulary"], [.int("axis", 0)], as: "logits_shape")
        _ = builder.node("Reshape", [rows, logitsShape], as: "logits")
    }

    private mutating func weights(_ name: String, _ shape: [Int]) throws(ONNXError) -> String {
        builder.weights(name, shape: shape, range: try files.range(of: name, shape: shape), in: weightsFile)
        return name
    }

    private mutating func linear(
        _ name: String, _ outputs: Int, _ inputs: Int, _ x: String
    ) throws(ONNXError) -> String {
        let weight = try weights("\(name).weight", [outputs, inputs])
        let bias = try weights("\(name).bias", [outputs])
        return builder.node("Gemm", [x, weight, bias], [.int("transB", 1)], as: name)
    }

    private mutating func layerNorm(_ name: String, _ x: String) throws(ONNXError) -> String {
        let weight = try weights("\(name).weight", [hidden])
        let bias = try weights("\(name).bias", [hidden])
        return builder.node(
            "LayerNormalization", [x, weight, bias],
            [.int("axis", -1), .float("epsilon", configuration.layer_norm_eps)], as: name)
    }

    /// x · ½ · (1 + erf(x / √2)), the form that ONNX Runtime replaces by one operation.
    private mutating func gelu(_ x: String) -> String {
        let divided = builder.node("Div", [x, "sqrt_2"], as: "\(x).divided")
        let erf = builder.node("Erf", [divided], as: "\(x).erf")
        let share = builder.node("Add", [erf, "one"], as: "\(x).share")
        let product = builder.node("Mul", [x, share], as: "\(x).product")
        return builder.node("Mul", [product, "half"], as: "\(x).gelu")
    }
}
