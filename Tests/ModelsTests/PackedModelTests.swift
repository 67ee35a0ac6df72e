import Foundation
import Kernels
import Models
import Parity
import Testing

/// The model that serves, against transformers' logits and against itself in other company.
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

    /// In float32 within the rounding of another order of sums. In bfloat16 each factor is off by at most 2⁻⁹ of itself and
    /// in int8 by 1/254 of its row's largest, which in rows of normal numbers is about three times their deviation: per
    /// layer some 0.3 % and 1.5 % of a logit's spread, of which four layers' worth, at random signs, are allowed twice.
    @Test(
        arguments: ["mlm", "clm"], [(.float32, 1e-4), (.bfloat16, 0.012), (.int8, 0.06)] as [(WeightPrecision, Double)])
    func logitsAreThoseOfTransformers(objective: String, allowed: (precision: WeightPrecision, error: Double)) throws {
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
    func chosenRowsAreThoseOfAll(precision: WeightPrecision) throws {
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

    /// Bit for bit, with the orders of sums of a sequence alone, however many there are.
    @Test(arguments: WeightPrecision.allCases, [4, 20])
    func aBatchGivesEachSequenceWhatItGetsAlone(precision: WeightPrecision, length: Int) throws {
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

    /// A prompt in parts and a token at a time is the whole sequence at once.
    @Test func cacheAgreesWithWholeSequence() throws {
        let (folder, model) = try Self.model("clm", .float32)
        let ids = Array(folder.inputIDs[folder.sequenceOffsets[3]..<folder.sequenceOffsets[4]])
        let whole = model.logits(inputIDs: ids, sequenceOffsets: [0, ids.count], rows: [ids.count - 2, ids.count - 1])
        let cache = model.makeKeyValueCache(capacity: ids.count)
        let memory = DecoderMemory(model)
        #expect(model.prefill(Array(ids[..<3]), cache: cache, isLast: false).isEmpty)
        let prompt = model.prefill(Array(ids[3..<ids.count - 1]), cache: cache)
        let last = model.decode([([ids[ids.count - 1]], cache)], in: memory)
        let vocabulary = folder.configuration.vocabSize
        for id in 0..<vocabulary {
            #expect(abs(whole[id] - prompt[id]) < 1e-4)
            #expect(abs(whole[vocabulary + id] - last.row(0)[id]) < 1e-4)
        }
    }

    /// Bit for bit: what a sequence gets must not depend on who else is in the step, nor on its place there. Some begin with
    /// their prompt while others are beyond it.
    @Test(arguments: WeightPrecision.allCases)
    func aStepGivesEachSequenceWhatItGetsAlone(precision: WeightPrecision) throws {
        let (folder, model) = try Self.model("clm", precision)
        let (memory, vocabulary) = (DecoderMemory(model), folder.configuration.vocabSize)
        func id(_ sequence: Int, _ place: Int) -> Int32 { Int32(5 + (31 * sequence + 17 * place) % 300) }
        // Prompts of 1 to 16 tokens, and then three, one at a time.
        let parts: [[[Int32]]] = (0..<PackedModel.largestBatch).map { index in
            let length = 1 + (5 * index) % SumOrder.straightRows
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
            // The odd ones are a step ahead.
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

    @Test func aTensorThatIsMissingIsNamed() throws {
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
