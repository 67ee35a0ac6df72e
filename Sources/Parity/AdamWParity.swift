import FoundationEssentials
import Glibc
import Kernels
import Models

extension ParityCheck {
    /// The largest share of parameters whose steps may be undetermined. It is 0.14 to 0.28 % in ten models with 2 to 8
    /// layers.
    private static let largestUndeterminedShare = 5e-3

    /// Runs five AdamW steps on the batch. Losses and gradient norms must be within 1e-4.
    ///
    /// Parameters must be within 2e-5, except those that rounding of their gradients can move further. These must be
    /// within what rounding explains, and may be only a small share. The norm of all other parameters' errors may be 2e-4
    /// of the norm of the reference's steps, which a missing weight decay exceeds.
    ///
    /// - Parameters:
    ///   - alteringGradients: changes the gradients of each step; for tests of the comparison
    ///   - alteringStep: changes each step; for tests of the comparison
    package static func adamW(
        _ folder: GoldenFolder, _ name: String, weightDecay: Double,
        alteringGradients: (Parameters) -> Void = { _ in }, alteringStep: (inout AdamWStep) -> Void = { _ in }
    ) throws -> [ParityResult] {
        let model = try folder.loadModel()
        let start = try folder.loadModel().parameters
        let parameters = model.parameters
        let gradients = Parameters(layout: parameters.layout)
        let firstGradients = Parameters(layout: parameters.layout)
        let firstMoment = Parameters(layout: parameters.layout)
        let secondMoment = Parameters(layout: parameters.layout)
        let uncertainty = AdamWUncertainty(layout: parameters.layout)
        let pass = folder.makePass(model)
        let file = try folder.file("\(name).safetensors")
        let (expectedLosses, expectedNorms) = (try read(file, "losses"), try read(file, "grad_norms"))
        var (losses, norms) = (Worst(), Worst())
        for step in 0..<5 {
            gradients.setToZero()
            let loss = folder.lossAndGradients(pass, gradients)
            alteringGradients(gradients)
            if step == 0 { firstGradients.copy(from: gradients) }
            let norm = sqrt(squaredNorm(gradients.values.baseAddress!, count: gradients.values.count))
            losses.note(abs(loss - Double(expectedLosses[step])), "step \(step + 1)")
            norms.note(abs(norm / Double(expectedNorms[step]) - 1), "step \(step + 1)")
            for entry in parameters.layout.entries {
                var update = AdamWStep(
                    learningRate: 5e-4 * (1 - Double(step) / 5), beta1: 0.9, beta2: 0.999, epsilon: 1e-8,
                    weightDecay: entry.isDecayed ? weightDecay : 0, gradientScale: min(1, 1 / (norm + 1e-6)),
                    step: step + 1)
                let correct = update
                alteringStep(&update)
                adamWUpdate(
                    parameters: parameters[entry].baseAddress!, gradients: gradients[entry].baseAddress!,
                    firstMoment: firstMoment[entry].baseAddress!, secondMoment: secondMoment[entry].baseAddress!,
                    count: entry.count, update)
                uncertainty.add(entry, gradients: gradients[entry], secondMoment: secondMoment[entry], correct)
            }
        }

        let referenceGradients = try folder.file("gradients.safetensors")
        var elements = WorstElements()
        for entry in try comparedEntries(folder, parameters.layout) {
            let (expected, referenceGradient) = (try read(file, entry.name), try read(referenceGradients, entry.name))
            let (ours, gradient, before) = (parameters[entry], firstGradients[entry], start[entry])
            let scale = GradientScale(gradient, shape: entry.shape)
            let movement = uncertainty.movement(entry)
            for index in 0..<entry.count {
                elements.note(
                    AdamWElement(
                        tensor: entry.name, index: index, error: abs(Double(ours[index]) - Double(expected[index])),
                        movement: Double(movement[index]), gradient: Double(gradient[index]),
                        referenceGradient: Double(referenceGradient[index]), gradientRounding: scale.rounding(index)),
                    referenceStep: Double(expected[index]) - Double(before[index]))
            }
        }
        return [
            losses.result("\(name) losses", tolerance: 1e-4), norms.result("\(name) norms", tolerance: 1e-4),
        ] + elements.results(name, largestUndeterminedShare: largestUndeterminedShare)
    }

    /// Returns the tensors whose gradient is more than noise. Others are excluded because AdamW takes full-length steps
    /// even when the gradient is noise.
    private static func comparedEntries(
        _ folder: GoldenFolder, _ layout: ParameterLayout
    ) throws -> [ParameterLayout.Entry] {
        let file = try folder.file("gradients.safetensors")
        return try layout.entries.filter { entry in
            sqrt(try read(file, entry.name).reduce(0) { $0 + Double($1) * Double($1) }) >= zeroNorm
        }
    }
}

/// Tracks the errors of all parameters: the worst whose steps are determined, and the worst whose steps are not.
package struct WorstElements {
    private var count = 0
    private var undeterminedCount = 0
    private var determined: AdamWElement?
    private var undetermined: AdamWElement?
    /// Of the parameters whose steps are determined.
    private var squaredErrors = 0.0
    private var squaredSteps = 0.0

    package init() {}

    /// - Parameter referenceStep: the movement of the reference's parameter
    package mutating func note(_ element: AdamWElement, referenceStep: Double) {
        count += 1
        if element.isDetermined {
            squaredErrors += element.error * element.error
            squaredSteps += referenceStep * referenceStep
            if element.error > determined?.error ?? -1 { determined = element }
        } else {
            undeterminedCount += 1
            if Self.share(element) > undetermined.map(Self.share) ?? -1 { undetermined = element }
        }
    }

    /// Returns the error as a multiple of what rounding explains.
    private static func share(_ element: AdamWElement) -> Double {
        let share = element.error / element.movement
        return share.isNaN ? .infinity : share
    }

    package func results(_ name: String, largestUndeterminedShare: Double) -> [ParityResult] {
        func place(_ element: AdamWElement?) -> String { element.map { "\($0.tensor)[\($0.index)]" } ?? "none" }
        let relative = squaredErrors > 0 ? (squaredErrors / squaredSteps).squareRoot() : 0
        return [
            ParityResult(
                check: "\(name) steps", error: relative, tolerance: 2e-4, worst: "norm of the difference by norm"),
            ParityResult(
                check: "\(name) parameters", error: determined?.error ?? 0, tolerance: AdamWElement.tolerance,
                worst: place(determined), element: determined),
            ParityResult(
                check: "\(name) undetermined parameters, error by what rounding explains",
                error: undetermined.map(Self.share) ?? 0, tolerance: 1, worst: place(undetermined),
                element: undetermined),
            ParityResult(
                check: "\(name) undetermined share", error: Double(undeterminedCount) / Double(max(count, 1)),
                tolerance: largestUndeterminedShare, worst: "\(undeterminedCount) of \(count) parameters"),
        ]
    }
}
