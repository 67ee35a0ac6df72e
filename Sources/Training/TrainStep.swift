import Datasets
import Distribution
import Jobs
import Kernels
import Models

/// A model in training. Each call of `learn` runs one step: forward pass, backward pass and update.
public final class TrainStep {
    public let model: RobertaModel
    public let optimizer: Optimizer
    /// Maximum number of tokens per micro-batch; larger batches are split.
    public let maximumTokens: Int
    let team: Team
    private let gradients: Parameters
    private let pass: TrainingPass
    private let recipe: Recipe
    /// Nil if there is one logical worker, whose gradients are the sum.
    private let gradientSum: GradientSum?

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
    ///   - team: the ranks that run each step together; at most one for each logical worker of the recipe
    public init(
        model: RobertaModel, recipe: Recipe, plan: MicrobatchPlan, precision: Precision, team: Team = Team()
    ) {
        self.model = model
        self.recipe = recipe
        self.team = team
        optimizer = Optimizer(
            layout: model.parameters.layout, recipe: recipe, precision: precision, rank: team.rank, of: team.ranks)
        gradients = Parameters(layout: model.parameters.layout)
        gradientSum =
            recipe.logicalWorkers == 1
            ? nil
            : GradientSum(
                team: team, workers: recipe.logicalWorkers, division: optimizer.division, gradients: gradients)
        maximumTokens = plan.maximumTokens
        pass = TrainingPass(
            model: model, maximumTokens: plan.maximumTokens, maximumSequenceLength: plan.longestRow,
            precision: precision)
    }

    /// Runs one training step. All ranks call it with the same arguments.
    /// - Parameter step: counted from 0; seeds dropout
    public func learn(_ batch: Batch, step: Int, learningRate: Double) throws(CommunicationError) -> Outcome {
        guard !batch.scoredRows.isEmpty else {
            return Outcome(loss: 0, gradientNorm: 0, failureReason: "the batch contains no token to score")
        }
        let sums = try sumGradients(of: batch, step: step)
        let loss = sums.loss / Double(sums.count)
        guard loss.isFinite else { return Outcome(loss: 0, gradientNorm: 0, failureReason: "the loss is \(loss)") }
        let norm = try gradientNorm()
        guard norm.isFinite else {
            return Outcome(loss: loss, gradientNorm: 0, failureReason: "the gradient norm is \(norm)")
        }
        // Same as `torch.nn.utils.clip_grad_norm_`.
        let gradientScale = min(1, recipe.maxGradNorm / (norm + 1e-6))
        optimizer.update(
            model.parameters, gradients: gradients, learningRate: learningRate, gradientScale: gradientScale)
        try gradientSum?.share(model.parameters)
        return Outcome(loss: loss, gradientNorm: norm, failureReason: nil)
    }

    /// Runs all the work of a step without changing a learner that has not been trained yet, bit for bit, so that the
    /// duration of a step can be measured before the first one.
    func rehearse(_ batch: Batch) throws(CommunicationError) {
        checked(optimizer.updates == 0)
        _ = try sumGradients(of: batch, step: 0)
        _ = try gradientNorm()
        // With zero gradients and learning rate, the moments stay 0 and 1 · θ − 0 equals θ.
        gradients.setToZero()
        optimizer.update(model.parameters, gradients: gradients, learningRate: 0, gradientScale: 1)
        optimizer.updates = 0
        try gradientSum?.share(model.parameters)
    }

    /// Computes the gradients of a batch; of several ranks, each has the part that it updates.
    private func sumGradients(of batch: Batch, step: Int) throws(CommunicationError) -> LossAccumulator {
        let lossScale = 1 / Float(batch.scoredRows.count)
        guard let gradientSum else {
            gradients.setToZero()
            return addGradients(of: batch, worker: 0, step: step, lossScale: lossScale, to: gradients)
        }
        let shares = batch.shares(recipe.logicalWorkers)
        return try gradientSum.run { worker, gradients in
            addGradients(of: shares[worker], worker: worker, step: step, lossScale: lossScale, to: gradients)
        }
    }

    private func gradientNorm() throws(CommunicationError) -> Double {
        let squared =
            try gradientSum?.squaredNorm()
            ?? squaredNorm(gradients.values.baseAddress!, count: gradients.values.count)
        return squared.squareRoot()
    }

    /// Adds the gradients of a worker's share of a batch.
    private func addGradients(
        of share: Batch, worker: Int, step: Int, lossScale: Float, to gradients: Parameters
    ) -> LossAccumulator {
        var sums = LossAccumulator()
        guard share.sequences > 0 else { return sums }
        // Cut rows are more sequences than the batch has rows, but hardly more tokens.
        let parts = share.split(
            maximumTokens: maximumTokens, maximumSequences: recipe.cutProbability > 0 ? .max : recipe.batchSize)
        for (index, part) in parts.enumerated() {
            // Each micro-batch of each worker uses its own random numbers.
            let number = UInt64(worker) << 32 | UInt64(index)
            let seed = recipe.seed &+ number &* 0x9e37_79b9_7f4a_7c15
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
