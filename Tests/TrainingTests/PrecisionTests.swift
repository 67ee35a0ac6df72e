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

/// The choice must not depend on a measurement, because then the machine's load would change a job's result.
@Test func precisionDependsOnlyOnCPU() throws {
    let run = try TrainingRun(.mlm)
    run.job.recipe.maxSteps = 1
    try run.run()
    #expect(run.started?.precision == (Precision.hasBFloat16 ? "bfloat16" : "float32"))
}
