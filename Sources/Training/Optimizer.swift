import Jobs
import Kernels
import Models

/// AdamW with its two moments, decaying all but biases and LayerNorms.
public final class Optimizer {
    public let firstMoment: Parameters
    public let secondMoment: Parameters
    /// Updates made so far.
    public internal(set) var updates = 0
    private let recipe: Recipe
    /// Stretches of the arena that are decayed or not, gaps between tensors included: they are zero and stay so.
    private let stretches: [(range: Range<Int>, isDecayed: Bool)]

    public init(layout: ParameterLayout, recipe: Recipe) {
        self.recipe = recipe
        firstMoment = Parameters(layout: layout)
        secondMoment = Parameters(layout: layout)
        var stretches: [(range: Range<Int>, isDecayed: Bool)] = []
        for entry in layout.entries {
            if let last = stretches.last, last.isDecayed == entry.isDecayed { continue }
            if let last = stretches.popLast() {
                stretches.append((last.range.lowerBound..<entry.offset, last.isDecayed))
            }
            stretches.append((entry.offset..<layout.storageCount, entry.isDecayed))
        }
        self.stretches = stretches
    }

    /// Moves the parameters by one step.
    /// - Parameter gradientScale: what the gradients are multiplied with first
    func update(_ parameters: Parameters, gradients: Parameters, learningRate: Double, gradientScale: Double) {
        updates += 1
        for (range, isDecayed) in stretches {
            let step = AdamWStep(
                learningRate: learningRate, beta1: recipe.adamBeta1, beta2: recipe.adamBeta2,
                epsilon: recipe.adamEpsilon, weightDecay: isDecayed ? recipe.weightDecay : 0,
                gradientScale: gradientScale, step: updates)
            let at = range.lowerBound
            adamWUpdate(
                parameters: parameters.values.baseAddress! + at, gradients: gradients.values.baseAddress! + at,
                firstMoment: firstMoment.values.baseAddress! + at, secondMoment: secondMoment.values.baseAddress! + at,
                count: range.count, step)
        }
    }
}
