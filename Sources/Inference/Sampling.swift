import Glibc
import Kernels
import Random

/// Chooses tokens from logits in the same steps and order as `generate(do_sample=True)` in transformers.
///
/// Each step operates on scores in Double and excludes a token by setting its score to −∞. `top_k`, `top_p` and `min_p`
/// keep the same tokens as `TopKLogitsWarper`, `TopPLogitsWarper` and `MinPLogitsWarper`. If one of them is enabled,
/// tokens that no step could keep are excluded in advance, so that the steps process few tokens.
package struct Sampler: Sendable {
    private let options: SamplingOptions
    private let random: Philox
    /// Whether each token may be chosen. `[vocabSize]`
    private let allowedTokens: [Bool]

    package init(options: SamplingOptions, seed: Int, allowedTokens: [Bool]) {
        self.options = options
        self.allowedTokens = allowedTokens
        random = Philox(seed: UInt64(bitPattern: Int64(seed)), purpose: .sampling)
    }

    package func next(logits: [Float], history: [Int32], step: Int) throws(InferenceError) -> Int32 {
        try logits.withUnsafeBufferPointer { logits throws(InferenceError) in
            try next(logits: logits, history: history, step: step)
        }
    }

    /// Returns the next token.
    /// - Parameters:
    ///   - logits: `[vocabSize]`
    ///   - history: the prompt and the generated tokens, for the repetition penalty
    ///   - step: number of tokens generated so far; the random number depends only on the seed and the step
    /// - Throws: `InferenceError.notANumber` if no allowed token has a finite logit
    package func next(
        logits: UnsafeBufferPointer<Float>, history: [Int32], step: Int
    ) throws(InferenceError) -> Int32 {
        var scores = Scores(logits, where: allowedTokens)
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

    /// Returns the tokens that the first enabled step could keep, in ascending order: their scores after temperature
    /// and, if that step depends on probabilities, the sum of exp over all tokens.
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
            // Half of the bound of `keepTopP`, so that rounding cannot exclude a token that it would keep.
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

    /// Applies all steps after the repetition penalty.
    package static func warp(_ scores: inout [Double], _ options: SamplingOptions) {
        applyTemperature(&scores, options.temperature)
        if options.topK > 0 { keepTopK(&scores, options.topK) }
        if options.topP < 1 { keepTopP(&scores, options.topP) }
        if options.minP > 0 { keepMinP(&scores, options.minP) }
    }

    /// Returns a random number in [0, 1) with 53 bits.
    private func uniform(step: Int) -> Double {
        let block = random.block(step: UInt32(truncatingIfNeeded: step), index: 0)
        return Double((UInt64(block[0]) << 32 | UInt64(block[1])) >> 11) * 0x1p-53
    }

    /// Keskar et al., "CTRL", 2019: divides positive logits by the penalty and multiplies negative ones, once per
    /// token.
    package static func penalizeRepetition(_ scores: inout [Double], of history: [Int32], penalty: Double) {
        for id in Set(history) where scores[Int(id)] > -.infinity {
            scores[Int(id)] = scores[Int(id)] < 0 ? scores[Int(id)] * penalty : scores[Int(id)] / penalty
        }
    }

    /// Divides the scores by the temperature. The largest score is shifted to 0 first, so that even the smallest
    /// temperature causes no overflow.
    package static func applyTemperature(_ scores: inout [Double], _ temperature: Double) {
        let largest = scores.max() ?? 0
        for index in scores.indices where scores[index] > -.infinity {
            scores[index] = max((scores[index] - largest) / temperature, -.greatestFiniteMagnitude)
        }
    }

    /// Fan et al., 2018. Tokens that tie with the k-th token are kept, as in transformers.
    package static func keepTopK(_ scores: inout [Double], _ k: Int) {
        guard let last = topIndices(of: scores, count: k).last else { return }
        let threshold = scores[last]
        for index in scores.indices where scores[index] < threshold { scores[index] = -.infinity }
    }

    /// Holtzman et al., "The Curious Case of Neural Text Degeneration", 2020: keeps a token if all tokens above it have
    /// a total probability of less than `p`. The most likely token is always kept. Of equally likely tokens, the one
    /// with the higher id is considered above, which matches the ascending sort of transformers.
    /// - Parameters:
    ///   - normalizer: Σ exp(x − max) over all scores, if `scores` is only a part of them
    ///   - count: number of all scores
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

    /// Returns a bound on probabilities. All tokens below it have a total probability of less than 1 − p, so the
    /// nucleus does not change if they are excluded.
    private static func negligible(_ p: Double, of count: Int) -> Double { (1 - p) / Double(2 * count) }

    /// Nguyen et al., "Turning Up the Heat", 2024: keeps tokens with at least `p` times the highest probability.
    package static func keepMinP(_ scores: inout [Double], _ p: Double) {
        let threshold = (scores.max() ?? 0) + log(p)
        for index in scores.indices where scores[index] < threshold { scores[index] = -.infinity }
    }

    /// Returns the first index, in ascending order, at which the cumulative probability exceeds `uniform`.
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

    /// Computes exp(x − max) / Σ exp(x − max), where −∞ becomes 0.
    /// - Parameter normalizer: the sum over all scores, if `scores` is only a part of them
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
