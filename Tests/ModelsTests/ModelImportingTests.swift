import Foundation
import Models
import Testing

/// Import tests that do not need transformers; `make parity` compares imports with transformers itself.
struct ModelImportingTests {
    static func configuration(tied: Bool) -> RobertaConfiguration {
        RobertaConfiguration(
            vocabSize: 48, hiddenSize: 16, numHiddenLayers: 1, numAttentionHeads: 2, intermediateSize: 32,
            maxPositionEmbeddings: 20, isDecoder: false, tieWordEmbeddings: tied)
    }

    @Test(arguments: [true, false], [true, false])
    func importsAllTensorNameVariants(tied: Bool, prefix: Bool) throws {
        let model = RobertaModel.initialized(configuration: Self.configuration(tied: tied), seed: 3)
        try withFolder { folder in
            try ModelDirectory.write(model, to: folder)
            if !prefix {
                let tensors = model.parameters.tensorsToWrite().map { tensor in
                    TensorToWrite(
                        name: tensor.name.replacingOccurrences(of: "roberta.", with: ""), shape: tensor.shape,
                        bytes: tensor.bytes)
                }
                try FileManager.default.removeItem(atPath: "\(folder)/model.safetensors")
                try SafetensorsFile.write(tensors, to: "\(folder)/model.safetensors")
            }
            let imported = try RobertaModel.importing(directory: folder)
            #expect(imported.configuration == model.configuration)
            #expect(Array(imported.parameters.values) == Array(model.parameters.values))
            #expect((imported.parameters.layout.entry("lm_head.decoder.weight") == nil) == tied)
        }
    }

    @Test func rejectsModelWithoutHead() throws {
        let model = RobertaModel.initialized(configuration: Self.configuration(tied: true), seed: 3)
        try withFolder { folder in
            try ModelDirectory.write(model, to: folder)
            try FileManager.default.removeItem(atPath: "\(folder)/model.safetensors")
            try SafetensorsFile.write(
                model.parameters.tensorsToWrite { $0.name.hasPrefix("roberta.") }, to: "\(folder)/model.safetensors")
            let error = #expect(throws: ModelError.self) { try RobertaModel.importing(directory: folder) }
            #expect(error?.reason.contains("RobertaForMaskedLM") == true)
        }
    }

    /// Checkpoints of older transformers versions contain `position_ids` as 64-bit integers.
    @Test func ignoresTensorsOfUnsupportedType() throws {
        try withFolder { folder in
            let header = Array(
                #"{"ids":{"dtype":"I64","shape":[2],"data_offsets":[0,16]},"x":{"dtype":"F32","shape":[1],"data_offsets":[16,20]}}"#
                    .utf8)
            var bytes = withUnsafeBytes(of: UInt64(header.count).littleEndian) { Data($0) } + header
            bytes.append(Data(count: 16))
            withUnsafeBytes(of: Float(2.5)) { bytes.append(contentsOf: $0) }
            try bytes.write(to: URL(filePath: "\(folder)/x"))
            let file = try SafetensorsFile(path: "\(folder)/x")
            #expect(file.tensors.keys.sorted() == ["x"])
            #expect(try TensorSummary("x", in: file).corners == [2.5])
        }
    }

    /// Compares with statistics computed directly from the elements.
    @Test func summaryMatchesDirectComputation() throws {
        let model = RobertaModel.initialized(configuration: Self.configuration(tied: true), seed: 3)
        let name = "roberta.embeddings.word_embeddings.weight"
        let numbers = model.parameters[name]
        numbers[5] = .infinity
        numbers[6] = 0
        try withFolder { folder in
            try ModelDirectory.write(model, to: folder)
            let summary = try TensorSummary(name, in: SafetensorsFile(path: "\(folder)/model.safetensors"))
            let finite = numbers.filter(\.isFinite).map(Double.init)
            let mean = finite.reduce(0, +) / Double(finite.count)
            let variance = finite.reduce(0) { $0 + ($1 - mean) * ($1 - mean) } / Double(finite.count - 1)
            #expect(summary.notFinite == 1)
            #expect(summary.zeros == finite.count { $0 == 0 })
            #expect(summary.minimum == finite.min() && summary.maximum == finite.max())
            #expect(abs(summary.mean - mean) < 1e-9 && abs(summary.standardDeviation - variance.squareRoot()) < 1e-9)
            #expect(summary.rows == [0, 1, 2, 45, 46, 47] && summary.columns == [0, 1, 2, 13, 14, 15])
            #expect(summary.corners[7] == numbers[16 + 1] && summary.corners[35] == numbers[47 * 16 + 15])
        }
    }

    private func withFolder(_ body: (String) throws -> Void) throws {
        let folder = FileManager.default.temporaryDirectory.appending(path: "import-\(UUID().uuidString)").path
        try FileManager.default.createDirectory(atPath: folder, withIntermediateDirectories: true)
        defer { try? FileManager.default.removeItem(atPath: folder) }
        try body(folder)
    }
}
