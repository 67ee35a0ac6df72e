/// Name, shape and offset of every tensor, in Hugging Face's order. Files, gradients and moments all use this layout.
public struct ParameterLayout: Sendable, Equatable {
    public struct Entry: Sendable, Equatable {
        public let name: String
        public let shape: [Int]
        /// Offset of the tensor in the arena, in floats.
        public let offset: Int
        /// Number of elements.
        public let count: Int

        /// Whether weight decay applies: not to biases and LayerNorms.
        public var isDecayed: Bool {
            !name.hasSuffix("bias") && !name.contains("LayerNorm") && !name.contains("layer_norm")
        }
    }

    public let entries: [Entry]
    /// Number of parameters of the model.
    public let count: Int
    /// Size of the arena in floats. Each tensor begins on a cache line; the gaps are zero.
    public let storageCount: Int
    private let indexes: [String: Int]

    public init(_ configuration: RobertaConfiguration) {
        let hidden = configuration.hiddenSize
        let intermediate = configuration.intermediateSize
        var shapes: [(String, [Int])] = [
            ("roberta.embeddings.word_embeddings.weight", [configuration.vocabSize, hidden]),
            ("roberta.embeddings.position_embeddings.weight", [configuration.maxPositionEmbeddings, hidden]),
            ("roberta.embeddings.token_type_embeddings.weight", [1, hidden]),
            ("roberta.embeddings.LayerNorm.weight", [hidden]),
            ("roberta.embeddings.LayerNorm.bias", [hidden]),
        ]
        func linear(_ name: String, _ output: Int, _ input: Int) {
            shapes += [("\(name).weight", [output, input]), ("\(name).bias", [output])]
        }
        func layerNorm(_ name: String) { shapes += [("\(name).weight", [hidden]), ("\(name).bias", [hidden])] }
        for index in 0..<configuration.numHiddenLayers {
            let layer = "roberta.encoder.layer.\(index)"
            linear("\(layer).attention.self.query", hidden, hidden)
            linear("\(layer).attention.self.key", hidden, hidden)
            linear("\(layer).attention.self.value", hidden, hidden)
            linear("\(layer).attention.output.dense", hidden, hidden)
            layerNorm("\(layer).attention.output.LayerNorm")
            linear("\(layer).intermediate.dense", intermediate, hidden)
            linear("\(layer).output.dense", hidden, intermediate)
            layerNorm("\(layer).output.LayerNorm")
        }
        shapes.append(("lm_head.bias", [configuration.vocabSize]))
        linear("lm_head.dense", hidden, hidden)
        layerNorm("lm_head.layer_norm")
        if !configuration.tieWordEmbeddings {
            shapes.append((Self.decoder(configuration), [configuration.vocabSize, hidden]))
        }
        self.init(shapes)
    }

    /// Returns the name of the weight that produces the logits.
    static func decoder(_ configuration: RobertaConfiguration) -> String {
        configuration.tieWordEmbeddings ? "roberta.embeddings.word_embeddings.weight" : "lm_head.decoder.weight"
    }

    /// Returns a layout of the tensors that satisfy `isWanted`, in the same order.
    public func filter(_ isWanted: (Entry) -> Bool) -> ParameterLayout {
        ParameterLayout(entries.filter(isWanted).map { ($0.name, $0.shape) })
    }

    private init(_ shapes: [(String, [Int])]) {
        var entries: [Entry] = []
        var offset = 0
        for (name, shape) in shapes {
            let count = shape.reduce(1, *)
            entries.append(Entry(name: name, shape: shape, offset: offset, count: count))
            offset += (count + 15) & ~15
        }
        self.entries = entries
        count = entries.reduce(0) { $0 + $1.count }
        storageCount = offset
        indexes = Dictionary(uniqueKeysWithValues: entries.enumerated().map { ($1.name, $0) })
    }

    /// Returns the tensor with the given name, or nil.
    public func entry(_ name: String) -> Entry? { indexes[name].map { entries[$0] } }
}
