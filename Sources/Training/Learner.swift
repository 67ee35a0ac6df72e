import Datasets
import Jobs
import Kernels
import Models

/// A model in training: one call is one step, forward, backward and update.
public final class Learner {
    public let model: RobertaModel
    public let optimizer: Optimizer
    /// Tokens that go through the model at once; a larger batch is taken in parts.
    public let maximumTokens: Int
    private let gradients: Parameters
    private let pass: TrainingPass
    private let recipe: Recipe

    /// What became of a step.
    public struct Outcome: Sendable {
        /// Mean cross-entropy of the scored tokens, in nats.
        public var loss: Double
        /// Before clipping.
        public var gradientNorm: Double
        /// Why the parameters were left as they were, or nil where they were moved.
        public var flaw: String?
    }

    /// - Parameters:
    ///   - plan: how much goes through the model at once
    ///   - precision: of matrix products; what `recipe` leaves to the machine is decided by now
    public init(model: RobertaModel, recipe: Recipe, plan: MemoryPlan, precision: Precision) {
        self.model = model
        self.recipe = recipe
        optimizer = Optimizer(layout: model.parameters.layout, recipe: recipe, precision: precision)
        gradients = Parameters(layout: model.parameters.layout)
        maximumTokens = plan.maximumTokens
        pass = TrainingPass(
            model: model, maximumTokens: plan.maximumTokens, maximumSequenceLength: plan.longestRow,
            precision: precision)
    }

    /// - Parameter step: from 0; names the random numbers of dropout
    public func learn(_ batch: Batch, step: Int, learningRate: Double) -> Outcome {
        guard !batch.scoredRows.isEmpty else {
            return Outcome(loss: 0, gradientNorm: 0, flaw: "no token of the batch can be scored")
        }
        gradients.setToZero()
        let sums = addGradients(of: batch, step: step)
        let loss = sums.loss / Double(sums.count)
        guard loss.isFinite else { return Outcome(loss: 0, gradientNorm: 0, flaw: "the loss is \(loss)") }
        let norm = squaredNorm(gradients.values.baseAddress!, count: gradients.values.count).squareRoot()
        guard norm.isFinite else { return Outcome(loss: loss, gradientNorm: 0, flaw: "the gradient's norm is \(norm)") }
        // As `torch.nn.utils.clip_grad_norm_`.
        let gradientScale = min(1, recipe.maxGradNorm / (norm + 1e-6))
        optimizer.update(
            model.parameters, gradients: gradients, learningRate: learningRate, gradientScale: gradientScale)
        return Outcome(loss: loss, gradientNorm: norm, flaw: nil)
    }

    /// Does everything a step does, and leaves a learner that has not learned yet bit for bit as it was: what a step takes
    /// can be measured before the first one.
    func rehearse(_ batch: Batch) {
        checked(optimizer.updates == 0)
        gradients.setToZero()
        _ = addGradients(of: batch, step: 0)
        _ = squaredNorm(gradients.values.baseAddress!, count: gradients.values.count)
        // No gradient, no rate: moments stay 0, and 1 · θ − 0 is θ.
        gradients.setToZero()
        optimizer.update(model.parameters, gradients: gradients, learningRate: 0, gradientScale: 1)
        optimizer.updates = 0
    }

    private func addGradients(of batch: Batch, step: Int) -> LossSums {
        var sums = LossSums()
        let lossScale = 1 / Float(batch.scoredRows.count)
        let parts = batch.split(
            maximumTokens: maximumTokens, maximumSequences: recipe.perDeviceTrainBatchSize)
        for (index, part) in parts.enumerated() {
            // Each part draws its own numbers.
            let seed = recipe.seed &+ UInt64(index) &* 0x9e37_79b9_7f4a_7c15
            sums += pass.forwardBackward(
                inputIDs: part.inputIDs, sequenceOffsets: part.sequenceOffsets, scoredRows: part.scoredRows,
                labels: part.labels, lossScale: lossScale, dropout: DropoutKey(seed: seed, step: UInt32(step)),
                gradients: gradients)
        }
        return sums
    }

    /// Loss and hits on a batch, without dropout; of at most `maximumTokens` or one sequence.
    func evaluate(_ batch: Batch) -> LossSums {
        pass.evaluate(
            inputIDs: batch.inputIDs, sequenceOffsets: batch.sequenceOffsets, scoredRows: batch.scoredRows,
            labels: batch.labels)
    }
}
