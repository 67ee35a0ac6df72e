import CKernels
import Parallel

/// Sums over the scored tokens, from which the mean loss and the accuracy are computed.
public struct LossAccumulator: Sendable, Equatable, BitwiseCopyable {
    /// Σ cross-entropy, in nats.
    public var loss: Double
    /// Number of tokens whose highest logit is the label.
    public var correct: Int
    /// Number of scored tokens.
    public var count: Int

    public init(loss: Double = 0, correct: Int = 0, count: Int = 0) {
        self.loss = loss
        self.correct = correct
        self.count = count
    }

    public static func += (sums: inout LossAccumulator, other: LossAccumulator) {
        sums.loss += other.loss
        sums.correct += other.correct
        sums.count += other.count
    }
}

/// Adds `bias` to the logits and computes the cross-entropy of each row against its label, as
/// `torch.nn.functional.cross_entropy(reduction="sum")`.
/// - Parameters:
///   - logits: `[rows, vocab]`; if `gradientScale` is given, overwritten with gradientScale · d loss / d logits
///   - bias: `[vocab]`; added here because the row is already in the cache
///   - labels: `[rows]`, each in 0..<vocab
public func crossEntropy(
    _ logits: Matrix, bias: Vector, labels: ArraySlice<Int32>, gradientScale: Float?
) -> LossAccumulator {
    checked(bias.count == logits.columns)
    checked(labels.count == logits.rows)
    checked(labels.allSatisfy { $0 >= 0 && $0 < logits.columns }, "crossEntropy: label outside the vocabulary")
    return withUnsafeTemporaryAllocation(of: (loss: Float, hit: Bool).self, capacity: max(logits.rows, 1)) { results in
        ThreadPool.shared.forEach(logits.rows) { row in
            let label = Int(labels[labels.startIndex + row])
            var best = 0
            let loss = kb_cross_entropy(
                logits.row(row), bias.base, logits.columns, label, gradientScale ?? 0, &best)
            results[row] = (loss, best == label)
        }
        var sums = LossAccumulator(count: logits.rows)
        for row in 0..<logits.rows {
            sums.loss += Double(results[row].loss)
            if results[row].hit { sums.correct += 1 }
        }
        return sums
    }
}
