import FoundationEssentials
import Jobs
import Testing
import Training

/// Damage to one file of the checkpoint of step 13.
private struct Damage: CustomTestStringConvertible, Sendable {
    var testDescription: String
    var file: String
    /// Expected part of the error message in addition to the file name.
    var reason = ""
    /// Returns the damaged contents; nil removes the file.
    var change: @Sendable (Data) -> Data?

    static let all = [
        Damage(testDescription: "truncated state", file: "state.safetensors", reason: "SHA-256") {
            $0.prefix($0.count / 2)
        },
        Damage(testDescription: "empty state", file: "state.safetensors", reason: "SHA-256") { _ in Data() },
        Damage(testDescription: "missing state", file: "state.safetensors") { _ in nil },
        Damage(testDescription: "truncated JSON", file: "checkpoint.json") { $0.prefix($0.count / 2) },
        Damage(testDescription: "empty JSON", file: "checkpoint.json") { _ in Data() },
        Damage(testDescription: "missing JSON", file: "checkpoint.json") { _ in nil },
        Damage(testDescription: "string instead of number", file: "checkpoint.json", reason: "updates") {
            replacing("\"updates\" : 13", "\"updates\" : \"many\"", $0)
        },
        Damage(testDescription: "older version", file: "checkpoint.json", reason: "version 1") {
            replacing("\"version\" : 2", "\"version\" : 1", $0)
        },
        Damage(testDescription: "negative updates", file: "checkpoint.json", reason: "`updates` is -1") {
            replacing("\"updates\" : 13", "\"updates\" : -1", $0)
        },
        Damage(testDescription: "too many updates", file: "checkpoint.json", reason: "`updates` is") {
            replacing("\"updates\" : 13", "\"updates\" : 9223372036854775807", $0)
        },
        Damage(testDescription: "step out of range", file: "checkpoint.json", reason: "`step` is") {
            replacing("\"step\" : 13,\n  \"updates\"", "\"step\" : 9223372036854775807,\n  \"updates\"", $0)
        },
        Damage(testDescription: "missing key", file: "checkpoint.json", reason: "updates") {
            replacing("\"updates\" : 13", "\"updated\" : 13", $0)
        },
        Damage(testDescription: "different step", file: "checkpoint.json", reason: "step 12") {
            replacing("\"step\" : 13,\n  \"updates\"", "\"step\" : 12,\n  \"updates\"", $0)
        },
    ]

    private static func replacing(_ old: String, _ new: String, _ data: Data) -> Data {
        Data(String(decoding: data, as: UTF8.self).replacing(old, with: new).utf8)
    }

    func apply(to run: TrainingRun) throws {
        let url = URL(filePath: "\(run.job.runDirectory)/checkpoint-13/\(file)")
        let whole = try Data(contentsOf: url)
        let changed = change(whole)
        try #require(changed != whole, "the file is unchanged: \(String(decoding: whole.prefix(4000), as: UTF8.self))")
        if let changed { try changed.write(to: url) } else { try FileManager.default.removeItem(at: url) }
    }
}

private func leave(_ run: TrainingRun, at stop: Int) throws {
    try run.run { event, control in
        if case .step(let step) = event, step.step == stop { control.leave() }
    }
}

@Test(arguments: Damage.all)
private func resumesFromOlderCheckpointIfNewestIsDamaged(damage: Damage) throws {
    let run = try TrainingRun(.mlm)
    let expected = try run.run().sha256
    try run.startOver()
    try leave(run, at: 13)
    #expect(run.checkpoints == ["checkpoint-12", "checkpoint-13"])
    try damage.apply(to: run)
    #expect(try run.run().sha256 == expected)
    #expect(run.steps.first?.step == 13)
    #expect(run.notes.contains { $0.contains("checkpoint-13") && $0.contains(damage.reason) }, "\(run.notes)")
}

@Test(arguments: Damage.all)
private func failsIfOnlyCheckpointIsDamaged(damage: Damage) throws {
    let run = try TrainingRun(.mlm)
    run.job.recipe.saveSteps = 1000
    try leave(run, at: 13)
    #expect(run.checkpoints == ["checkpoint-13"])
    try damage.apply(to: run)
    let error = #expect(throws: TrainingError.self) { try run.run() }
    guard case .damagedCheckpoint = error else {
        Issue.record("\(String(describing: error))")
        return
    }
    let text = error?.description ?? ""
    #expect(text.contains("checkpoint-13/\(damage.file)") && text.contains(damage.reason), "\(text)")
    #expect(run.steps.isEmpty)
}
