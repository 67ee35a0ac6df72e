import Foundation
import Models
import Testing

@Suite struct ModelDirectoryTests {
    static let configuration = RobertaConfiguration(
        vocabSize: 70, hiddenSize: 16, numHiddenLayers: 1, numAttentionHeads: 2, intermediateSize: 24,
        maxPositionEmbeddings: 20, isDecoder: true)

    private func withDirectory(_ body: (String) throws -> Void) throws {
        let url = FileManager.default.temporaryDirectory.appendingPathComponent("model-\(UUID().uuidString)")
        try FileManager.default.createDirectory(at: url, withIntermediateDirectories: true)
        defer { try? FileManager.default.removeItem(at: url) }
        try body(url.path)
    }

    @Test func modelRoundTrips() throws {
        let model = RobertaModel.initialized(configuration: Self.configuration, seed: 5)
        try withDirectory { directory in
            try ModelDirectory.write(model, to: directory)
            let loaded = try RobertaModel.load(directory: directory)
            #expect(loaded.configuration == model.configuration)
            #expect(Array(loaded.parameters.values) == Array(model.parameters.values))
            let file = try SafetensorsFile(path: "\(directory)/model.safetensors")
            #expect(file.metadata == ["format": "pt"])
            #expect(file.tensors["lm_head.decoder.weight"] == nil)
            #expect(file.tensors["lm_head.decoder.bias"]?.shape == [model.configuration.vocabSize])
        }
    }

    @Test func initializationIsNormalAndReproducible() {
        let one = RobertaModel.initialized(configuration: Self.configuration, seed: 5)
        let same = RobertaModel.initialized(configuration: Self.configuration, seed: 5)
        let other = RobertaModel.initialized(configuration: Self.configuration, seed: 6)
        #expect(Array(one.parameters.values) == Array(same.parameters.values))
        #expect(Array(one.parameters.values) != Array(other.parameters.values))
        let words = one.parameters["roberta.embeddings.word_embeddings.weight"]
        let deviation = (words.reduce(0) { $0 + $1 * $1 } / Float(words.count)).squareRoot()
        #expect(abs(deviation - 0.02) < 0.002)
        #expect(words[16..<32].allSatisfy { $0 == 0 })
        #expect(one.parameters["lm_head.layer_norm.weight"].allSatisfy { $0 == 1 })
        #expect(one.parameters["lm_head.bias"].allSatisfy { $0 == 0 })
    }

    @Test func rejectsTruncatedWeights() throws {
        let model = RobertaModel.initialized(configuration: Self.configuration, seed: 5)
        try withDirectory { directory in
            try ModelDirectory.write(model, to: directory)
            let path = "\(directory)/model.safetensors"
            let whole = try Data(contentsOf: URL(fileURLWithPath: path))
            for length in [0, 7, 8, 9, 100, whole.count / 2, whole.count - 1] {
                try whole.prefix(length).write(to: URL(fileURLWithPath: path))
                #expect(throws: ModelError.self, "\(length) of \(whole.count) bytes") {
                    try RobertaModel.load(directory: directory)
                }
            }
        }
    }

    @Test(arguments: [
        ("hidden_size", "15", "hidden_size"), ("hidden_act", "\"relu\"", "hidden_act"),
        ("model_type", "\"bert\"", "model_type"), ("vocab_size", "71", "word_embeddings"),
        ("num_hidden_layers", "2", "layer.1"), ("num_attention_heads", "0", "num_attention_heads"),
        ("type_vocab_size", "2", "type_vocab_size"), ("vocab_size", "\"many\"", "vocab_size"),
    ])
    func rejectsMismatchedConfiguration(key: String, value: String, named: String) throws {
        let model = RobertaModel.initialized(configuration: Self.configuration, seed: 5)
        try withDirectory { directory in
            try ModelDirectory.write(model, to: directory)
            let path = "\(directory)/config.json"
            let text = try String(contentsOfFile: path, encoding: .utf8)
            let changed = text.replacing(
                try Regex("\"\(key)\" : [^,\n]+"), with: "\"\(key)\" : \(value)")
            #expect(changed != text)
            try changed.write(toFile: path, atomically: true, encoding: .utf8)
            let error = #expect(throws: ModelError.self) { try RobertaModel.load(directory: directory) }
            #expect(error?.description.contains(named) == true, "\(String(describing: error))")
        }
    }
}
