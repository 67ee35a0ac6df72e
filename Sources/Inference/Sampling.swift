import Glibc
import Kernels
import Random

/// Chooses tokens from logits: the steps of transformers' `generate(do_sample=True)`, in its order.
///
/// Each step works on scores in Double, and takes a token out by making its score −∞. `top_k` and `top_p` keep what
/// `TopKLogitsWarper` and `TopPLogitsWarper` keep, `min_p` what `MinPLogitsWarper` keeps. Where one of them is on, the
/// tokens that none could keep are left out before, so that the steps see few.
package struct Sampler: Sendable {
    private let options: SamplingOptions
    private let random: Philox
    /// Whether the token of this id may ever be chosen. `[vocabSize]`
    private let mayEmit: [Bool]

    package init(options: SamplingOptions, seed: Int, mayEmit: [Bool]) {
        self.options = options
        self.mayEmit = mayEmit
        random = Philox(seed: UInt64(bitPattern: Int64(seed)), purpose: .sampling)
    }

    package func next(logits: [Float], history: [Int32], step: Int) throws(InferenceError) -> Int32 {
        try logits.withUnsafeBufferPointer { logits throws(InferenceError) in
            try next(logits: logits, history: history, step: step)
        }
    }

    /// - Parameters:
    ///   - logits: `[vocabSize]`
    ///   - history: the prompt and what was generated, for the repetition penalty
    ///   - step: how many tokens were generated before; the random number is a function of seed and step alone
    /// - Throws: `InferenceError.notANumber` where no token that may be emitted has a finite logit.
    package func next(
        logits: UnsafeBufferPointer<Float>, history: [Int32], step: Int
    ) throws(InferenceError) -> Int32 {
        var scores = Scores(logits, where: mayEmit)
        if options.repetitionPenalty != 1 {
            scores.change { Sampler.penalizeRepetition(&$0, of: history, penalty: options.repetitionPenalty) }
        }
        guard scores.largest > -.infinity else { throw .notANumber }
        if options.temperature == 0 { return Int32(scores.values.firstIndex(of: scores.largest)!) }
        guard options.topK > 0 || options.topP < 1 || options.minP > 0 else {
            return Int32(scores.choose(temperature: options.temperature, uniform: uniform(step: step)))
        }
        var (ids, kept, normalizer) = candidates(scores)
        if options.topP < 1 { Sampler.keepTopP(&kept, options.topP, normalizer: normalizer, of: scores.values.count) }
        if options.minP > 0 { Sampler.keepMinP(&kept, options.minP) }
        ids = ids.indices.filter { kept[$0] > -.infinity }.map { ids[$0] }
        kept = kept.filter { $0 > -.infinity }
        return Int32(ids[Sampler.choose(kept, uniform: uniform(step: step))])
    }

    /// The tokens that the first step in use could keep, in order of ids: their scores after the temperature, and, where
    /// that step looks at probabilities, the Σ exp of all.
    private func candidates(_ scores: Scores) -> (ids: [Int], scores: [Double], normalizer: Double?) {
        func warm(_ score: Double) -> Double {
            max((score - scores.largest) / options.temperature, -.greatestFiniteMagnitude)
        }
        var (threshold, normalizer) = (-Double.infinity, nil as Double?)
        if options.topK > 0 {
            if let last = topIndices(of: scores.values, count: options.topK).last {
                threshold = warm(scores.values[last])
            }
        } else if options.topP < 1 {
            let sum = scores.normalizer(temperature: options.temperature)
            normalizer = sum
            // Half of what `keepTopP` leaves out, so that rounding leaves nothing out that it would keep.
            threshold = log(0.5 * Sampler.negligible(options.topP, of: scores.values.count) * sum)
        } else {
            threshold = log(options.minP)
        }
        var (ids, kept): ([Int], [Double]) = ([], [])
        for (id, score) in scores.values.enumerated() where score > -.infinity {
            let warmed = warm(score)
            guard warmed >= threshold else { continue }
            ids.append(id)
            kept.append(warmed)
        }
        return (ids, kept, normalizer)
    }

    /// All that follows the repetition penalty, in order.
    package static func warp(_ scores: inout [Double], _ options: SamplingOptions) {
        applyTemperature(&scores, options.temperature)
        if options.topK > 0 { keepTopK(&scores, options.topK) }
        if options.topP < 1 { keepTopP(&scores, options.topP) }
        if options.minP > 0 { keepMinP(&scores, options.minP) }
    }

    /// A number in [0, 1) with 53 random bits.
    private func uniform(step: Int) -> Double {
        let block = random.block(step: UInt32(truncatingIfNeeded: step), index: 0)
        return Double((UInt64(block[0]) << 32 | UInt64(block[1])) >> 11) * 0x1p-53
    }

    /// Keskar et al., "CTRL", 2019: a positive logit is divided by the penalty, a negative one multiplied, once a token.
    package static func penalizeRepetition(_ scores: inout [Double], of history: [Int32], penalty: Double) {
        for id in Set(history) where scores[Int(id)] > -.infinity {
            scores[Int(id)] = scores[Int(id)] < 0 ? scores[Int(id)] * penalty : scores[Int(id)] / penalty
        }
    }

    /// The largest score becomes 0 on the way, so that no temperature, however small, makes an infinity.
    package static func applyTemperature(_ scores: inout [Double], _ temperature: Double) {
        let largest = scores.max() ?? 0
        for index in scores.indices where scores[index] > -.infinity {
            scores[index] = max((scores[index] - largest) / temperature, -.greatestFiniteMagnitude)
        }
    }

    /// Fan et al., 2018. Tokens equal to the k-th stay, as in transformers.
    package static func keepTopK(_ scores: inout [Double], _ k: Int) {
        guard let last = topIndices(of: scores, count: k).last else { return }
        let threshold = scores[last]
        for index in scores.indices where scores[index] < threshold { scores[index] = -.infinity }
    }

    /// Holtzman et al., "The Curious Case of Neural Text Degeneration", 2020: a token stays while those above it have
    /// less than `p` together; the most likely one always stays. Of equal ones the higher id counts as above the lower,
    /// as transformers' ascending sort has it.
    /// - Parameters:
    ///   - normalizer: Σ exp(x − max) of all scores, where those given are not all
    ///   - count: how many those are
    package static func keepTopP(_ scores: inout [Double], _ p: Double, normalizer: Double? = nil, of count: Int? = nil)
    {
        let probabilities = softmax(scores, normalizer: normalizer)
        let negligible = negligible(p, of: count ?? scores.count)
        let sorted = probabilities.indices.filter { probabilities[$0] >= negligible }
            .sorted { probabilities[$0] > probabilities[$1] || (probabilities[$0] == probabilities[$1] && $0 > $1) }
        var above = 0.0
        var nucleus: [Int] = []
        for index in sorted {
            guard nucleus.isEmpty || above < p else { break }
            nucleus.append(index)
            above += probabilities[index]
        }
        var kept = [Double](repeating: -.infinity, count: scores.count)
        for index in nucleus { kept[index] = scores[index] }
        scores = kept
    }

    /// All of less than this probability have less than 1 − p together, so the nucleus is in what is left without them.
    private static func negligible(_ p: Double, of count: Int) -> Double { (1 - p) / Double(2 * count) }

    /// Nguyen et al., "Turning Up the Heat", 2024: a token stays if it has at least `p` times the best one's probability.
    package static func keepMinP(_ scores: inout [Double], _ p: Double) {
        let threshold = (scores.max() ?? 0) + log(p)
        for index in scores.indices where scores[index] < threshold { scores[index] = -.infinity }
    }

    /// The first index, in order of ids, at which the sum of the probabilities passes `uniform`.
    package static func choose(_ scores: [Double], uniform: Double) -> Int {
        let probabilities = softmax(scores)
        var sum = 0.0
        var last = 0
        for index in probabilities.indices where probabilities[index] > 0 {
            sum += probabilities[index]
            last = index
            if uniform < sum { return index }
        }
        return last
    }

    /// exp(x − max) / Σ exp(x − max); −∞ becomes 0.
    /// - Parameter normalizer: the Σ where those given are not all
    package static func softmax(_ scores: [Double], normalizer: Double? = nil) -> [Double] {
        let largest = scores.max() ?? 0
        var sum = 0.0
        var result = scores.map { score in
            let weight = score == -.infinity ? 0 : exp(score - largest)
            sum += weight
            return weight
        }
        for index in result.indices { result[index] /= normalizer ?? sum }
        return result
    }
}
