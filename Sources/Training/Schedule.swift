import Jobs

/// How far a run is, and what the learning rate is there.
///
/// The rate rises linearly over the first `warmupRatio` of the run and falls linearly to 0 at its end, as
/// `get_linear_schedule_with_warmup`; the first step of a warm-up has a rate above 0 here. Where a run may take
/// `maxTime` seconds, what is nearer, the last step or the last second, says how far it is.
public struct Schedule: Sendable {
    public let totalSteps: Int
    private let peak: Double
    private let warmup: Double
    private let maximumSeconds: Double?

    public init(recipe: Recipe, stepsPerEpoch: Int) {
        let epochs = (recipe.numTrainEpochs * Double(stepsPerEpoch)).rounded(.up)
        totalSteps = max(1, min(Int(min(epochs, 0x1p31)), recipe.maxSteps ?? .max))
        peak = recipe.learningRate
        warmup = recipe.warmupRatio
        maximumSeconds = recipe.maxTime
    }

    /// From 0 to 1, before step `step` (from 0).
    public func progress(step: Int, elapsedSeconds: Double) -> Double {
        let ofSteps = Double(step) / Double(totalSteps)
        guard let maximumSeconds else { return min(ofSteps, 1) }
        return min(max(ofSteps, elapsedSeconds / maximumSeconds), 1)
    }

    public func learningRate(step: Int, elapsedSeconds: Double) -> Double {
        let progress = progress(step: step, elapsedSeconds: elapsedSeconds)
        if progress < warmup { return peak * min((progress + 1 / Double(totalSteps)) / warmup, 1) }
        return peak * (1 - progress) / (1 - warmup)
    }

    /// Whether step `step` (from 0) is not to be taken any more; the first always is.
    public func isOver(step: Int, elapsedSeconds: Double) -> Bool {
        step > 0 && progress(step: step, elapsedSeconds: elapsedSeconds) >= 1
    }

    /// Steps and seconds to come, judged by the seconds a step takes.
    public func remaining(step: Int, elapsedSeconds: Double, secondsPerStep: Double) -> (steps: Int, seconds: Double) {
        let steps = max(totalSteps - step, 0)
        guard let maximumSeconds else { return (steps, Double(steps) * secondsPerStep) }
        let seconds = max(min(Double(steps) * secondsPerStep, maximumSeconds - elapsedSeconds), 0)
        return (min(steps, Int((seconds / max(secondsPerStep, 1e-9)).rounded(.up))), seconds)
    }
}
