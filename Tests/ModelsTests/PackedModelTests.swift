import Foundation
import Kernels
import Models
import Parity
import Testing

/// Compares the serving model with transformers' logits, and batched with single-sequence results.
@Suite struct PackedModelTests {
    static func model(_ objective: String, _ precision: WeightPrecision) throws -> (GoldenFolder, PackedModel) {
        let folder = try ReferenceTests.folder(objective)
        let file = try SafetensorsFile(path: "\(folder.path)/model/model.safetensors")
        let layout = PackedLayout(folder.configuration, precision)
        let arena = Arena(bytes: layout.bytes)
        let base = UnsafeMutableRawPointer(arena.take(UInt8.self, layout.bytes))
        try layout.pack(file, into: base)
        let model = try PackedModel(
            configuration: folder.configuration, file: file, layout: layout, base: base, memory: arena)
        return (folder, model)
    }

    /// In float32, only the summation order differs. In bfloat16 the error of an operand is at most 2⁻⁹ of its value,
    /// and in int8 1/254 of the row's maximum, which for normally distributed rows is about three standard deviations:
    /// per layer about 0.3 % and 1.5 % of the logits' standard deviation. The tolerance is twice the error of four
    /// layers with random signs.
    @Test(
        arguments: ["mlm", "clm"], [(.float32, 1e-4), (.bfloat16, 0.012), (.int8, 0.06)] as [(WeightPrecision, Double)])
    func logitsMatchTransformers(objective: String, allowed: (precision: WeightPrecision, error: Double)) throws {
        let (folder, model) = try Self.model(objective, allowed.precision)
        let expected = try ParityCheck.expectedLogits(folder)
        let found = model.logits(
            inputIDs: folder.inputIDs, sequenceOffsets: folder.sequenceOffsets, rows: Array(folder.inputIDs.indices))
        #expect(found.count == expected.count)
        let largest = zip(found, expected).map { Double(abs($0 - $1)) }.max()!
        let mean = expected.reduce(0) { $0 + Double($1) } / Double(expected.count)
        let spread = (expected.reduce(0) { $0 + pow(Double($1) - mean, 2) } / Double(expected.count)).squareRoot()
        let rms = (zip(found, expected).reduce(0) { $0 + pow(Double($1.0 - $1.1), 2) } / Double(found.count))
            .squareRoot()
        if allowed.precision == .float32 {
            #expect(largest <= allowed.error)
        } else {
            #expect(rms / spread <= allowed.error, "\(rms) of \(spread), at most \(largest)")
            #expect(rms > 0)
        }
    }

    @Test(arguments: WeightPrecision.allCases)
    func selectedRowsMatchFullPass(precision: WeightPrecision) throws {
        let (folder, model) = try Self.model("mlm", precision)
        let range = folder.sequenceOffsets[0]..<folder.sequenceOffsets[1]
        let ids = Array(folder.inputIDs[range])
        let all = model.logits(inputIDs: ids, sequenceOffsets: [0, ids.count], rows: Array(ids.indices))
        let some = model.logits(inputIDs: ids, sequenceOffsets: [0, ids.count], rows: [3, 0, 3])
        let vocabulary = folder.configuration.vocabSize
        for (index, row) in [3, 0, 3].enumerated() {
            for id in 0..<vocabulary {
                #expect(abs(some[index * vocabulary + id] - all[row * vocabulary + id]) < 1e-4)
            }
        }
    }

    /// Requires bit-identical results with a single sequence's accumulation orders, for any batch size.
    @Test(arguments: WeightPrecision.allCases, [4, 20])
    func batchedLogitsAreBitIdenticalToSingleSequence(precision: WeightPrecision, length: Int) throws {
        let (folder, model) = try Self.model("mlm", precision)
        let orders = SumOrders(tokens: length, rows: 1)
        func id(_ sequence: Int, _ place: Int) -> Int32 { Int32(5 + (31 * sequence + 17 * place) % 300) }
        let sequences = (0..<21).map { sequence in (0..<length).map { id(sequence, $0) } }
        let masks = sequences.indices.map { $0 % length }
        let alone: [[Float]] = zip(sequences, masks).map { ids, mask in
            model.logits(inputIDs: ids, sequenceOffsets: [0, length], rows: [mask])
        }
        #expect(Set(alone).count == sequences.count)
        for size in [2, 5, 16, 17, sequences.count] {
            let together = model.logits(
                inputIDs: Array(sequences[..<size].joined()), sequenceOffsets: (0...size).map { $0 * length },
                rows: (0..<size).map { $0 * length + masks[$0] }, orders: orders)
            #expect(together == Array(alone[..<size].joined()), "\(size) of \(folder.configuration.vocabSize)")
        }
    }

    /// Prefilling in parts and decoding token by token must match a pass over the whole sequence.
    @Test func cachedDecodingMatchesFullPass() throws {
        let (folder, model) = try Self.model("clm", .float32)
        let ids = Array(folder.inputIDs[folder.sequenceOffsets[3]..<folder.sequenceOffsets[4]])
        let whole = model.logits(inputIDs: ids, sequenceOffsets: [0, ids.count], rows: [ids.count - 2, ids.count - 1])
        let cache = model.makeKeyValueCache(capacity: ids.count)
        let memory = DecodeWorkspace(model)
        #expect(model.prefill(Array(ids[..<3]), cache: cache, isLast: false).isEmpty)
        let prompt = model.prefill(Array(ids[3..<ids.count - 1]), cache: cache)
        let last = model.decode([([ids[ids.count - 1]], cache)], in: memory)
        let vocabulary = folder.configuration.vocabSize
        for id in 0..<vocabulary {
            #expect(abs(whole[id] - prompt[id]) < 1e-4)
            #expect(abs(whole[vocabulary + id] - last.row(0)[id]) < 1e-4)
        }
    }

    /// Requires results that are bit-identical regardless of the other sequences and the position in the batch. Some
    /// sequences start with their prompt while others are already past it.
    @Test(arguments: WeightPrecision.allCases)
    func batchedDecodingIsBitIdenticalToSingleSequence(precision: WeightPrecision) throws {
        let (folder, model) = try Self.model("clm", precision)
        let (memory, vocabulary) = (DecodeWorkspace(model), folder.configuration.vocabSize)
        func id(_ sequence: Int, _ place: Int) -> Int32 { Int32(5 + (31 * sequence + 17 * place) % 300) }
        // Prompts of 1 to 16 tokens, followed by three single tokens.
        let parts: [[[Int32]]] = (0..<PackedModel.largestBatch).map { index in
            let length = 1 + (5 * index) % AccumulationOrder.straightRows
            return [(0..<length).map { id(index, $0) }] + (0..<3).map { [id(index, length + $0)] }
        }
        func cache(_ index: Int) -> KeyValueCache {
            model.makeKeyValueCache(capacity: parts[index].reduce(0) { $0 + $1.count })
        }
        func logits(_ all: Matrix, _ row: Int) -> [Float] {
            Array(UnsafeBufferPointer(start: all.row(row), count: vocabulary))
        }
        let alone = parts.indices.map { index in
            let cache = cache(index)
            return [model.prefill(parts[index][0], cache: cache)]
                + parts[index][1...].map { logits(model.decode([($0, cache)], in: memory), 0) }
        }
        for size in [2, 3, 8, 9, PackedModel.largestBatch] {
            let caches = (0..<size).map { cache($0) }
            // Sequences with an odd index are one step ahead.
            for index in stride(from: 1, to: size, by: 2) { _ = model.prefill(parts[index][0], cache: caches[index]) }
            for step in 0..<3 {
                let members = Array((0..<size).reversed())
                let together = model.decode(
                    members.map { (parts[$0][step + $0 % 2], caches[$0]) }, in: memory)
                for (row, index) in members.enumerated() {
                    #expect(
                        logits(together, row) == alone[index][step + index % 2], "\(index) of \(size), step \(step)")
                }
            }
        }
    }

    @Test func missingTensorErrorNamesTensor() throws {
        let folder = try ReferenceTests.folder("clm")
        var configuration = folder.configuration
        configuration.numHiddenLayers += 1
        let file = try SafetensorsFile(path: "\(folder.path)/model/model.safetensors")
        let layout = PackedLayout(configuration, .float32)
        let arena = Arena(bytes: layout.bytes)
        let base = UnsafeMutableRawPointer(arena.take(UInt8.self, layout.bytes))
        #expect {
            _ = try PackedModel(configuration: configuration, file: file, layout: layout, base: base, memory: arena)
        } throws: { error in
            (error as? ModelError)?.reason.contains("roberta.encoder.layer.2.") ?? false
        }
    }
}
