import Daemon
import Events
import FoundationEssentials
import Jobs
import Testing
import Varlink

@Suite("Fields of run events")
struct RunEventFieldsTests {
    @Test(
        "An event has the members of the run's JSON line as fields",
        arguments: [
            .tokenizerTrained(.init(vocabularySize: 8000, seconds: 1.5)),
            .preflight(
                .init(
                    parameters: 1, flopsPerStep: 2e9, productRate: 3.5e11, precision: "bfloat16", peakBytes: 4,
                    memoryLimitBytes: 5, memoryLimitSource: "free memory", microBatchTokens: 6, seconds: 7.5)),
            .step(
                .init(
                    StepMetrics(
                        step: 1, epoch: 1, loss: 9.25, learningRate: 1e-3, gradientNorm: 1, tokens: 900,
                        tokensPerSecond: 1000.5, mfu: 0.8),
                    totalSteps: 2, remainingSeconds: 3, log: true)),
            .evaluation(.init(step: 5, loss: 5.5, perplexity: 244.7, accuracy: 0.25, bitsPerByte: 1.5)),
            .unitsCut(.init(corpus: "ab", name: "a.txt", units: 3, bytes: 2_097_152)),
        ] as [RunEvent.Payload])
    func fields(payload: RunEvent.Payload) throws {
        let event = RunEvent(payload)
        let job = Job(
            run: "m-1", model: "m", generation: 1, objective: .mlm, architecture: Preset.tiny.architecture,
            recipe: RecipeName.default.recipe(for: .mlm), corpora: [], samples: .lines, filters: [], tokenizer: nil,
            wordCountsDirectory: nil, runDirectory: "/r",
            outputDirectory: "/o")
        let line = try JSONDecoder().decode(JSONValue.self, from: JobCoding.encode(event))
        guard case .object(var expected) = line else {
            Issue.record("not an object: \(line)")
            return
        }
        expected["kind"] = nil
        expected["time"] = nil
        #expect(try #require(ServiceEvent(event, of: job)).fields == expected)
    }
}
