import CKernels
import Parallel

/// Sums over scored tokens, of which means are made.
public struct LossSums: Sendable, Equatable {
    /// Σ cross-entropy, in nats.
    public var loss: Double
    /// How often the best guess was right.
    public var hits: Int
    /// Scored tokens.
    public var count: Int

    public init(loss: Double = 0, hits: Int = 0, count: Int = 0) {
        self.loss = loss
        self.hits = hits
        self.count = count
    }

    public static func += (sums: inout LossSums, other: LossSums) {
        sums.loss += other.loss
        sums.hits += other.hits
        sums.count += other.count
    }
}

/// logits += b, then the cross-entropy of each row against its label, as
/// `torch.nn.functional.cross_entropy(reduction="sum")`.
/// - Parameters:
///   - logits: `[rows, vocab]`; with a `gradientScale`, overwritten by gradientScale · d loss / d logits
///   - bias: `[vocab]`; added here, where a row is in the cache
///   - labels: `[rows]`, within the vocabulary
public func crossEntropy(
    _ logits: Matrix, bias: Vector, labels: ArraySlice<Int32>, gradientScale: Float?
) -> LossSums {
    checked(bias.count == logits.columns)
    checked(labels.count == logits.rows)
    checked(labels.allSatisfy { $0 >= 0 && $0 < logits.columns }, "crossEntropy: a label outside the vocabulary")
    return withUnsafeTemporaryAllocation(of: (loss: Float, hit: Bool).self, capacity: max(logits.rows, 1)) { results in
        ThreadPool.shared.forEach(logits.rows) { row in
            let label = Int(labels[labels.startIndex + row])
            var best = 0
            let loss = kb_cross_entropy(
                logits.row(row), bias.base, logits.columns, label, gradientScale ?? 0, &best)
            results[row] = (loss, best == label)
        }
        var sums = LossSums(count: logits.rows)
        for row in 0..<logits.rows {
            sums.loss += Double(results[row].loss)
            if results[row].hit { sums.hits += 1 }
        }
        return sums
    }
}
