import Datasets
import Jobs
import Kernels
import Models

/// A model in training. Each call of `learn` runs one step: forward pass, backward pass and update.
public final class TrainStep {
    public let model: RobertaModel
    public let optimizer: Optimizer
    /// Maximum number of tokens per micro-batch; larger batches are split.
    public let maximumTokens: Int
    private let gradients: Parameters
    private let pass: TrainingPass
    private let recipe: Recipe

    /// Result of a training step.
    public struct Outcome: Sendable {
        /// Mean cross-entropy of the scored tokens, in nats.
        public var loss: Double
        /// Norm of the gradient before clipping.
        public var gradientNorm: Double
        /// Why the step was skipped, or nil if the parameters were updated.
        public var failureReason: String?
    }

    /// - Parameters:
    ///   - plan: the micro-batch size
    ///   - precision: precision of matrix products, already resolved if the recipe says `auto`
    public init(model: RobertaModel, recipe: Recipe, plan: MicrobatchPlan, precision: Precision) {
        self.model = model
        self.recipe = recipe
        optimizer = Optimizer(layout: model.parameters.layout, recipe: recipe, precision: precision)
        gradients = Parameters(layout: model.parameters.layout)
        maximumTokens = plan.maximumTokens
        pass = TrainingPass(
            model: model, maximumTokens: plan.maximumTokens, maximumSequenceLength: plan.longestRow,
            precision: precision)
    }

    /// Runs one training step.
    /// - Parameter step: counted from 0; seeds dropout
    public func learn(_ batch: Batch, step: Int, learningRate: Double) -> Outcome {
        guard !batch.scoredRows.isEmpty else {
            return Outcome(loss: 0, gradientNorm: 0, failureReason: "the batch contains no token to score")
        }
        gradients.setToZero()
        let sums = addGradients(of: batch, step: step)
        let loss = sums.loss / Double(sums.count)
        guard loss.isFinite else { return Outcome(loss: 0, gradientNorm: 0, failureReason: "the loss is \(loss)") }
        let norm = squaredNorm(gradients.values.baseAddress!, count: gradients.values.count).squareRoot()
        guard norm.isFinite else {
            return Outcome(loss: loss, gradientNorm: 0, failureReason: "the gradient norm is \(norm)")
        }
        // Same as `torch.nn.utils.clip_grad_norm_`.
        let gradientScale = min(1, recipe.maxGradNorm / (norm + 1e-6))
        optimizer.update(
            model.parameters, gradients: gradients, learningRate: learningRate, gradientScale: gradientScale)
        return Outcome(loss: loss, gradientNorm: norm, failureReason: nil)
    }

    /// Runs all the work of a step without changing a learner that has not been trained yet, bit for bit, so that the
    /// duration of a step can be measured before the first one.
    func rehearse(_ batch: Batch) {
        checked(optimizer.updates == 0)
        gradients.setToZero()
        _ = addGradients(of: batch, step: 0)
        _ = squaredNorm(gradients.values.baseAddress!, count: gradients.values.count)
        // With zero gradients and learning rate, the moments stay 0 and 1 · θ − 0 equals θ.
        gradients.setToZero()
        optimizer.update(model.parameters, gradients: gradients, learningRate: 0, gradientScale: 1)
        optimizer.updates = 0
    }

    private func addGradients(of batch: Batch, step: Int) -> LossAccumulator {
        var sums = LossAccumulator()
        let lossScale = 1 / Float(batch.scoredRows.count)
        // Cut rows are more sequences than the batch has rows, but hardly more tokens.
        let parts = batch.split(
            maximumTokens: maximumTokens, maximumSequences: recipe.cutProbability > 0 ? .max : recipe.batchSize)
        for (index, part) in parts.enumerated() {
            // Each micro-batch uses its own random numbers.
            let seed = recipe.seed &+ UInt64(index) &* 0x9e37_79b9_7f4a_7c15
            sums += pass.forwardBackward(
                inputIDs: part.inputIDs, sequenceOffsets: part.sequenceOffsets, scoredRows: part.scoredRows,
                labels: part.labels, lossScale: lossScale, dropout: DropoutKey(seed: seed, step: UInt32(step)),
                gradients: gradients)
        }
        return sums
    }

    /// Returns the loss and accuracy sums of a batch, without dropout. The batch has at most `maximumTokens` tokens or
    /// one sequence.
    func evaluate(_ batch: Batch) -> LossAccumulator {
        pass.evaluate(
            inputIDs: batch.inputIDs, sequenceOffsets: batch.sequenceOffsets, scoredRows: batch.scoredRows,
            labels: batch.labels)
    }
}
