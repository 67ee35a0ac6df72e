import CKernels
import Glibc

/// The logits of one row in double precision, prepared for sampling. Excluded tokens have the value −∞.
public struct Scores {
    /// `[vocab]`
    public var values: [Double]
    /// The largest of `values`; −∞ if no token is allowed.
    public private(set) var largest: Double
    /// Number of logits that are infinite or NaN, including those of excluded tokens.
    public let infiniteCount: Int

    /// - Parameters:
    ///   - logits: `[vocab]`
    ///   - isAllowed: `[vocab]`, whether each token may be chosen
    public init(_ logits: UnsafeBufferPointer<Float>, where isAllowed: [Bool]) {
        checked(logits.count == isAllowed.count, "\(logits.count) logits for \(isAllowed.count) tokens")
        var (infinite, largest) = (0, -Double.infinity)
        values = Array(unsafeUninitializedCapacity: logits.count) { buffer, count in
            isAllowed.withUnsafeBytes { mask in
                largest = kb_scores(
                    buffer.baseAddress!, logits.baseAddress!, mask.bindMemory(to: UInt8.self).baseAddress!,
                    logits.count, &infinite)
            }
            count = logits.count
        }
        self.largest = largest
        infiniteCount = infinite
    }

    /// Modifies the values and recomputes the largest.
    public mutating func change(_ body: (inout [Double]) -> Void) {
        body(&values)
        var largest = -Double.infinity
        for value in values where value > largest { largest = value }
        self.largest = largest
    }

    /// Returns Σ exp((x − max) / temperature).
    public func normalizer(temperature: Double = 1) -> Double { blockSums(temperature).reduce(0, +) }

    /// Returns the first index at which the cumulative sum of softmax(values / temperature) exceeds `uniform`.
    ///
    /// Sums blocks first, then searches the block that contains the index.
    /// - Parameter uniform: in [0, 1)
    public func choose(temperature: Double, uniform: Double) -> Int {
        let sums = blockSums(temperature)
        let goal = uniform * sums.reduce(0, +)
        var (sum, last) = (0.0, 0)
        for (index, blockSum) in sums.enumerated() where blockSum > 0 {
            // Rounding may place the goal beyond the last block; then that block is searched.
            if sum + blockSum <= goal && index < sums.count - 1 {
                sum += blockSum
                last = index
                continue
            }
            if let found = choose(inBlock: index, temperature, from: sum, goal: goal) { return found }
            sum += blockSum
            last = index
        }
        return choose(inBlock: last, temperature, from: 0, goal: .infinity, orLast: true) ?? 0
    }

    private static let block = 256

    private func blockSums(_ temperature: Double) -> [Double] {
        let blocks = (values.count + Self.block - 1) / Self.block
        return Array(unsafeUninitializedCapacity: blocks) { buffer, count in
            kb_exp_sums(buffer.baseAddress!, values, largest, temperature, values.count, Self.block)
            count = blocks
        }
    }

    private func choose(
        inBlock block: Int, _ temperature: Double, from start: Double, goal: Double, orLast: Bool = false
    ) -> Int? {
        let first = block * Self.block
        let count = min(Self.block, values.count - first)
        return withUnsafeTemporaryAllocation(of: Double.self, capacity: count) { weights in
            values.withUnsafeBufferPointer { values in
                kb_exponentials(weights.baseAddress!, values.baseAddress! + first, largest, temperature, count)
            }
            var (sum, last) = (start, nil as Int?)
            for index in 0..<count where weights[index] > 0 {
                sum += weights[index]
                last = first + index
                if goal < sum { return last }
            }
            return orLast ? last : nil
        }
    }
}
