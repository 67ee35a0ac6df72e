import Glibc
import Jobs

/// The progress and the learning rate of a run.
///
/// The learning rate rises linearly over the first `warmupRatio` of the run and then follows `lrSchedulerType`, as
/// in `transformers.get_scheduler`; unlike there, the first warm-up step has a rate above 0. With `maxTime`,
/// progress is the larger of the share of steps and the share of time. If the steps are expected to end earlier, time only
/// counts once it is later than expected: the rates of such a run do not depend on the machine's speed.
public struct LearningRateSchedule: Sendable {
    public let totalSteps: Int
    private let peak: Double
    private let kind: LearningRateScheduleName
    private let warmup: Double
    /// Share of the run over which `warmup_stable_decay` decays, at most what the warm-up leaves.
    private let decay: Double
    private let maximumSeconds: Double?
    /// Elapsed seconds before which only steps count.
    private var timeCountsFrom = 0.0

    /// - Parameter recipe: has a number of epochs
    public init(recipe: Recipe, stepsPerEpoch: Int) {
        let epochs = ((recipe.numTrainEpochs ?? 1) * Double(stepsPerEpoch)).rounded(.up)
        totalSteps = max(1, Int(min(epochs, Double(recipe.mostSteps))))
        peak = recipe.learningRate
        kind = recipe.lrSchedulerType
        warmup = recipe.warmupRatio
        decay = min(recipe.decayRatio, 1 - recipe.warmupRatio)
        maximumSeconds = recipe.maxTime.seconds
    }

    /// Sets the expected duration of all steps, measured before the first; nil if unknown.
    public mutating func expect(seconds: Double?) {
        guard let seconds, let maximumSeconds else { return }
        let late = min(1.1 * seconds, 0.95 * maximumSeconds)
        timeCountsFrom = seconds < maximumSeconds ? max(late, maximumSeconds / 2) : 0
    }

    /// Returns the progress from 0 to 1 before step `step` (counted from 0).
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

    /// Whether the run ends before step `step` (counted from 0). The first step always runs.
    public func isOver(step: Int, elapsedSeconds: Double) -> Bool {
        step > 0 && progress(step: step, elapsedSeconds: elapsedSeconds) >= 1
    }

    /// Estimates the remaining steps and seconds from the duration of a step.
    public func remaining(step: Int, elapsedSeconds: Double, secondsPerStep: Double) -> (steps: Int, seconds: Double) {
        let steps = max(totalSteps - step, 0)
        guard let maximumSeconds else { return (steps, Double(steps) * secondsPerStep) }
        let seconds = max(min(Double(steps) * secondsPerStep, maximumSeconds - elapsedSeconds), 0)
        return (min(steps, Int((seconds / max(secondsPerStep, 1e-9)).rounded(.up))), seconds)
    }
}
