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

    /// Bytes that activations may take: a batch whose activations are larger is taken in parts. The same everywhere,
    /// so that a run gives the same numbers on a machine with less memory.
    public static let activationBytes = 1 << 30

    /// - Parameters:
    ///   - longestRow: tokens of the longest sequence that will come, in training or evaluation
    ///   - precision: of matrix products; what `recipe` leaves to the machine is decided by now
    ///   - activationBytes: what activations may take; one sequence is taken whatever it takes
    public init(
        model: RobertaModel, recipe: Recipe, longestRow: Int, precision: Precision,
        activationBytes: Int = Learner.activationBytes
    ) {
        self.model = model
        self.recipe = recipe
        optimizer = Optimizer(layout: model.parameters.layout, recipe: recipe)
        gradients = Parameters(layout: model.parameters.layout)
        var tokens = longestRow * recipe.perDeviceTrainBatchSize
        while tokens > longestRow {
            let bytes = TrainingPass.bytes(
                model.configuration, maximumTokens: tokens, maximumSequenceLength: longestRow)
            if bytes <= activationBytes { break }
            tokens = max(tokens * 3 / 4, longestRow)
        }
        maximumTokens = tokens
        pass = TrainingPass(
            model: model, maximumTokens: tokens, maximumSequenceLength: longestRow, precision: precision)
    }

    /// - Parameter step: from 0; names the random numbers of dropout
    public func learn(_ batch: Batch, step: Int, learningRate: Double) -> Outcome {
        guard !batch.scoredRows.isEmpty else {
            return Outcome(loss: 0, gradientNorm: 0, flaw: "no token of the batch can be scored")
        }
        gradients.setToZero()
        var sums = LossSums()
        let lossScale = 1 / Float(batch.scoredRows.count)
        for (index, part) in batch.split(maximumTokens: maximumTokens).enumerated() {
            // Each part draws its own numbers.
            let seed = recipe.seed &+ UInt64(index) &* 0x9e37_79b9_7f4a_7c15
            sums += pass.forwardBackward(
                inputIDs: part.inputIDs, sequenceOffsets: part.sequenceOffsets, scoredRows: part.scoredRows,
                labels: part.labels, lossScale: lossScale, dropout: DropoutKey(seed: seed, step: UInt32(step)),
                gradients: gradients)
        }
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

    /// Loss and hits on a batch, without dropout; of at most `maximumTokens` or one sequence.
    func evaluate(_ batch: Batch) -> LossSums {
        pass.evaluate(
            inputIDs: batch.inputIDs, sequenceOffsets: batch.sequenceOffsets, scoredRows: batch.scoredRows,
            labels: batch.labels)
    }
}
