import FoundationEssentials
import Jobs
import Testing
import Training

/// Returns the SHA-256 of the model that an uninterrupted run produces.
private func undisturbed(_ run: TrainingRun) throws -> String {
    let sha256 = try #require(try run.run().sha256)
    try run.startOver()
    return sha256
}

@Test(arguments: Objective.allCases, OptimizerName.allCases)
func resumedRunGivesSameBytes(objective: Objective, optimizer: OptimizerName) throws {
    let run = try TrainingRun(objective)
    run.job.recipe.optimizer = optimizer
    let expected = try undisturbed(run)
    for stop in [1, 7, 12, 23] {
        let outcome = try run.run { event, control in
            if case .step(let step) = event, step.step == stop { control.leave() }
        }
        #expect(outcome.interruptedStep == stop)
        #expect(run.events.last == .interrupted(.init(step: stop)))
    }
    #expect(try run.run().sha256 == expected)
    #expect(run.steps.map(\.step) == [24])
}

@Test func rerunReportsPublishedModel() throws {
    let run = try TrainingRun(.mlm)
    let first = try #require(try run.run().sha256)
    let last = run.events.last
    #expect(try run.run().sha256 == first)
    #expect(run.events == [last].compactMap { $0 })
    run.job.run = "test-2"
    let error = #expect(throws: TrainingError.self) { try run.run() }
    #expect(error?.description.contains("output_directory") == true)
}

@Test func keepsSaveTotalLimitCheckpoints() throws {
    let run = try TrainingRun(.mlm)
    try run.run()
    #expect(run.checkpoints == ["checkpoint-18", "checkpoint-24"])
}

@Test(arguments: ["state.safetensors", "checkpoint.json"])
func skipsDamagedCheckpoint(file: String) throws {
    let run = try TrainingRun(.clm)
    let expected = try undisturbed(run)
    try run.run { event, control in
        if case .step(let step) = event, step.step == 13 { control.leave() }
    }
    #expect(run.checkpoints == ["checkpoint-12", "checkpoint-13"])
    try damage("\(run.job.runDirectory)/checkpoint-13/\(file)")
    #expect(try run.run().sha256 == expected)
    #expect(run.steps.first?.step == 13)
    #expect(run.notes.contains { $0.contains("checkpoint-13") })
}

@Test func failsIfAllCheckpointsAreDamaged() throws {
    let run = try TrainingRun(.clm)
    try run.run { event, control in
        if case .step(let step) = event, step.step == 3 { control.leave() }
    }
    try damage("\(run.job.runDirectory)/checkpoint-3/state.safetensors")
    let error = #expect(throws: TrainingError.self) { try run.run() }
    #expect(error?.description.contains("checkpoint-3/state.safetensors") == true, "\(String(describing: error))")
    #expect(run.steps.isEmpty)
}

@Test func rejectsCheckpointOfAnotherArchitecture() throws {
    let run = try TrainingRun(.mlm)
    try run.run { event, control in
        if case .step(let step) = event, step.step == 3 { control.leave() }
    }
    run.job.architecture.hiddenSize = 64
    let error = #expect(throws: TrainingError.self) { try run.run() }
    guard case .foreignCheckpoint(_, "architecture.hidden_size", "64", "32") = error else {
        Issue.record("\(String(describing: error))")
        return
    }
}

@Test func rebuildsDamagedShards() throws {
    let run = try TrainingRun(.mlm)
    let expected = try undisturbed(run)
    try run.run { event, control in
        if case .step(let step) = event, step.step == 3 { control.leave() }
    }
    try damage("\(run.job.runDirectory)/shards/training.tokens")
    #expect(try run.run().sha256 == expected)
    #expect(run.notes.contains { $0.contains("training.tokens") })
}

@Test func removesLeftoversOfKilledRun() throws {
    let run = try TrainingRun(.mlm)
    run.job.wordCountsDirectory = "\(run.folder)/word-counts"
    // Names a process that cannot exist: process ids are smaller.
    let leftover = ".half.4194305-1-1.tmp"
    for folder in [run.job.runDirectory, "\(run.job.runDirectory)/shards", "\(run.folder)/word-counts"] {
        try FileManager.default.createDirectory(atPath: folder, withIntermediateDirectories: true)
        try Data("half".utf8).write(to: URL(filePath: "\(folder)/\(leftover)"))
    }
    try run.run()
    let left = try FileManager.default.subpathsOfDirectory(atPath: run.folder).filter { $0.hasSuffix(leftover) }
    #expect(left == [])
}

@Test func rejectsSecondRunInSameDirectory() throws {
    let run = try TrainingRun(.mlm)
    var second: TrainingError?
    try run.run { event, control in
        guard case .step(let step) = event, step.step == 1 else { return }
        do throws(TrainingError) {
            _ = try Trainer(job: run.job, report: { _ in }).run()
        } catch {
            second = error
        }
    }
    #expect(second?.description.contains("/lock") == true, "\(String(describing: second))")
}

/// Flips a bit in the middle of a file.
private func damage(_ path: String) throws {
    var bytes = try Data(contentsOf: URL(filePath: path))
    bytes[bytes.count / 2] ^= 0x10
    try bytes.write(to: URL(filePath: path))
}
