import Inference
import Jobs
import Synchronization
import Testing

@Suite struct GenerationTests {
    let greedy = SamplingOptions(temperature: 0)
    let warm = SamplingOptions(maxNewTokens: 40, temperature: 1.2, topK: 100, topP: 0.98, repetitionPenalty: 1.1)

    func pieces(_ prompt: String, _ sampling: SamplingOptions) async throws -> (joined: String, Generated) {
        let pieces = Mutex("")
        let generated = try await Fixture.clm.generate(prompt, sampling: sampling) { piece in
            #expect(!piece.isEmpty)
            pieces.withLock { $0 += piece }
        }
        return (pieces.withLock { $0 }, generated)
    }

    @Test func greedyTextMatchesTransformers() async throws {
        for (request, expected) in zip(try Fixture.request.greedy, try Fixture.reference.greedy) {
            var sampling = greedy
            sampling.maxNewTokens = request.maxNewTokens
            let (joined, found) = try await pieces(request.prompt, sampling)
            #expect(found.text == expected.text, "\(request.prompt)")
            #expect(joined == found.text)
            #expect(found.generatedTokens == expected.tokens.count)
        }
    }

    @Test(arguments: ["</s>", "The </s> faculty", "<s><mask><pad><unk>"])
    func specialTokensInThePromptAreText(prompt: String) async throws {
        let ids = try await Fixture.clm.tokenize(prompt).ids
        #expect(ids.allSatisfy { $0 > 4 })
        #expect(try await Fixture.clm.detokenize(ids) == prompt)
        var sampling = greedy
        sampling.maxNewTokens = 3
        let generated = try await Fixture.clm.generate(prompt, sampling: sampling)
        #expect(generated.promptTokens == 1 + ids.count)
        #expect(generated.finishReason == .length)
        #expect(generated.generatedTokens == 3)
    }

    @Test func stopsAtLongestTrainedPosition() async throws {
        let copy = try Fixture.Copy(of: "clm")
        try copy.addTrainingArguments(longestPosition: 10)
        let engine = try InferenceEngine(directory: copy.directory)
        let generated = try await engine.generate("777", sampling: greedy)
        // `<s>777` and six more tokens: the tenth token is the last one that a training sample predicts.
        #expect(generated.promptTokens == 4)
        #expect(generated.generatedTokens == 6)
        #expect(generated.finishReason == .length)
        await #expect(throws: InferenceError.promptTooLong(tokens: 10, limit: 9)) {
            try await engine.generate("777777777", sampling: greedy)
        }
    }

    @Test func rejectsTooLongPrompt() async {
        let prompt = String(repeating: "7", count: 64)
        await #expect(throws: InferenceError.promptTooLong(tokens: 65, limit: 64)) {
            try await Fixture.clm.generate(prompt)
        }
    }

    @Test func generatesOneTokenForLongestPrompt() async throws {
        let generated = try await Fixture.clm.generate(String(repeating: "7", count: 63), sampling: greedy)
        #expect(generated.generatedTokens == 1)
        #expect(generated.finishReason == .length)
    }

    @Test func stopsAtStopStringAcrossTokens() async throws {
        // The first generated tokens are " of" and "$".
        let request = try Fixture.request.greedy[2]
        #expect(try Fixture.reference.greedy[2].text.hasPrefix(" of$"))
        var sampling = greedy
        sampling.stop = ["nowhere", "f$"]
        let (joined, generated) = try await pieces(request.prompt, sampling)
        #expect(generated.text == " o")
        #expect(generated.generatedTokens == 2)
        #expect(joined == generated.text)
        #expect(generated.finishReason == .stop)
    }

    @Test func joinedPiecesEqualText() async throws {
        for seed in 0..<40 {
            var sampling = warm
            sampling.seed = seed
            sampling.stop = seed % 2 == 0 ? ["the", "\u{FFFD}e"] : []
            let (joined, generated) = try await pieces("The", sampling)
            #expect(joined == generated.text, "seed \(seed)")
            #expect(!sampling.stop.contains { generated.text.contains($0) }, "seed \(seed)")
        }
    }

    @Test func reportedSeedReproducesText() async throws {
        let first = try await Fixture.clm.generate("The", sampling: warm)
        var sampling = warm
        sampling.seed = first.seed
        #expect(try await Fixture.clm.generate("The", sampling: sampling) == first)
    }

    @Test func seedReproducesTextUnderConcurrency() async throws {
        @Sendable func text(seed: Int) async throws -> String {
            var sampling = warm
            sampling.seed = seed
            return try await Fixture.clm.generate("Reason", sampling: sampling).text
        }
        var alone: [String] = []
        for seed in 0..<8 { alone.append(try await text(seed: seed)) }
        #expect(Set(alone).count > 1)
        try await withThrowingTaskGroup(of: (Int, String).self) { group in
            for seed in 0..<8 { group.addTask { (seed, try await text(seed: seed)) } }
            for try await (seed, together) in group { #expect(together == alone[seed], "seed \(seed)") }
        }
    }

    @Test func slowConsumerDoesNotBlockOthers() async throws {
        let others = Mutex(0)
        _ = try await Fixture.clm.generate("The", sampling: SamplingOptions(maxNewTokens: 5, temperature: 1, seed: 1)) {
            _ in
            // The first generation is incomplete and waits until the second one has finished.
            others.withLock { $0 += 1 }
            _ = try await Fixture.clm.generate("Reason", sampling: SamplingOptions(maxNewTokens: 20, seed: 2))
        }
        #expect(others.withLock { $0 } > 0)
    }

    @Test func cancellationStopsAtNextToken() async throws {
        let count = Mutex(0)
        let task = Task {
            try await Fixture.clm.generate("The", sampling: SamplingOptions(maxNewTokens: 60, temperature: 1, seed: 1))
            { _ in
                count.withLock { $0 += 1 }
                withUnsafeCurrentTask { $0?.cancel() }
            }
        }
        await #expect(throws: CancellationError.self) { try await task.value }
        #expect(count.withLock { $0 } == 1)
    }

    @Test func propagatesErrorsFromOnPiece() async {
        struct HungUp: Error {}
        await #expect(throws: HungUp.self) {
            try await Fixture.clm.generate("The", sampling: greedy) { _ in throw HungUp() }
        }
    }

    @Test func maskedModelRejectsGenerate() async {
        await #expect(throws: InferenceError.wrongObjective(expected: .clm, found: .mlm)) {
            try await Fixture.mlm.generate("The")
        }
    }
}
