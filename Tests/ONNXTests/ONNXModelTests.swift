import Crypto
import Foundation
import Models
import ONNX
import Testing

/// Decodes written files by their structure; `make parity` runs them with ONNX Runtime (Tests/Parity/onnx_parity.py).
struct ONNXModelTests {
    private static func configuration(isDecoder: Bool, tied: Bool) -> RobertaConfiguration {
        RobertaConfiguration(
            vocabSize: 48, hiddenSize: 16, numHiddenLayers: 2, numAttentionHeads: 2, intermediateSize: 32,
            maxPositionEmbeddings: 20, isDecoder: isDecoder, tieWordEmbeddings: tied)
    }

    /// A model whose numbers depend on no library.
    private static func model(isDecoder: Bool, tied: Bool) -> RobertaModel {
        let configuration = configuration(isDecoder: isDecoder, tied: tied)
        let parameters = Parameters(layout: ParameterLayout(configuration))
        for (index, entry) in parameters.layout.entries.enumerated() {
            let numbers = parameters[entry]
            for place in numbers.indices { numbers[place] = Float((place * 7 + index) % 31 - 15) / 16 }
        }
        return RobertaModel(configuration: configuration, parameters: parameters)
    }

    @Test(arguments: [(false, true), (true, true), (false, false), (true, false)], [false, true])
    func fileIsACompleteGraph(_ kind: (isDecoder: Bool, tied: Bool), isWhole: Bool) throws {
        let model = Self.model(isDecoder: kind.isDecoder, tied: kind.tied)
        try withFolder { folder in
            try ModelDirectory.write(model, to: folder)
            let path = "\(folder)/model.onnx"
            let isCopied = try ONNXModel.write(
                from: folder, to: path, version: "1", limit: isWhole ? ONNXModel.largestFile : 30_000)
            #expect(isCopied == isWhole)
            let file = try ProtobufReader([UInt8](Data(contentsOf: URL(filePath: path)))[...])
            #expect(file.integers(1) == [8] && file.texts(2) == ["kantaibert"] && file.texts(3) == ["1"])
            let operators = try file.messages(8)
            #expect(operators.map { $0.texts(1) + $0.integers(2).map(String.init) } == [["", "17"]])
            let graph = try #require(try file.messages(7).first)
            try expectShapes(of: graph)

            // Every input is known before it is used, every name is given once, and every constant is used.
            let tensors = try graph.messages(5)
            var known = Set(try graph.messages(11).flatMap { $0.texts(1) } + tensors.flatMap { $0.texts(8) })
            #expect(known.count == 2 + tensors.count)
            var used: Set<String> = []
            let nodes = try graph.messages(1)
            for node in nodes {
                #expect(known.isSuperset(of: node.texts(1)), "\(node.texts(3)) of \(node.texts(1))")
                used.formUnion(node.texts(1))
                for output in node.texts(2) { #expect(known.insert(output).inserted, "\(output) twice") }
            }
            #expect(known.subtracting(used) == ["logits"])
            #expect(Set(nodes.flatMap { $0.texts(4) }).contains("LessOrEqual") == kind.isDecoder)

            // The numbers are those of the model, in the file or in model.safetensors.
            let weights = [UInt8](try Data(contentsOf: URL(filePath: "\(folder)/model.safetensors")))
            let byName = Dictionary(uniqueKeysWithValues: tensors.map { ($0.texts(8)[0], $0) })
            for entry in model.parameters.layout.entries {
                let tensor = try #require(byName[entry.name], "\(entry.name)")
                #expect(tensor.integers(1) == entry.shape && tensor.integers(2) == [1], "\(entry.name)")
                let found: ArraySlice<UInt8>
                if isWhole {
                    found = try #require(tensor.bytes(9).first)
                } else {
                    #expect(tensor.integers(14) == [1] && tensor.bytes(9).isEmpty)
                    let place = Dictionary(
                        uniqueKeysWithValues: try tensor.messages(13).map { ($0.texts(1)[0], $0.texts(2)[0]) })
                    #expect(place["location"] == "model.safetensors")
                    let (offset, length) = (Int(place["offset"] ?? "") ?? 0, Int(place["length"] ?? "") ?? 0)
                    found = weights[offset..<offset + length]
                }
                #expect(found.elementsEqual(UnsafeRawBufferPointer(model.parameters[entry])), "\(entry.name)")
            }
        }
    }

    /// Batch and sequence have names instead of sizes.
    private func expectShapes(of graph: ProtobufReader) throws {
        func shapes(_ field: Int) throws -> [String: [String]] {
            var shapes: [String: [String]] = [:]
            for value in try graph.messages(field) {
                let tensor = try value.messages(2)[0].messages(1)[0]
                let extents = try tensor.messages(2)[0].messages(1).map {
                    $0.texts(2) + $0.integers(1).map(String.init)
                }
                shapes[value.texts(1)[0]] = tensor.integers(1).map(String.init) + extents.flatMap(\.self)
            }
            return shapes
        }
        #expect(
            try shapes(11) == [
                "input_ids": ["7", "batch", "sequence"], "attention_mask": ["7", "batch", "sequence"],
            ])
        #expect(try shapes(12) == ["logits": ["1", "batch", "sequence", "48"]])
    }

    /// The digest of a file that agreed with transformers in ONNX Runtime 1.32 within 1e-5. If the graph changes, run
    /// Tests/Parity/onnx_parity.py and replace it.
    @Test(arguments: [
        (false, "1d5a7c6a1a21d7a8a23acba27f55a368584e9a2b8eaad1b256914d179c9eaa7c"),
        (true, "4379149dfd822348f2361d34fe3d03beda9c24d39bd6d76ab4fc915b22f3165c"),
    ])
    func fileIsUnchanged(isDecoder: Bool, digest: String) throws {
        try withFolder { folder in
            try ModelDirectory.write(Self.model(isDecoder: isDecoder, tied: true), to: folder)
            try ONNXModel.write(from: folder, to: "\(folder)/model.onnx", version: "1")
            let bytes = try Data(contentsOf: URL(filePath: "\(folder)/model.onnx"))
            #expect(SHA256.hash(data: bytes).map { String(format: "%02x", $0) }.joined() == digest)
        }
    }

    @Test func rejectsUnsuitableDirectoriesAndLeavesNoFile() throws {
        try withFolder { folder in
            let path = "\(folder)/model.onnx"
            func reason(_ limit: Int = ONNXModel.largestFile) -> String {
                do throws(ONNXError) {
                    try ONNXModel.write(from: folder, to: path, version: "1", limit: limit)
                    return "nothing was thrown"
                } catch { return error.reason }
            }
            #expect(reason() == "No such file or directory")
            try ModelDirectory.write(Self.model(isDecoder: false, tied: true), to: folder)
            #expect(reason(1_000).contains("expected at most 1000"))
            // A file that exists is not replaced.
            try Data("mine".utf8).write(to: URL(filePath: path))
            #expect(throws: ONNXError.self) { try ONNXModel.write(from: folder, to: path, version: "1") }
            try FileManager.default.removeItem(atPath: path)

            let configuration = URL(filePath: "\(folder)/config.json")
            let text = try String(contentsOf: configuration, encoding: .utf8)
            for (old, new, expected) in [
                (#""hidden_size" : 16"#, #""hidden_size" : 32"#, "of shape"),
                (#""hidden_size" : 16"#, #""hidden_size" : -2"#, "out of range"),
                (#""num_hidden_layers" : 2"#, #""num_hidden_layers" : 513"#, "out of range"),
                (#""num_attention_heads" : 2"#, #""num_attention_heads" : 0"#, "out of range"),
                (#""vocab_size" : 48"#, #""vocab_size" : 9223372036854775807"#, "out of range"),
            ] {
                #expect(text.contains(old))
                try text.replacingOccurrences(of: old, with: new).write(
                    to: configuration, atomically: true, encoding: .utf8)
                #expect(reason().contains(expected), "\(new)")
            }
            try text.write(to: configuration, atomically: true, encoding: .utf8)
            let weights = URL(filePath: "\(folder)/model.safetensors")
            let whole = try Data(contentsOf: weights)
            for damaged in [Data(), whole.prefix(7), Data(repeating: 0xFF, count: 100), whole.dropLast(4)] {
                try damaged.write(to: weights)
                #expect(reason() != "nothing was thrown")
                #expect(!FileManager.default.fileExists(atPath: path))
            }
        }
    }

    private func withFolder(_ body: (String) throws -> Void) throws {
        let folder = FileManager.default.temporaryDirectory.appending(path: "onnx-\(UUID().uuidString)").path
        try FileManager.default.createDirectory(atPath: folder, withIntermediateDirectories: true)
        defer { try? FileManager.default.removeItem(atPath: folder) }
        try body(folder)
    }
}
