import Inference
import Kernels
import Synchronization
import Testing

/// Concurrent generations, mixed with other requests.
@Suite struct ContinuousBatchTests {
    /// Options that differ between requests.
    static func sampling(_ index: Int) -> SamplingOptions {
        SamplingOptions(
            maxNewTokens: 3 + 7 * (index % 6), temperature: index % 5 == 0 ? 0 : 1.1, topK: index % 3 == 0 ? 50 : 0,
            topP: index % 4 == 0 ? 0.95 : 1, repetitionPenalty: index % 2 == 0 ? 1.2 : 1, seed: index)
    }

    static func prompt(_ index: Int) -> String {
        // The last prompt is long enough for separate turns.
        ["The", "Reason", "", "Human thinking involves", "777777777777", String(repeating: "7", count: 30)][index % 6]
    }

    @Test(arguments: WeightPrecision.allCases)
    func batchingDoesNotChangeGeneratedText(precision: WeightPrecision) async throws {
        let copy = try Fixture.Copy(of: "clm")
        let engine = try InferenceEngine(directory: copy.directory, precision: precision)
        var alone: [Generated] = []
        for index in 0..<40 {
            alone.append(try await engine.generate(Self.prompt(index), sampling: Self.sampling(index)))
        }
        #expect(Set(alone.map(\.text)).count > 20)
        try await withThrowingTaskGroup(of: (Int, Generated?).self) { group in
            for index in 0..<40 {
                group.addTask { (index, try await engine.generate(Self.prompt(index), sampling: Self.sampling(index))) }
                // Cancelled generations and scoring requests run at the same time.
                group.addTask {
                    struct HungUp: Error {}
                    await #expect(throws: HungUp.self) {
                        try await engine.generate("The", sampling: SamplingOptions(temperature: 0)) { _ in
                            throw HungUp()
                        }
                    }
                    _ = try await engine.score("Reason")
                    return (index, nil)
                }
            }
            for try await (index, generated) in group {
                if let generated { #expect(generated == alone[index], "\(index)") }
            }
        }
        #expect(await engine.generationsUnderWay == 0)
    }

    @Test func cancellationFreesPlaceAtNextStep() async throws {
        let copy = try Fixture.Copy(of: "clm")
        let engine = try InferenceEngine(directory: copy.directory)
        // Twenty generations whose consumers block on the first piece.
        let (started, hasStarted) = AsyncStream.makeStream(of: Void.self)
        let tasks = (0..<20).map { seed in
            Task {
                try await engine.generate("The", sampling: SamplingOptions(maxNewTokens: 60, seed: seed)) { _ in
                    hasStarted.yield()
                    try await Task.sleep(for: .seconds(3_600))
                }
            }
        }
        var count = 0
        for await _ in started {
            count += 1
            if count == 20 { break }
        }
        for task in tasks { task.cancel() }
        for task in tasks { await #expect(throws: CancellationError.self) { try await task.value } }
        // Runs after all steps that were queued at the time of cancellation.
        _ = try await engine.generate("The", sampling: SamplingOptions(maxNewTokens: 2, temperature: 0))
        #expect(await engine.generationsUnderWay == 0)
    }

    @Test func rejectsRequestsOverLimitWithRetryTime() async throws {
        let admission = RequestLimiter(limit: 2)
        let (gate, opens) = AsyncStream.makeStream(of: Void.self)
        let (entered, enters) = AsyncStream.makeStream(of: Void.self)
        let first = Task {
            try await admission.admit {
                enters.yield()
                for await _ in gate { return 1 }
                return 0
            }
        }
        for await _ in entered { break }
        #expect(try await admission.admit { 2 } == 2)
        try await admission.admit {
            _ = await #expect {
                _ = try await admission.admit { 3 }
            } throws: { error in
                guard case .overloaded(let milliseconds) = error as? InferenceError else { return false }
                return milliseconds >= 10
            }
        }
        opens.yield()
        #expect(try await first.value == 1)
        let nested = try await admission.admit { try await admission.admit { 4 } }
        #expect(nested == 4)
    }

    @Test func failedRequestReleasesItsPlace() async throws {
        struct Failed: Error {}
        let admission = RequestLimiter(limit: 1)
        await #expect(throws: Failed.self) { try await admission.admit { throw Failed() } }
        #expect(try await admission.admit { 1 } == 1)
    }
}
