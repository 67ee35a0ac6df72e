import Inference
import Kernels
import Testing

/// Many sentences with masks at once.
@Suite struct MaskBatchTests {
    /// Some of few tokens and some of many, some with few masks and some with many: the four ways that sums are taken.
    static func text(_ index: Int) -> String {
        let masks = String(repeating: "<mask>", count: [1, 2, 20][index % 3])
        let words = String(repeating: "7", count: [1, 9, 30][(index / 3) % 3])
        return "\(words)\(index)\(masks)"
    }

    @Test(arguments: WeightPrecision.allCases)
    func everyAnswerIsWhatItIsAlone(precision: WeightPrecision) async throws {
        let copy = try Fixture.Copy(of: "mlm")
        let engine = try InferenceEngine(directory: copy.directory, precision: precision)
        var alone: [[[Filling]]] = []
        for index in 0..<36 { alone.append(try await engine.fillMask(Self.text(index), topK: 1 + index)) }
        try await withThrowingTaskGroup(of: (Int, [[Filling]]).self) { group in
            // More than one turn takes, several times over.
            for round in 0..<4 {
                for index in 0..<36 {
                    group.addTask {
                        let chosen = (index + round) % 36
                        return (chosen, try await engine.fillMask(Self.text(chosen), topK: 1 + chosen))
                    }
                }
            }
            for try await (index, found) in group { #expect(found == alone[index], "\(Self.text(index))") }
        }
    }
}
