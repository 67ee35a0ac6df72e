import FoundationEssentials
import Jobs
import Testing
import Training

/// Creates a run that overfits its few lines quickly.
private func overfitting(_ change: (inout Recipe) -> Void) throws -> TrainingRun {
    let run = try TrainingRun(.clm, lines: 60)
    run.job.recipe.learningRate = 2e-2
    run.job.recipe.lrSchedulerType = .constant
    run.job.recipe.warmupRatio = 0
    run.job.recipe.numTrainEpochs = 1000
    run.job.recipe.maxSteps = 120
    run.job.recipe.evalSteps = 10
    run.job.recipe.loadBestModelAtEnd = true
    run.job.recipe.heldOut = 0.3
    run.job.architecture.hiddenDropoutProb = 0
    run.job.architecture.attentionProbsDropoutProb = 0
    change(&run.job.recipe)
    return run
}

private func best(_ run: TrainingRun) throws -> RunEvent.Evaluation {
    try #require(run.evaluations.min { $0.loss < $1.loss })
}

private func published(_ run: TrainingRun) throws -> RunEvent.Published {
    guard case .published(let published) = run.events.last else { throw NotPublished() }
    return published
}

private struct NotPublished: Error {}

@Test func publishesBestModel() throws {
    let run = try overfitting { _ in }
    try run.run()
    let best = try best(run)
    #expect(best.step < 120, "the run does not overfit")
    #expect(try published(run).evaluation == best)
    #expect(run.checkpoints.contains("checkpoint-\(best.step)"))
    // Must be the parameters of that step: compare with a run that ends there.
    let short = try overfitting { $0.maxSteps = best.step }
    try short.run()
    #expect(try published(run).modelSha256 == published(short).modelSha256)
}

@Test func earlyStoppingEndsRun() throws {
    let run = try overfitting { $0.earlyStoppingPatience = 2 }
    try run.run()
    let best = try best(run)
    #expect(run.evaluations.map(\.step).max() == best.step + 20)
    #expect(run.steps.last?.step == best.step + 20)
    #expect(try published(run).evaluation == best)
}

@Test func bestModelSurvivesInterruption() throws {
    let whole = try overfitting { $0.earlyStoppingPatience = 2 }
    try whole.run()
    let run = try overfitting { $0.earlyStoppingPatience = 2 }
    for stop in [5, 25, 38] {
        try run.run { event, control in
            if case .step(let step) = event, step.step == stop { control.leave() }
        }
    }
    try run.run()
    #expect(try published(run).modelSha256 == published(whole).modelSha256)
}

@Test func publishesLastModelIfBestIsDamaged() throws {
    let run = try overfitting { $0.saveTotalLimit = 1 }
    var damaged: String?
    try run.run { event, _ in
        // A step well after the best evaluation.
        guard case .step(let step) = event, step.step == 115, let best = run.evaluations.min(by: { $0.loss < $1.loss })
        else { return }
        let path = "\(run.job.runDirectory)/checkpoint-\(best.step)/state.safetensors"
        damaged = path
        _ = try? Data([1, 2, 3]).write(to: URL(filePath: path))
    }
    #expect(damaged != nil)
    #expect(try published(run).evaluation == run.evaluations.last)
    #expect(run.notes.contains { $0.contains("instead of the best one") })
}
