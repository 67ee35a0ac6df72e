import FoundationEssentials
import Jobs
import Kernels
import Testing
import Training

private func events(_ run: TrainingRun, _ directories: [String]) throws -> [RunEvent.Payload] {
    var events: [RunEvent.Payload] = []
    try HeldOutEvaluator(job: run.job, report: { events.append($0) }).judge(directories)
    return events
}

private func judged(_ run: TrainingRun, _ directories: [String]) throws -> [RunEvent.EvaluationResult] {
    try events(run, directories).compactMap { if case .judged(let judged) = $0 { judged } else { nil } }
}

private func measured(_ run: TrainingRun, _ directories: [String]) throws -> [RunEvent.PrecisionsMeasured] {
    try events(run, directories).compactMap { if case .precisionsMeasured(let measured) = $0 { measured } else { nil } }
}

private func published(_ run: TrainingRun) throws -> RunEvent.Published {
    guard case .published(let published) = run.events.last else { throw CancellationError() }
    return published
}

/// The evaluation of a published model must match the trainer's evaluation before it was written.
@Test(arguments: Objective.allCases)
func evaluationMatchesTrainer(objective: Objective) throws {
    let run = try TrainingRun(objective, lines: 3000)
    run.job.recipe.precision = .float32
    run.job.recipe.heldOut = 0.2
    try run.run()
    let evaluation = try #require(try published(run).evaluation)
    let verdict = try #require(try judged(run, [run.job.outputDirectory]).first)
    let found = try #require(verdict.evaluation)
    #expect(verdict.failureReason == nil && verdict.samples > 100)
    // A causal model is scored on all tokens. Masks differ because the order of the rows differs.
    let tolerance = objective == .clm ? 1e-4 : 0.1
    #expect(abs(found.bitsPerByte / evaluation.bitsPerByte - 1) < tolerance)
    #expect(try judged(run, [run.job.outputDirectory]).first?.evaluation == found)
}

@Test func reportsModelsThatCannotBeEvaluated() throws {
    let run = try TrainingRun(.mlm)
    try run.run()
    let good = run.job.outputDirectory
    let damaged = run.folder + "/damaged"
    try FileManager.default.copyItem(atPath: good, toPath: damaged)
    try Data("x".utf8).write(to: URL(filePath: damaged + "/model.safetensors"))
    let verdicts = try judged(run, [damaged, run.folder + "/none", good])
    #expect(verdicts.map { $0.failureReason == nil } == [false, false, true])
    #expect(verdicts.map { $0.evaluation != nil } == [false, false, true])
    #expect(verdicts[0].failureReason?.contains("model.safetensors") == true)
}

@Test func usesSmallestHeldOutShare() throws {
    let run = try TrainingRun(.clm, lines: 3000)
    run.job.recipe.heldOut = 0.3
    try run.run()
    let all = try #require(try judged(run, [run.job.outputDirectory]).first)
    let other = try TrainingRun(.clm, lines: 3000)
    other.job.recipe.heldOut = 0.1
    try other.run()
    let both = try judged(run, [run.job.outputDirectory, other.job.outputDirectory])
    #expect(both.map(\.samples) == [both[0].samples, both[0].samples])
    #expect(Double(both[0].samples) < 0.5 * Double(all.samples))
}

/// Whether there is a precision to choose: with float32 alone, nothing is measured.
private let hasChoice = Precision.hasBFloat16 || MachineRates.hasInt8

@Test(.enabled(if: hasChoice, "this CPU has instructions for float32 only"), arguments: Objective.allCases)
func measuresPrecisionsOnTheSameText(objective: Objective) throws {
    let run = try TrainingRun(objective)
    run.job.recipe.heldOut = 0.2
    try run.run()
    let directory = run.job.outputDirectory
    let found = try events(run, [directory])
    guard case .judged(let verdict) = found.first(where: { if case .judged = $0 { true } else { false } }),
        case .precisionsMeasured(let measured) = found.last
    else {
        Issue.record("\(found)")
        return
    }
    #expect(measured.directory == directory && measured.scoredTokens > 10)
    // The sample is the whole text, and the float32 kernels differ only in the order of summation.
    let expected = try #require(verdict.evaluation?.bitsPerByte)
    #expect(abs(measured.precisions.float32 / expected - 1) < 1e-4)
    #expect((measured.precisions.bfloat16 != nil) == Precision.hasBFloat16)
    #expect((measured.precisions.int8 != nil) == MachineRates.hasInt8)
    for other in [measured.precisions.bfloat16, measured.precisions.int8].compactMap({ $0 }) {
        #expect(other != measured.precisions.float32 && abs(other / measured.precisions.float32 - 1) < 0.05)
    }
}

/// Verdicts do not wait for it, and a generation is measured once.
@Test(.enabled(if: hasChoice, "this CPU has instructions for float32 only"))
func measuresModelsWithoutARecordAfterAllVerdicts() throws {
    let run = try TrainingRun(.clm)
    try run.run()
    let first = run.job.outputDirectory
    let second = run.folder + "/second"
    try FileManager.default.copyItem(atPath: first, toPath: second)
    let kinds = try events(run, [first, second]).compactMap { event in
        switch event {
        case .judged: "judged"
        case .precisionsMeasured: "measured"
        default: nil
        }
    }
    #expect(kinds == ["judged", "judged", "measured", "measured"])
    try MeasuredPrecisions(float32: 1, bfloat16: 1, int8: 1).write(directory: first)
    #expect(try measured(run, [first, second]).map(\.directory) == [second])
}

@Test(.enabled(if: hasChoice, "this CPU has instructions for float32 only"))
func precisionsAreMeasuredOnABoundedSample() throws {
    let run = try TrainingRun(.clm, lines: 6000)
    run.job.recipe.heldOut = 0.3
    try run.run()
    let sample = try #require(try measured(run, [run.job.outputDirectory]).first)
    // The batch that exceeds 4096 scored tokens is the last.
    #expect((4096..<4096 + 1024).contains(sample.scoredTokens))
}
