import FoundationEssentials
import Jobs
import Testing
import Training

private func judged(_ run: TrainingRun, _ directories: [String]) throws -> [RunEvent.EvaluationResult] {
    var events: [RunEvent.Payload] = []
    try HeldOutEvaluator(job: run.job, report: { events.append($0) }).judge(directories)
    return events.compactMap { if case .judged(let judged) = $0 { judged } else { nil } }
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
