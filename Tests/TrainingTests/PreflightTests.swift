import FoundationEssentials
import Jobs
import Models
import Testing
import Training

private func book() -> RobertaConfiguration {
    let architecture = Preset.kantaibert.architecture
    return RobertaConfiguration(
        vocabSize: 52_000, hiddenSize: architecture.hiddenSize, numHiddenLayers: architecture.numHiddenLayers,
        numAttentionHeads: architecture.numAttentionHeads, intermediateSize: architecture.intermediateSize,
        maxPositionEmbeddings: architecture.maxPositionEmbeddings, isDecoder: false)
}

@Test func aStepsFlopsAreCounted() {
    // 6 · 42.5 million weights of the layers · 950 tokens, and 6 · 768 · (52,000 + 768) · 142 rows of the head.
    let flops = StepCost(configuration: book()).flops(tokens: 950, scoredRows: 142, squaredTokens: 0)
    let layers: Double = 6 * 6 * (4 * 768 * 768 + 2 * 768 * 3072) * 950
    let head: Double = 6 * 142 * 768 * (52_000 + 768)
    #expect(flops == layers + head)
}

@Test func theMicroBatchShrinksUntilItFits() {
    var recipe = RecipeName.seed.recipe(for: .mlm)
    recipe.blockSize = 128
    let wide = MemoryPlan(configuration: book(), recipe: recipe, longestRow: 128)
    let limit = wide.bytes * 3 / 4
    let narrow = MemoryPlan(configuration: book(), recipe: recipe, longestRow: 128, limit: limit)
    #expect(narrow.bytes <= limit && narrow.maximumTokens < wide.maximumTokens)
    let tiny = MemoryPlan(configuration: book(), recipe: recipe, longestRow: 128, limit: 1)
    #expect(tiny.maximumTokens == 128)
}

@Test(arguments: OptimizerName.allCases)
func aRunSaysBeforeItsFirstStepWhatItTakes(optimizer: OptimizerName) throws {
    let run = try TrainingRun(.mlm)
    run.job.recipe.optimizer = optimizer
    try run.run()
    let place = run.events.firstIndex { if case .preflight = $0 { true } else { false } }
    let firstStep = run.events.firstIndex { if case .step = $0 { true } else { false } }
    guard let place, let firstStep, case .preflight(let preflight) = run.events[place] else {
        Issue.record("no preflight in \(run.events)")
        return
    }
    #expect(place < firstStep)
    #expect(preflight.parameters > 30_000 && preflight.flopsPerStep > 1e6 && preflight.productRate > 1e7)
    #expect(preflight.seconds > 0 && preflight.peakBytes > 1_000_000)
    #expect(preflight.peakBytes < preflight.memoryLimitBytes)
    #expect(run.steps.allSatisfy { $0.mfu > 0 })
}

@Test func whatWasDecidedIsUsedAgain() throws {
    let run = try TrainingRun(.mlm)
    run.job.recipe.precision = .float32
    try run.run { event, control in
        if case .step(let step) = event, step.step == 3 { control.leave() }
    }
    let path = URL(filePath: "\(run.job.runDirectory)/decisions.json")
    let text = try String(contentsOf: path, encoding: .utf8)
    let before = try #require(decisions(text))
    #expect(before["maximum_tokens"] ?? 0 > 0 && before["product_rate"] ?? 0 > 0 && before["seconds_per_step"] ?? 0 > 0)
    // As of a machine with less memory, and another clock.
    let rate = try #require(before["product_rate"])
    try Data(text.replacing("\(rate)", with: "123456789").utf8).write(to: path)
    try run.run()
    guard case .preflight(let preflight) = run.events.first(where: { if case .preflight = $0 { true } else { false } })
    else {
        Issue.record("no preflight")
        return
    }
    #expect(preflight.productRate == 123_456_789)
}

private func decisions(_ text: String) -> [String: Double]? {
    guard let object = try? JSONDecoder().decode([String: Number].self, from: Data(text.utf8)) else { return nil }
    return object.compactMapValues(\.value)
}

/// A number, or anything else.
private struct Number: Decodable {
    var value: Double?
    init(from decoder: any Decoder) throws { value = try? decoder.singleValueContainer().decode(Double.self) }
}
