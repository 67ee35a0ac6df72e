import Dispatch
import Inference
import Kernels
import Testing

/// Concurrent requests with masks.
@Suite struct MaskBatchTests {
    /// Texts with few and many tokens and with few and many masks, which cover all four accumulation orders.
    static func text(_ index: Int) -> String {
        let masks = String(repeating: "<mask>", count: [1, 2, 20][index % 3])
        let words = String(repeating: "7", count: [1, 9, 30][(index / 3) % 3])
        return "\(words)\(index)\(masks)"
    }

    @Test(arguments: WeightPrecision.allCases)
    func batchingDoesNotChangePredictions(precision: WeightPrecision) async throws {
        let copy = try Fixture.Copy(of: "mlm")
        let engine = try InferenceEngine(directory: copy.directory, precision: precision)
        var alone: [[[Filling]]] = []
        for index in 0..<36 { alone.append(try await engine.fillMask(Self.text(index), topK: 1 + index).masks) }
        try await withThrowingTaskGroup(of: (Int, [[Filling]]).self) { group in
            // Several times as many requests as fit into one turn.
            for round in 0..<4 {
                for index in 0..<36 {
                    group.addTask {
                        let chosen = (index + round) % 36
                        return (chosen, try await engine.fillMask(Self.text(chosen), topK: 1 + chosen).masks)
                    }
                }
            }
            for try await (index, found) in group { #expect(found == alone[index], "\(Self.text(index))") }
        }
    }

    @Test func skipsASentenceWhoseCallerHasGone() async throws {
        let copy = try Fixture.Copy(of: "mlm")
        let engine = try InferenceEngine(directory: copy.directory, precision: .float32)
        // Blocks the queue, so that no sentence is processed before the first caller is cancelled.
        let (running, isRunning) = AsyncStream.makeStream(of: Void.self)
        let gate = DispatchSemaphore(value: 0)
        WorkQueue.models.enqueue(for: .measurement, cost: 1) {
            isRunning.yield()
            gate.wait()
        }
        for await _ in running { break }
        let gone = Task { try await engine.fillMask("a<mask>", topK: 1).masks }
        let waiting = Task { try await engine.fillMask("b<mask>", topK: 1).masks }
        gone.cancel()
        gate.signal()
        await #expect(throws: CancellationError.self) { try await gone.value }
        #expect(try await waiting.value.count == 1)
    }
}
