import Foundation
import Models
import Testing

/// Directories of other software: shards, types, token types. `make parity` compares imports with transformers itself.
struct ForeignWeightsTests {
    private let model = RobertaModel.initialized(configuration: ModelImportingTests.configuration(tied: true), seed: 3)

    @Test func importsShards() throws {
        try withShards { folder in
            let imported = try RobertaModel.importing(directory: folder)
            #expect(Array(imported.parameters.values) == Array(model.parameters.values))
            #expect(try ForeignWeights(directory: folder).differences == [])
        }
    }

    @Test func rejectsIndexesThatDoNotMatchTheShards() throws {
        let first = "model-00001-of-00002.safetensors"
        let second = "model-00002-of-00002.safetensors"
        let bias = "lm_head.bias"
        for (name, edit, expected) in [
            (
                "a tensor in the other shard", { $0[bias] = first },
                "which model.safetensors.index.json lists for \(first)"
            ),
            ("a tensor that is not listed", { $0[bias] = nil }, "which model.safetensors.index.json does not list"),
            ("a tensor in no shard", { $0["x"] = second }, "the tensor `x` is missing"),
            ("a shard that is missing", { $0["x"] = "model-00003-of-00003.safetensors" }, "which is missing"),
            ("a path", { $0[bias] = "../\(second)" }, "expected the name of a .safetensors file"),
            ("a hidden file", { $0[bias] = ".safetensors" }, "expected the name of a .safetensors file"),
            ("a shard that is not listed", { map in map.keys.forEach { map[$0] = first } }, "does not list \(second)"),
            ("no tensor", { $0 = [:] }, "`weight_map` is missing or empty"),
            (
                "many shards", { map in (0..<65).forEach { map["t\($0)"] = "s\($0).safetensors" } },
                "expected at most 64"
            ),
        ] as [(String, (inout [String: String]) -> Void, String)] {
            try withShards { folder in
                let path = URL(filePath: "\(folder)/\(ForeignWeights.indexFile)")
                var index = try #require(
                    try JSONSerialization.jsonObject(with: Data(contentsOf: path)) as? [String: Any])
                var map = try #require(index["weight_map"] as? [String: String])
                edit(&map)
                index["weight_map"] = map
                try JSONSerialization.data(withJSONObject: index).write(to: path)
                #expect(reason(folder).contains(expected), "\(name): \(reason(folder))")
            }
        }
    }

    @Test func rejectsTensorsInTwoShards() throws {
        try withShards { folder in
            let path = "\(folder)/model-00001-of-00002.safetensors"
            try FileManager.default.removeItem(atPath: path)
            try SafetensorsFile.write(
                model.parameters.tensorsToWrite { $0.name.hasPrefix("roberta") || $0.name == "lm_head.bias" }, to: path)
            #expect(reason(folder).contains("has the tensor `lm_head.bias` (F32)"), "\(reason(folder))")
        }
    }

    @Test(arguments: [
        (#"{"weight_map": {"a": "x.safetensors", "a": "y.safetensors"}}"#, "the tensor `a` occurs twice"),
        (#"{"weight_map": {"a": "x.safetensors"}, "weight_map": {}}"#, "`weight_map` occurs twice"),
        (#"{"weight_map": {"a": 1}}"#, "expected “\"”"),
        (#"{"weight_map": {"a": "x.safetensors"}} {}"#, "expected the end of the header"),
        (#"{"metadata": {"total_size": {"deep": 1}}}"#, "expected a string or a number"),
        (#"{"weights": {}}"#, "expected metadata and weight_map"),
        ("[[[[", "expected “{”"), ("", "expected “{”"),
    ])
    func rejectsInvalidIndexes(index: String, expected: String) throws {
        try withShards { folder in
            try Data(index.utf8).write(to: URL(filePath: "\(folder)/\(ForeignWeights.indexFile)"))
            #expect(reason(folder).contains(expected), "\(reason(folder))")
        }
    }

    @Test func rejectsShardsBesideWholeWeights() throws {
        try withShards { folder in
            try SafetensorsFile.write(model.parameters.tensorsToWrite(), to: "\(folder)/model.safetensors")
            #expect(reason(folder).contains("but there is a model.safetensors too"))
        }
    }

    /// One float64 tensor is rounded; a number that float32 cannot hold is refused.
    @Test func roundsDoubles() throws {
        try withFolder { folder in
            func write(_ number: Double) throws {
                try? FileManager.default.removeItem(atPath: "\(folder)/model.safetensors")
                let name = "roberta.encoder.layer.0.output.dense.bias"
                var doubles = model.parameters[name].map(Double.init)
                doubles[3] = number
                try doubles.withUnsafeBytes { bytes in
                    let tensors = model.parameters.tensorsToWrite().map { tensor in
                        guard tensor.name == name else { return tensor }
                        return TensorToWrite(name: name, type: .float64, shape: tensor.shape, bytes: bytes)
                    }
                    try SafetensorsFile.write(tensors, to: "\(folder)/model.safetensors")
                }
            }
            try ModelDirectory.write(model, to: folder)
            try write(1 / 3)
            let imported = try RobertaModel.importing(directory: folder)
            #expect(imported.parameters["roberta.encoder.layer.0.output.dense.bias"][3] == Float(1.0 / 3))
            let differences = try ForeignWeights(directory: folder).differences
            #expect(differences.first?.hasPrefix("1 of 26 tensors are F64") == true, "\(differences)")
            for number in [1e300, .nan, -.infinity] {
                try write(number)
                #expect(reason(folder).contains("not finite, or too large"), "\(number)")
            }
        }
    }

    /// Of two token types, transformers' default, the first is used.
    @Test(arguments: [2, nil, 1, 0, 65])
    func readsTheFirstTokenType(typeVocabSize: Int?) throws {
        try withFolder { folder in
            try ModelDirectory.write(model, to: folder)
            let path = URL(filePath: "\(folder)/config.json")
            let text = try String(contentsOf: path, encoding: .utf8)
            let key = #""type_vocab_size" : 1,"#
            #expect(text.contains(key))
            try text.replacingOccurrences(of: key, with: typeVocabSize.map { #""type_vocab_size" : \#($0),"# } ?? "")
                .write(
                    to: path, atomically: true, encoding: .utf8)
            try FileManager.default.removeItem(atPath: "\(folder)/model.safetensors")
            let name = "roberta.embeddings.token_type_embeddings.weight"
            let rows = Array(model.parameters[name]) + [Float](repeating: 9, count: 16)
            try rows.withUnsafeBytes { bytes in
                let tensors = model.parameters.tensorsToWrite().map { tensor in
                    tensor.name == name ? TensorToWrite(name: name, shape: [2, 16], bytes: bytes) : tensor
                }
                try SafetensorsFile.write(tensors, to: "\(folder)/model.safetensors")
            }
            switch typeVocabSize {
            case 2, nil:
                let imported = try RobertaModel.importing(directory: folder)
                #expect(Array(imported.parameters.values) == Array(model.parameters.values))
                #expect(
                    try ForeignWeights(directory: folder).differences.first?.hasPrefix("type_vocab_size is 2") == true)
                let again = folder + "/again"
                try FileManager.default.createDirectory(atPath: again, withIntermediateDirectories: true)
                try ModelDirectory.write(imported, to: again)
                #expect(try String(contentsOfFile: again + "/config.json", encoding: .utf8).contains(key))
            case 1: #expect(reason(folder).contains("has shape [2, 16], expected [1, 16]"))
            default: #expect(reason(folder).contains("expected 1 to 64"))
            }
        }
    }

    @Test func namesMissingKeysAsInTheFile() throws {
        try withFolder { folder in
            try ModelDirectory.write(model, to: folder)
            let path = URL(filePath: "\(folder)/config.json")
            let text = try String(contentsOf: path, encoding: .utf8)
            for (line, expected) in [
                (#""model_type" : "roberta","#, "`model_type` is missing; if this is a RoBERTa model"),
                (#""num_hidden_layers" : 1,"#, "`num_hidden_layers` is missing"),
            ] {
                #expect(text.contains(line))
                try text.replacingOccurrences(of: line, with: "").write(to: path, atomically: true, encoding: .utf8)
                #expect(reason(folder).contains(expected), "\(reason(folder))")
            }
        }
    }

    private func reason(_ folder: String) -> String {
        do throws(ModelError) {
            _ = try RobertaModel.importing(directory: folder)
            return "nothing was thrown"
        } catch { return error.reason }
    }

    /// Two shards: the encoder and the head.
    private func withShards(_ body: (String) throws -> Void) throws {
        try withFolder { folder in
            try ModelDirectory.write(model, to: folder)
            try FileManager.default.removeItem(atPath: "\(folder)/model.safetensors")
            var map: [String: String] = [:]
            for (number, prefix) in [(1, "roberta."), (2, "lm_head.")] {
                let name = "model-0000\(number)-of-00002.safetensors"
                let tensors = model.parameters.tensorsToWrite { $0.name.hasPrefix(prefix) }
                for tensor in tensors { map[tensor.name] = name }
                try SafetensorsFile.write(tensors, to: "\(folder)/\(name)")
            }
            let index: [String: Any] = ["metadata": ["total_size": 1, "total_parameters": 2.5], "weight_map": map]
            try JSONSerialization.data(withJSONObject: index).write(
                to: URL(filePath: "\(folder)/\(ForeignWeights.indexFile)"))
            try body(folder)
        }
    }

    private func withFolder(_ body: (String) throws -> Void) throws {
        let folder = FileManager.default.temporaryDirectory.appending(path: "foreign-\(UUID().uuidString)").path
        try FileManager.default.createDirectory(atPath: folder, withIntermediateDirectories: true)
        defer { try? FileManager.default.removeItem(atPath: folder) }
        try body(folder)
    }
}
