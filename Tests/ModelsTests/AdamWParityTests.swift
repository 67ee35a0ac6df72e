import Kernels
import Models
import Parity
import Random
import Testing

/// Whether the comparison of AdamW steps tells rounding of gradients from errors.
@Suite struct AdamWParityTests {
    /// An error of the optimizer, and the checks that it must fail.
    struct WrongStep: CustomTestStringConvertible {
        let testDescription: String
        let failing: Set<String>
        let alter: @Sendable (inout AdamWStep) -> Void
    }

    static let wrongSteps = [
        WrongStep(testDescription: "no weight decay", failing: ["steps"]) { $0.weightDecay = 0 },
        WrongStep(testDescription: "learning rate 2 % larger", failing: ["steps", "parameters"]) {
            $0.learningRate *= 1.02
        },
        WrongStep(testDescription: "beta2 0.99", failing: ["steps"]) { $0.beta2 = 0.99 },
        WrongStep(testDescription: "epsilon 1e-6", failing: ["steps", "parameters"]) { $0.epsilon = 1e-6 },
        WrongStep(testDescription: "bias correction of the next step", failing: ["steps", "parameters"]) {
            $0.step += 1
        },
        WrongStep(testDescription: "no clipping", failing: ["steps"]) { $0.gradientScale = 1 },
    ]

    @Test(arguments: wrongSteps)
    func rejectsWrongStep(wrong: WrongStep) throws {
        let results = try ParityCheck.adamW(
            try ReferenceTests.folder("mlm"), "adamw5_decay", weightDecay: 0.01, alteringStep: wrong.alter)
        for check in wrong.failing {
            let result = try #require(results.first { $0.check == "adamw5_decay \(check)" })
            #expect(!result.passed, "\(check): \(result.error)")
            if let element = result.element { #expect(element.cause == .wrongStep) }
        }
    }

    @Test func rejectsOneWrongGradient() throws {
        let tensor = "roberta.encoder.layer.1.output.dense.weight"
        let results = try ParityCheck.adamW(
            try ReferenceTests.folder("mlm"), "adamw5", weightDecay: 0, alteringGradients: { $0[tensor][5] *= -1 })
        let result = try #require(results.first { $0.check == "adamw5 parameters" })
        #expect(!result.passed && result.worst == "\(tensor)[5]")
        #expect(result.element?.cause == .wrongGradient)
    }

    /// Changes every gradient by its error of summation, or by a multiple.
    private func results(rounding factor: Double) throws -> [ParityResult] {
        try ParityCheck.adamW(
            try ReferenceTests.folder("mlm"), "adamw5", weightDecay: 0,
            alteringGradients: { gradients in
                for entry in gradients.layout.entries {
                    let tensor = gradients[entry]
                    let scale = GradientScale(tensor, shape: entry.shape)
                    for index in 0..<entry.count {
                        let sign = index * 7919 % 13 < 6 ? factor : -factor
                        tensor[index] += Float(sign * scale.rounding(index))
                    }
                }
            })
    }

    @Test func acceptsRoundingOfGradients() throws {
        let results = try results(rounding: 0.9)
        #expect(results.allSatisfy { $0.passed }, "\(results.filter { !$0.passed })")
        let undetermined = try #require(results.first { $0.check.contains("undetermined parameters") }?.element)
        #expect([.undeterminedStep, .sensitiveStep].contains(undetermined.cause))
    }

    /// Takes two series of steps whose gradients differ by their rounding. Some gradients of the first step are so small
    /// that rounding decides their sign.
    @Test(arguments: [1, 2, 3] as [UInt64])
    func boundsWhatRoundingOfGradientsChanges(seed: UInt64) throws {
        let layout = ParameterLayout(try ReferenceTests.folder("mlm").configuration)
        let entry = try #require(layout.entry("lm_head.dense.weight"))
        let philox = Philox(seed: seed, purpose: .initialization)
        func values() -> [Float] { [Float](repeating: 0, count: entry.count) }
        var (parameters, first, second) = ([values(), values()], [values(), values()], [values(), values()])
        let gradients = Parameters(layout: layout)
        let uncertainty = AdamWUncertainty(layout: layout)
        for step in 1...5 {
            let tensor = gradients[entry]
            for index in 0..<entry.count {
                let words = philox.block(step: UInt32(step), index: UInt64(index))
                let tiny: Float = step == 1 && index % 50 == 0 ? 1e-5 : 1
                tensor[index] = (Philox.uniform(words[0]) - 0.5) * 1e-3 * tiny
            }
            let scale = GradientScale(tensor, shape: entry.shape)
            let rounded = (0..<entry.count).map { index in
                let word = philox.block(step: UInt32(step), index: UInt64(index))[1]
                return tensor[index] + Float(scale.rounding(index)) * (word & 1 == 0 ? 1 : -1)
            }
            let update = AdamWStep(
                learningRate: 5e-4 * (1 - Double(step - 1) / 5), beta1: 0.9, beta2: 0.999, epsilon: 1e-8,
                weightDecay: 0, gradientScale: 1, step: step)
            for (series, gradient) in [Array(tensor), rounded].enumerated() {
                adamWUpdate(
                    parameters: &parameters[series], gradients: gradient, firstMoment: &first[series],
                    secondMoment: &second[series], count: entry.count, update)
            }
            second[0].withUnsafeMutableBufferPointer {
                uncertainty.add(entry, gradients: tensor, secondMoment: $0, update)
            }
        }
        let movement = uncertainty.movement(entry)
        var decided = 0
        for index in 0..<entry.count {
            let change = Double(abs(parameters[0][index] - parameters[1][index]))
            #expect(change <= Double(movement[index]) * 1.1 + 1e-7, "seed \(seed), element \(index)")
            if change > AdamWElement.tolerance { decided += 1 }
        }
        #expect(decided > 0)
    }

    @Test func rejectsGradientsWithErrorsOfTwentyTimesTheirRounding() throws {
        let failed = try results(rounding: 20).filter { !$0.passed }
        #expect(
            Set(failed.map(\.check)).isSuperset(of: ["adamw5 steps", "adamw5 parameters"]), "\(failed.map(\.check))")
        #expect(failed.compactMap(\.element).allSatisfy { $0.cause == .wrongGradient })
    }

    static func element(
        error: Double, movement: Double, gradient: Double = 1e-3, reference: Double = 1e-3, rounding: Double = 1e-8
    ) -> AdamWElement {
        AdamWElement(
            tensor: "w", index: 0, error: error, movement: movement, gradient: gradient, referenceGradient: reference,
            gradientRounding: rounding)
    }

    @Test(arguments: [
        (element(error: 1e-6, movement: 1e-7), AdamWElement.Cause.orderOfSums),
        (element(error: 3e-5, movement: 1e-7), .wrongStep),
        (element(error: .nan, movement: 1e-7), .wrongStep),
        (element(error: 1e-4, movement: 1e-3, gradient: 1e-9, reference: -6e-9), .undeterminedStep),
        (element(error: 1e-4, movement: 1e-3, gradient: 1e-7, reference: 1.05e-7), .sensitiveStep),
        (element(error: 2e-3, movement: 1e-3, gradient: 1e-9, reference: -6e-9), .wrongStep),
        (element(error: 1e-4, movement: 1e-3, gradient: 1e-7, reference: -1e-7), .wrongGradient),
        (element(error: 1e-6, movement: 1e-7, gradient: .nan), .wrongGradient),
        (element(error: 1e-6, movement: .nan), .wrongStep),
    ])
    func namesTheCause(element: AdamWElement, cause: AdamWElement.Cause) {
        #expect(element.cause == cause)
    }

    @Test(arguments: [(5, true), (6, false)])
    func boundsTheShareOfUndeterminedSteps(undetermined: Int, passes: Bool) throws {
        var elements = WorstElements()
        for index in 0..<1000 {
            elements.note(
                Self.element(error: 1e-6, movement: index < undetermined ? 1e-3 : 1e-7), referenceStep: 1e-1)
        }
        let results = elements.results("adamw5", largestUndeterminedShare: 5e-3)
        #expect(results.count == 4)
        let share = try #require(results.first { $0.check == "adamw5 undetermined share" })
        #expect(share.passed == passes && share.worst == "\(undetermined) of 1000 parameters")
        #expect(results.filter { !$0.passed }.count == (passes ? 0 : 1))
    }

    @Test func rejectsNonFiniteParameters() {
        for movement in [1e-7, 1e-3, .nan] {
            var elements = WorstElements()
            elements.note(Self.element(error: .nan, movement: movement), referenceStep: 1e-3)
            #expect(!elements.results("adamw5", largestUndeterminedShare: 1).allSatisfy { $0.passed })
        }
    }
}
