import Foundation
import Glibc
import Models
import Testing

/// Malicious or invalid model directories must be rejected.
@Suite(.timeLimit(.minutes(15))) struct HostileModelTests {
    static let configuration = RobertaConfiguration(
        vocabSize: 48, hiddenSize: 16, numHiddenLayers: 1, numAttentionHeads: 2, intermediateSize: 32,
        maxPositionEmbeddings: 20, isDecoder: false)

    private func withModel(
        _ configuration: RobertaConfiguration = Self.configuration, _ body: (String) throws -> Void
    ) throws {
        let folder = FileManager.default.temporaryDirectory.appending(path: "hostile-\(UUID().uuidString)").path
        try FileManager.default.createDirectory(atPath: folder, withIntermediateDirectories: true)
        defer { try? FileManager.default.removeItem(atPath: folder) }
        try ModelDirectory.write(RobertaModel.initialized(configuration: configuration, seed: 3), to: folder)
        try body(folder)
    }

    private func edit(_ folder: String, _ key: String, _ value: String) throws {
        let path = "\(folder)/config.json"
        let text = try String(contentsOfFile: path, encoding: .utf8)
        let changed = text.replacing(try Regex("\"\(key)\" : [^,\n]+"), with: "\"\(key)\" : \(value)")
        try #require(changed != text)
        try changed.write(toFile: path, atomically: true, encoding: .utf8)
    }

    private func refusals(_ folder: String) -> [ModelError] {
        var errors: [ModelError] = []
        let ways: [(String) throws -> RobertaModel] = [
            { try RobertaModel.load(directory: $0) }, { try RobertaModel.importing(directory: $0) },
        ]
        for open in ways {
            do {
                _ = try open(folder)
                Issue.record("the model was loaded")
            } catch let error as ModelError {
                errors.append(error)
            } catch {
                Issue.record("\(error)")
            }
        }
        return errors
    }

    @Test(arguments: [
        ("num_hidden_layers", "16777216"), ("num_hidden_layers", "513"), ("num_hidden_layers", "0"),
        ("hidden_size", "131072"), ("hidden_size", "-16"), ("hidden_size", "9223372036854775807"),
        ("intermediate_size", "65537"), ("num_attention_heads", "3"), ("num_attention_heads", "-1"),
        ("vocab_size", "1"), ("vocab_size", "5"), ("vocab_size", "4194305"), ("vocab_size", "-9223372036854775808"),
        ("max_position_embeddings", "3"), ("max_position_embeddings", "4"), ("max_position_embeddings", "2000000"),
        ("layer_norm_eps", "-1e-12"), ("layer_norm_eps", "1e300"), ("hidden_dropout_prob", "1"),
        ("attention_probs_dropout_prob", "-0.5"), ("initializer_range", "1e30"), ("bos_token_id", "7"),
        ("eos_token_id", "-2"), ("pad_token_id", "0"),
    ])
    func rejectsOutOfRangeConfigurationValues(key: String, value: String) throws {
        try withModel { folder in
            try edit(folder, key, value)
            for error in refusals(folder) {
                #expect(error.path.hasSuffix("config.json") && error.reason.contains("`\(key)`"), "\(error)")
            }
        }
    }

    /// Every size is within its range, but the total number of parameters is not.
    @Test func rejectsTooManyParameters() throws {
        try withModel { folder in
            try edit(folder, "hidden_size", "65536")
            try edit(folder, "num_hidden_layers", "512")
            for error in refusals(folder) { #expect(error.reason.contains("parameters"), "\(error)") }
        }
    }

    @Test func rejectsWeightsFileOfWrongSize() throws {
        try withModel { folder in
            let path = "\(folder)/model.safetensors"
            for size in [1 << 40, 1 << 33, 100] {
                // Some file systems do not support sparse files of a terabyte.
                guard truncate(path, off_t(size)) == 0 else { continue }
                for error in refusals(folder) {
                    #expect(error.path == path && error.reason.contains("is \(size) bytes"), "\(error)")
                }
            }
        }
    }

    @Test(arguments: ["config.json", "model.safetensors"], ["pipe", "/dev/zero", "folder"])
    func rejectsNonRegularFiles(file: String, kind: String) throws {
        try withModel { folder in
            let path = "\(folder)/\(file)"
            try FileManager.default.removeItem(atPath: path)
            switch kind {
            case "pipe": try #require(mkfifo(path, 0o600) == 0)
            case "folder": try FileManager.default.createDirectory(atPath: path, withIntermediateDirectories: true)
            default: try #require(symlink(kind, path) == 0)
            }
            for error in refusals(folder) { #expect(error.path == path, "\(error)") }
        }
    }

    /// Headers for 24 bytes of data, and the expected part of the error message.
    @Test(arguments: [
        (
            #"{"a":{"dtype":"F32","shape":[4],"data_offsets":[0,16]},"#
                + #""b":{"dtype":"F32","shape":[4],"data_offsets":[8,24]}}"#,
            "`b`"
        ),
        (
            #"{"a":{"dtype":"F32","shape":[6],"data_offsets":[0,24]},"#
                + #""b":{"dtype":"F32","shape":[6],"data_offsets":[0,24]}}"#,
            "data offsets"
        ),
        (
            #"{"a":{"dtype":"F32","shape":[2],"data_offsets":[0,8]},"#
                + #""b":{"dtype":"F32","shape":[2],"data_offsets":[16,24]}}"#,
            "begin at 8"
        ),
        (#"{"a":{"dtype":"F32","shape":[4],"data_offsets":[0,16]}}"#, "cover 16 of 24"),
        (
            #"{"a":{"dtype":"F32","shape":[3],"data_offsets":[0,12]},"#
                + #""a":{"dtype":"F32","shape":[3],"data_offsets":[12,24]}}"#,
            "`a` occurs twice"
        ),
        (
            #"{"a":{"dtype":"F32","shape":[3],"data_offsets":[0,12]},"#
                + #""\u0061":{"dtype":"F32","shape":[3],"data_offsets":[12,24]}}"#,
            "`a` occurs twice"
        ),
        (
            #"{"__metadata__":{},"#
                + #""__metadata__":{},"a":{"dtype":"F32","shape":[6],"data_offsets":[0,24]}}"#,
            "occurs twice"
        ),
        (#"{"a":{"dtype":"F32","dtype":"F16","shape":[6],"data_offsets":[0,24]}}"#, "once each"),
        (#"{"a":{"dtype":"F32","shape":[6],"data_offsets":[0,24],"x":1}}"#, "`x`"),
        (#"{"a":{"dtype":"F32","shape":[6],"data_offsets":[0]}}"#, "data_offsets"),
        (#"{"a":{"dtype":"F32","shape":[6],"data_offsets":[24,0]}}"#, "data offsets"),
        (#"{"a":{"dtype":"F32","shape":[-6],"data_offsets":[0,24]}}"#, "a non-negative integer"),
        (#"{"a":{"dtype":"F32","shape":[999999999999999999,999999999999999999],"data_offsets":[0,24]}}"#, "shape"),
        (#"{"a":{"dtype":"F32","shape":[9223372036854775808],"data_offsets":[0,24]}}"#, "at byte"),
        (#"{"a":{"dtype":"F32","shape":[1,1,1,1,1,1,1,1,6],"data_offsets":[0,24]}}"#, "at most 8"),
        (#"{"a":{"dtype":"F32","shape":[6],"data_offsets":[0,99999]}}"#, "data offsets"),
        (#"{"a":[[[[[[[[[["#, "at byte"),
        (#"[]"#, "at byte"),
        (#"{"a":{"dtype":"F32","shape":[6],"data_offsets":[0,24]}}x"#, "end"),
        (#"{"a"#, "closing quote"),
        (#"{"a\"#, "closing quote"),
    ])
    func rejectsInconsistentHeaders(header: String, says: String) throws {
        try withModel { folder in
            let path = "\(folder)/x.safetensors"
            var bytes = withUnsafeBytes(of: UInt64(header.utf8.count).littleEndian) { Data($0) } + Data(header.utf8)
            bytes.append(Data(count: 24))
            try bytes.write(to: URL(filePath: path))
            let error = #expect(throws: ModelError.self) { try SafetensorsFile(path: path) }
            #expect(error?.reason.contains(says) == true, "\(String(describing: error))")
        }
    }

    @Test func rejectsOverlongHeader() throws {
        try withModel { folder in
            let path = "\(folder)/x.safetensors"
            let length = UInt64(1 << 24)
            try withUnsafeBytes(of: length.littleEndian) { Data($0) }.write(to: URL(filePath: path))
            try #require(truncate(path, off_t(length) + 8) == 0)
            let error = #expect(throws: ModelError.self) { try SafetensorsFile(path: path) }
            #expect(error?.reason.contains("length is \(length) bytes") == true)
        }
    }

    @Test(arguments: [TensorType.float32, .float16, .bfloat16], ["NaN", "infinity", "-infinity", "3.4e38"])
    func rejectsNonFiniteWeights(type: TensorType, what: String) throws {
        let number: Float =
            switch what {
            case "NaN": .nan
            case "infinity": .infinity
            case "-infinity": -.infinity
            default: 3.4e38
            }
        let model = RobertaModel.initialized(configuration: Self.configuration, seed: 3)
        let name = "roberta.encoder.layer.0.output.dense.weight"
        try withModel { folder in
            model.parameters[name][37] = number
            let path = "\(folder)/model.safetensors"
            try FileManager.default.removeItem(atPath: path)
            var kept: [[UInt8]] = []
            for entry in model.parameters.layout.entries {
                let numbers = Array(model.parameters[entry])
                switch type {
                case .float64: kept.append(numbers.map(Double.init).withUnsafeBytes { Array($0) })
                case .float32: kept.append(numbers.withUnsafeBytes { Array($0) })
                case .float16: kept.append(numbers.map { Float16($0) }.withUnsafeBytes { Array($0) })
                case .bfloat16:
                    // Round to nearest, but keep NaN.
                    let rounded = numbers.map { number in
                        number.isNaN ? UInt16(0x7FC0) : UInt16((number.bitPattern &+ 0x8000) >> 16)
                    }
                    kept.append(rounded.withUnsafeBytes { Array($0) })
                }
            }
            let tensors = zip(model.parameters.layout.entries, kept.indices).map { entry, index in
                TensorToWrite(
                    name: entry.name, type: type, shape: entry.shape,
                    bytes: UnsafeRawBufferPointer(start: pointer(kept, index), count: kept[index].count))
            }
            try SafetensorsFile.write(tensors, to: path)
            for tensor in tensors { tensor.bytes.deallocate() }
            for error in refusals(folder) {
                #expect(
                    error.path == path && error.reason.contains("`\(name)`") && error.reason.contains("at index 37"),
                    "\(error)")
            }
        }
    }

    /// Returns a copy in separately allocated memory.
    private func pointer(_ kept: [[UInt8]], _ index: Int) -> UnsafePointer<UInt8> {
        let copy = UnsafeMutablePointer<UInt8>.allocate(capacity: kept[index].count)
        copy.initialize(from: kept[index], count: kept[index].count)
        return UnsafePointer(copy)
    }

    @Test func acceptsLargestBfloat16Values() throws {
        let model = RobertaModel.initialized(configuration: Self.configuration, seed: 3)
        let name = "lm_head.dense.weight"
        try withModel { folder in
            model.parameters[name][5] = 3.389e38
            model.parameters[name][6] = -3.389e38
            try FileManager.default.removeItem(atPath: folder + "/model.safetensors")
            try SafetensorsFile.write(model.parameters.tensorsToWrite(), to: folder + "/model.safetensors")
            #expect(throws: Never.self) { try SafetensorsFile(path: folder + "/model.safetensors").requireFinite(name) }
        }
    }

    /// Files with the extra tensors that older transformers versions write must be accepted.
    @Test func acceptsExtraTensorsOfTransformers() throws {
        let model = RobertaModel.initialized(configuration: Self.configuration, seed: 3)
        let words = model.parameters["roberta.embeddings.word_embeddings.weight"]
        let (hidden, positions) = (Self.configuration.hiddenSize, Self.configuration.maxPositionEmbeddings)
        let pooler = [Float](repeating: 0, count: hidden * hidden)
        try withModel { folder in
            try FileManager.default.removeItem(atPath: folder + "/model.safetensors")
            try pooler.withUnsafeBytes { pooler in
                try SafetensorsFile.write(
                    model.parameters.tensorsToWrite() + [
                        TensorToWrite(
                            name: "lm_head.decoder.weight", shape: [48, hidden], bytes: UnsafeRawBufferPointer(words)),
                        TensorToWrite(
                            name: "lm_head.decoder.bias", shape: [48],
                            bytes: UnsafeRawBufferPointer(model.parameters["lm_head.bias"])),
                        TensorToWrite(name: "roberta.pooler.dense.weight", shape: [hidden, hidden], bytes: pooler),
                        TensorToWrite(
                            name: "roberta.embeddings.position_ids", shape: [2 * positions],
                            bytes: UnsafeRawBufferPointer(rebasing: pooler[..<(8 * positions)])),
                    ], to: folder + "/model.safetensors")
            }
            #expect(throws: Never.self) { try RobertaModel.importing(directory: folder) }
        }
    }
}
