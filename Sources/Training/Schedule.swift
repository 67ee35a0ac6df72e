import Glibc
import Jobs

/// How far a run is, and what the learning rate is there.
///
/// The rate rises linearly over the first `warmupRatio` of the run and then goes as `lrSchedulerType` says, as
/// `transformers.get_scheduler`; the first step of a warm-up has a rate above 0 here. Where a run may take `maxTime` seconds,
/// what is nearer, the last step or the last second, says how far it is; but time is asked only where the steps are expected to
/// take half of it, or have taken it: a run that is far from `maxTime` has the same rates whatever the machine does.
public struct Schedule: Sendable {
    public let totalSteps: Int
    private let peak: Double
    private let kind: LearningRateScheduleName
    private let warmup: Double
    /// Share of the run over which `warmup_stable_decay` decays; what the warm-up leaves at most.
    private let decay: Double
    private let maximumSeconds: Double?
    /// Before, only steps count.
    private var timeCountsFrom = 0.0

    public init(recipe: Recipe, stepsPerEpoch: Int) {
        let epochs = (recipe.numTrainEpochs * Double(stepsPerEpoch)).rounded(.up)
        totalSteps = max(1, min(Int(min(epochs, 0x1p31)), recipe.maxSteps ?? .max))
        peak = recipe.learningRate
        kind = recipe.lrSchedulerType
        warmup = recipe.warmupRatio
        decay = min(recipe.decayRatio, 1 - recipe.warmupRatio)
        maximumSeconds = recipe.maxTime
    }

    /// Takes into account how long all steps will take, as it was measured before the first; nil: nobody knows.
    public mutating func expect(seconds: Double?) {
        guard let seconds, let maximumSeconds else { return }
        timeCountsFrom = seconds < maximumSeconds / 2 ? maximumSeconds / 2 : 0
    }

    /// From 0 to 1, before step `step` (from 0).
    public func progress(step: Int, elapsedSeconds: Double) -> Double {
        let ofSteps = Double(step) / Double(totalSteps)
        guard let maximumSeconds, elapsedSeconds >= timeCountsFrom else { return min(ofSteps, 1) }
        return min(max(ofSteps, elapsedSeconds / maximumSeconds), 1)
    }

    public func learningRate(step: Int, elapsedSeconds: Double) -> Double {
        let progress = progress(step: step, elapsedSeconds: elapsedSeconds)
        if progress < warmup { return peak * min((progress + 1 / Double(totalSteps)) / warmup, 1) }
        let left = 1 - progress
        switch kind {
        case .linear: return peak * left / (1 - warmup)
        case .cosine: return peak * (1 - cos(.pi * left / (1 - warmup))) / 2
        case .constant: return peak
        case .warmupStableDecay: return left >= decay ? peak : peak * left / decay
        }
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
