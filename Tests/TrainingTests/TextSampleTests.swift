import Conversations
import Datasets
import FoundationEssentials
import Jobs
import Testing
import Training

/// The samples of text that a run makes after its evaluations.
struct TextSampleTests {
    private static func samples(_ run: TrainingRun) -> [TextSample] {
        run.events.compactMap { if case .sample(let sample) = $0 { sample } else { nil } }
    }

    @Test(arguments: Objective.allCases)
    func followEveryEvaluationFromOnePrompt(objective: Objective) throws {
        let run = try TrainingRun(objective)
        try run.run()
        let samples = Self.samples(run)
        #expect(samples.map(\.step) == [10, 20, 24] && samples.map(\.step) == run.evaluations.map(\.step))
        #expect(Set(samples.map(\.prompt)).count == 1)
        let prompt = try #require(samples.first?.prompt)
        let corpus = try String(contentsOf: URL(filePath: run.job.corpora[0].path), encoding: .utf8)
        switch objective {
        case .clm:
            #expect(corpus.replacing("\n", with: " ").contains(prompt.replacing("\\n", with: " ")), "\(prompt)")
            #expect(samples.allSatisfy { !$0.text.isEmpty && !$0.text.contains("<") }, "\(samples)")
        case .mlm:
            let kept = prompt.components(separatedBy: "<mask>")
            #expect(kept.count > 1, "\(prompt)")
            for sample in samples {
                #expect(sample.text.hasPrefix(kept[0]) && sample.text.hasSuffix(kept.last ?? ""), "\(sample)")
                #expect(!sample.text.contains("<mask>"))
            }
        }
        for sample in samples { #expect(sample == sample.bounded) }
    }

    @Test(arguments: Objective.allCases)
    func areTheSameAfterAnInterruptionAndChangeNoWeights(objective: Objective) throws {
        let run = try TrainingRun(objective)
        let expected = try #require(try run.run().sha256)
        let samples = Self.samples(run)
        try run.startOver()
        var resumed: [TextSample] = []
        for stop in [7, 15] {
            try run.run { event, control in
                if case .step(let step) = event, step.step == stop { control.leave() }
            }
            resumed += Self.samples(run)
        }
        #expect(try run.run().sha256 == expected)
        resumed += Self.samples(run)
        #expect(resumed == samples)
        try run.startOver()
        run.job.recipe.samplePrompt = .off
        #expect(try run.run().sha256 == expected)
        #expect(Self.samples(run).isEmpty && run.evaluations.count == samples.count)
    }

    @Test(arguments: Objective.allCases)
    func beginWithTheRecipesPrompt(objective: Objective) throws {
        let run = try TrainingRun(objective)
        let prompt = objective == .clm ? "the understanding" : "the <mask> unites a concept."
        run.job.recipe.samplePrompt = SamplePrompt(prompt)
        try run.run()
        #expect(Self.samples(run).count == 3 && Self.samples(run).allSatisfy { $0.prompt == prompt })
        #expect(!run.warnings.contains { $0.contains("sample_prompt") })
    }

    @Test(arguments: Objective.allCases)
    func unusablePromptIsReportedAndReplaced(objective: Objective) throws {
        let run = try TrainingRun(objective)
        run.job.recipe.samplePrompt = .text(
            objective == .mlm ? "no mask" : String(repeating: "a b c d ", count: SamplePrompt.longest / 8))
        run.job.recipe.maxSteps = 10
        try run.run()
        #expect(run.warnings.contains { $0.hasPrefix("sample_prompt is not used") }, "\(run.warnings)")
        #expect(Self.samples(run).count == 1)
    }

    @Test func repliesToTheFirstMessageOfAConversation() throws {
        let run = try TrainingRun(.clm)
        let lines = (0..<200).flatMap { number in
            Conversation([
                .init(.user, "What is \(number) in words \(number % 7)?"),
                .init(.assistant, "It is number \(number % 7)."),
            ]).line + [UInt8(ascii: "\n")]
        }
        let path = "\(run.folder)/chat.jsonl"
        try Data(lines).write(to: URL(filePath: path))
        var corpus = try JobCorpus(file: path, name: "chat.jsonl")
        corpus.samples = .records
        run.job.corpora = [corpus]
        run.job.samples = .auto
        try run.run()
        let samples = Self.samples(run)
        #expect(samples.count == 3)
        #expect(samples.allSatisfy { $0.prompt.hasPrefix("What is ") && $0.prompt.hasSuffix("?") }, "\(samples)")
        #expect(samples.allSatisfy { !$0.text.contains("<|") }, "\(samples)")
    }
}
