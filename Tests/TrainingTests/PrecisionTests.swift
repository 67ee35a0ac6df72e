import FoundationEssentials
import Jobs
import Kernels
import Testing
import Training

/// Returns the losses of 200 steps with preset `small`.
private func losses(_ precision: PrecisionSetting, _ objective: Objective) throws -> [Double] {
    let run = try TrainingRun(objective)
    run.job.architecture = Preset.small.architecture
    run.job.architecture.vocabSize = nil
    run.job.recipe.precision = precision
    run.job.recipe.optimizer = .adamw
    run.job.recipe.learningRate = 1e-3
    run.job.recipe.numTrainEpochs = 1000
    run.job.recipe.maxSteps = 200
    run.job.recipe.evalSteps = 1000
    run.job.recipe.saveSteps = 1000
    try run.run()
    return run.steps.map(\.loss)
}

@Test(.enabled(if: Precision.hasBFloat16, "this CPU does not support bfloat16"), arguments: Objective.allCases)
func bfloat16TrainingMatchesFloat32(objective: Objective) throws {
    let (exact, rounded) = (try losses(.float32, objective), try losses(.bfloat16, objective))
    #expect(exact.count == 200 && rounded.count == 200)
    for first in stride(from: 0, to: 200, by: 50) {
        let means = [exact, rounded].map { $0[first..<first + 50].reduce(0, +) / 50 }
        #expect(abs(means[1] - means[0]) < 0.01 * means[0], "steps \(first) to \(first + 50): \(means)")
    }
}

/// Writes a machine file in which bfloat16 products run at `ratio` times the rate of float32.
private func write(ratio: Double, _ path: String) throws {
    let rates = InstructionRates(
        float32: 1e11, bfloat16: Precision.hasBFloat16 ? ratio * 1e11 : nil, int8: MachineRates.hasInt8 ? 4e11 : nil)
    try JSONEncoder().encode([MachineProfile(processor: .current, rates: rates)]).write(to: URL(filePath: path))
}

/// The choice must not depend on what else the machine does, because then its load would change a job's result.
@Test func precisionDependsOnlyOnCPU() throws {
    let run = try TrainingRun(.mlm)
    run.job.recipe.maxSteps = 1
    let rates = InstructionRates.measured()
    try run.run()
    #expect(run.started?.precision == rates.fastestPrecision.rawValue)
    #expect(run.preflight?.precisionReason != nil)
}

@Test func firstRunMeasuresMachineForAllRuns() throws {
    let run = try TrainingRun(.mlm)
    run.job.recipe.maxSteps = 1
    let path = "\(run.folder)/machine.json"
    run.job.machineFile = path
    try run.run()
    let stored = try Data(contentsOf: URL(filePath: path))
    #expect(try JSONDecoder().decode([MachineProfile].self, from: stored).map(\.processor) == [.current])
    try run.startOver()
    try run.run()
    #expect(try Data(contentsOf: URL(filePath: path)) == stored)
    #expect(run.notes == [])
}

@Test func damagedMachineFileIsReported() throws {
    let run = try TrainingRun(.mlm)
    run.job.recipe.maxSteps = 1
    run.job.machineFile = "\(run.folder)/machine.json"
    try Data("[".utf8).write(to: URL(filePath: "\(run.folder)/machine.json"))
    try run.run()
    #expect(run.notes.contains { $0.contains("machine.json") }, "\(run.notes)")
}

@Test(.enabled(if: Precision.hasBFloat16, "this CPU does not support bfloat16"), arguments: [(0.5, 2.0), (2.0, 0.5)])
func resumedRunKeepsPrecision(first: Double, later: Double) throws {
    func precision(_ ratio: Double) -> String { ratio > 1 ? "bfloat16" : "float32" }
    let run = try TrainingRun(.mlm)
    let path = "\(run.folder)/machine.json"
    run.job.machineFile = path
    try write(ratio: first, path)
    try run.run { event, control in
        if case .step(let step) = event, step.step == 3 { control.leave() }
    }
    #expect(run.started?.precision == precision(first))
    #expect(try #require(run.preflight?.precisionReason).contains("\(first) times"))
    try write(ratio: later, path)
    try run.run()
    #expect(run.started?.precision == precision(first))
    #expect(run.preflight?.precisionReason == nil)
    try run.startOver()
    try run.run()
    #expect(run.started?.precision == precision(later))
}

@Test func setPrecisionNeedsNoMeasurement() throws {
    let run = try TrainingRun(.mlm)
    run.job.recipe.maxSteps = 1
    run.job.recipe.precision = .float32
    run.job.machineFile = "\(run.folder)/machine.json"
    try run.run()
    #expect(run.started?.precision == "float32" && run.preflight?.precisionReason == nil)
    #expect(!FileManager.default.fileExists(atPath: "\(run.folder)/machine.json"))
}
