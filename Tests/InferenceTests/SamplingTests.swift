import Foundation
import Inference
import Kernels
import Random
import Testing

@Suite struct SamplingTests {
    /// ½, ¼, ⅛, ⅛
    let scores = [0.5, 0.25, 0.125, 0.125].map { log($0) + 3 }

    func kept(_ scores: [Double]) -> [Int] { scores.indices.filter { scores[$0] > -.infinity } }

    @Test func softmaxOfHugeLogitsIsFinite() {
        #expect(Sampler.softmax([1e300, 1e300, -1e300, -.infinity]) == [0.5, 0.5, 0, 0])
        for (found, expected) in zip(Sampler.softmax(scores), [0.5, 0.25, 0.125, 0.125]) {
            #expect(abs(found - expected) < 1e-15)
        }
    }

    @Test func repetitionPenaltyDividesPositiveAndMultipliesNegativeLogitsOnce() {
        var scores: [Double] = [2, -1, 0.5, -.infinity]
        Sampler.penalizeRepetition(&scores, of: [0, 1, 0, 3], penalty: 2)
        #expect(scores == [1, -2, 0.5, -.infinity])
    }

    @Test func temperatureDividesTheDistanceToTheLargest() {
        var scores: [Double] = [1, 3, -.infinity]
        Sampler.applyTemperature(&scores, 0.5)
        #expect(scores == [-4, 0, -.infinity])
    }

    @Test func smallestTemperatureIsGreedyAndFinite() {
        var scores = [1.0, 3, 2]
        Sampler.applyTemperature(&scores, .leastNonzeroMagnitude)
        #expect(Sampler.softmax(scores) == [0, 1, 0])
    }

    @Test(arguments: [(1, [0]), (2, [0, 1]), (3, [0, 1, 2, 3]), (4, [0, 1, 2, 3]), (9, [0, 1, 2, 3])])
    func topKKeepsTies(k: Int, expected: [Int]) {
        var scores = scores
        Sampler.keepTopK(&scores, k)
        #expect(kept(scores) == expected)
    }

    @Test(
        arguments: [(1e-18, [0]), (0.4, [0]), (0.6, [0, 1]), (0.8, [0, 1, 3]), (0.9, [0, 1, 2, 3])] as [(Double, [Int])]
    )
    func topPKeepsTheNucleus(p: Double, expected: [Int]) {
        var scores = scores
        Sampler.keepTopP(&scores, p)
        #expect(kept(scores) == expected)
    }

    @Test(arguments: [(0.2, [0, 1, 2, 3]), (0.3, [0, 1]), (0.6, [0]), (1, [0])] as [(Double, [Int])])
    func minPIsRelativeToTheMostLikely(p: Double, expected: [Int]) {
        var scores = scores
        Sampler.keepMinP(&scores, p)
        #expect(kept(scores) == expected)
    }

    @Test(arguments: [(0, 0), (0.49, 0), (0.51, 1), (0.76, 2), (0.88, 3), (1 - 0x1p-53, 3)] as [(Double, Int)])
    func choosesByCumulativeProbability(uniform: Double, expected: Int) {
        #expect(Sampler.choose(scores, uniform: uniform) == expected)
    }

    @Test func appliesTemperatureBeforeTopP() throws {
        // At temperature ½, the first token has probability 0.73, so it alone is the nucleus for 0.7.
        let options = SamplingOptions(temperature: 0.5, topP: 0.7)
        for seed in 0..<100 {
            let sampler = Sampler(options: options, seed: seed, allowedTokens: [true, true, true, true])
            #expect(try sampler.next(logits: scores.map(Float.init), history: [], step: 0) == 0)
        }
    }

    @Test func warpersMatchTransformers() throws {
        let warpers = try Fixture.request.warpers
        for (wanted, expected) in zip(warpers.cases, try Fixture.reference.warpers) {
            var scores = warpers.logits
            if let penalty = wanted.repetitionPenalty {
                Sampler.penalizeRepetition(&scores, of: wanted.history ?? [], penalty: penalty)
            }
            Sampler.warp(
                &scores,
                SamplingOptions(
                    temperature: wanted.temperature ?? 1, topK: wanted.topK ?? 0, topP: wanted.topP ?? 1,
                    minP: wanted.minP ?? 0))
            for (found, expected) in zip(Sampler.softmax(scores), expected) {
                #expect(abs(found - expected) < 1e-12, "\(wanted)")
            }
        }
    }

    /// The sampler takes shortcuts. Its choice must equal that of all steps applied to all scores.
    @Test(arguments: [
        SamplingOptions(temperature: 0), SamplingOptions(temperature: 1), SamplingOptions(temperature: 0.3),
        SamplingOptions(temperature: 1e-300), SamplingOptions(temperature: 30),
        SamplingOptions(temperature: 1, repetitionPenalty: 1.3), SamplingOptions(temperature: 0.8, topK: 40),
        SamplingOptions(temperature: 1, topP: 0.9), SamplingOptions(temperature: 0.01, topP: 0.3),
        SamplingOptions(temperature: 1, minP: 0.05),
        SamplingOptions(temperature: 1.1, topK: 100, topP: 0.95, minP: 0.01, repetitionPenalty: 1.2),
        SamplingOptions(temperature: 1, topP: 0.99, minP: 0.02),
    ])
    func shortcutsMatchStepwiseSampling(options: SamplingOptions) throws {
        let count = 2_000
        for step in 0..<60 {
            let philox = Philox(seed: 5, purpose: .initialization)
            // Includes many ties, disallowed tokens and non-finite logits.
            var logits = (0..<count).map { index in
                let word = philox.block(step: UInt32(step), index: UInt64(index))[0]
                return step % 2 == 0 ? 12 * (Philox.uniform(word) - 0.5) : Float(word % 9)
            }
            logits[7] = .infinity
            logits[8] = .nan
            let allowedTokens = (0..<count).map { $0 % 11 != 0 }
            let history: [Int32] = [1, 5, 5, 900]
            let sampler = Sampler(options: options, seed: 3, allowedTokens: allowedTokens)

            var scores = zip(logits, allowedTokens).map { $1 && $0.isFinite ? Double($0) : -.infinity }
            Sampler.penalizeRepetition(&scores, of: history, penalty: options.repetitionPenalty)
            var expected = scores.firstIndex(of: scores.max()!)!
            if options.temperature > 0 {
                Sampler.warp(&scores, options)
                let block = Philox(seed: 3, purpose: .sampling).block(step: UInt32(step), index: 0)
                let uniform = Double((UInt64(block[0]) << 32 | UInt64(block[1])) >> 11) * 0x1p-53
                expected = Sampler.choose(scores, uniform: uniform)
            }
            #expect(try sampler.next(logits: logits, history: history, step: step) == expected, "step \(step)")
        }
    }

    @Test func exponentialsMatchLibm() {
        let differences = (0..<5_000).map { -0.2 * Float($0) }
        let scores = differences.withUnsafeBufferPointer {
            Scores($0, where: Array(repeating: true, count: differences.count))
        }
        for temperature in [0.1, 1, 3.7] {
            let exact = differences.reduce(0) { $0 + exp(Double($1) / temperature) }
            #expect(abs(scores.normalizer(temperature: temperature) / exact - 1) < 1e-14)
        }
    }

    @Test func neverEmitsDisallowedTokens() throws {
        for temperature in [0.0, 1.5] {
            for seed in 0..<200 {
                let sampler = Sampler(
                    options: SamplingOptions(temperature: temperature), seed: seed,
                    allowedTokens: [false, true, true, false])
                let token = try sampler.next(logits: [50, 1, 0, .infinity], history: [], step: seed)
                #expect(token == 1 || (token == 2 && temperature > 0))
            }
        }
    }

    @Test func nonFiniteLogitsThrow() {
        let sampler = Sampler(options: SamplingOptions(), seed: 0, allowedTokens: [true, true])
        #expect(throws: InferenceError.notANumber) {
            try sampler.next(logits: [.nan, .nan], history: [], step: 0)
        }
    }

    @Test func frequenciesMatchProbabilities() throws {
        let sampler = Sampler(
            options: SamplingOptions(temperature: 1), seed: 11, allowedTokens: [true, true, true, true])
        var counts = [0.0, 0, 0, 0]
        let draws = 20_000
        for step in 0..<draws {
            counts[Int(try sampler.next(logits: scores.map(Float.init), history: [], step: step))] += 1
        }
        // Four standard deviations of the most variable count are 283.
        for (count, probability) in zip(counts, [0.5, 0.25, 0.125, 0.125]) {
            #expect(abs(count - probability * Double(draws)) < 283, "seed 11: \(counts)")
        }
    }

    @Test func topIndicesBreaksTiesByLowerIndex() {
        let scores = (0..<500).map { Double(($0 * 7919) % 101) }
        let sorted = scores.indices.sorted { scores[$0] > scores[$1] || (scores[$0] == scores[$1] && $0 < $1) }
        for count in [0, 1, 2, 17, 499, 500, 600] {
            #expect(topIndices(of: scores, count: count) == Array(sorted.prefix(count)))
        }
        let even = topIndices(of: scores, count: 3) { $0 % 2 == 0 }
        #expect(even == Array(sorted.filter { $0 % 2 == 0 }.prefix(3)))
    }

    @Test(arguments: [
        ("max_new_tokens", SamplingOptions(maxNewTokens: -1)), ("temperature", SamplingOptions(temperature: -1)),
        ("temperature", SamplingOptions(temperature: .nan)), ("top_k", SamplingOptions(topK: -1)),
        ("top_p", SamplingOptions(topP: 0)), ("top_p", SamplingOptions(topP: 1.1)), ("min_p", SamplingOptions(minP: 2)),
        ("repetition_penalty", SamplingOptions(repetitionPenalty: 0)), ("stop", SamplingOptions(stop: ["a", ""])),
    ])
    func rejectsOutOfRangeOptions(field: String, options: SamplingOptions) {
        #expect {
            try options.validate()
        } throws: { error in
            guard case .invalidParameter(let name, _) = error as? InferenceError else { return false }
            return name == field
        }
    }
}
