/// One parameter after AdamW steps, compared with the reference.
public struct AdamWElement: Encodable, Sendable {
    /// The largest error of a parameter whose steps are determined by its gradients.
    package static let tolerance = 2e-5

    public let tensor: String
    /// The element's position in the tensor, in row-major order.
    public let index: Int
    /// The difference between the parameter and the reference.
    public let error: Double
    /// How far rounding of the gradients can move the parameter.
    public let movement: Double
    /// The gradients of the first step, before clipping.
    public let gradient: Double
    public let referenceGradient: Double
    /// The bound on the error of summation of `gradient`.
    public let gradientRounding: Double

    public enum Cause: String, Encodable, Sendable {
        case undeterminedStep = "gradient below the error of summation: step not determined"
        case sensitiveStep = "gradient near the error of summation: step not determined to the tolerance"
        case orderOfSums = "difference of order of sums"
        case wrongGradient = "the first gradients differ by more than the error of summation"
        case wrongStep = "the first gradients agree, the steps differ by more than rounding explains"
    }

    package init(
        tensor: String, index: Int, error: Double, movement: Double, gradient: Double, referenceGradient: Double,
        gradientRounding: Double
    ) {
        self.tensor = tensor
        self.index = index
        // NaN is the largest error.
        self.error = error.isNaN ? .infinity : error
        self.movement = movement
        self.gradient = gradient
        self.referenceGradient = referenceGradient
        self.gradientRounding = gradientRounding
    }

    /// Whether rounding of the gradients moves the parameter by less than the tolerance. False if the bound is NaN.
    public var isDetermined: Bool { movement <= Self.tolerance }

    /// Why the parameter differs from the reference.
    public var cause: Cause {
        if !(abs(gradient - referenceGradient) <= gradientRounding) { return .wrongGradient }
        if error > max(movement, Self.tolerance) || movement.isNaN { return .wrongStep }
        if isDetermined { return .orderOfSums }
        return abs(referenceGradient) <= gradientRounding ? .undeterminedStep : .sensitiveStep
    }

    enum CodingKeys: String, CodingKey {
        case tensor, index, error, movement, gradient, cause
        case referenceGradient = "reference_gradient"
        case gradientRounding = "gradient_rounding"
    }

    public func encode(to encoder: any Encoder) throws {
        var container = encoder.container(keyedBy: CodingKeys.self)
        try container.encode(tensor, forKey: .tensor)
        try container.encode(index, forKey: .index)
        for (value, key) in [
            (error, CodingKeys.error), (movement, .movement), (gradient, .gradient),
            (referenceGradient, .referenceGradient), (gradientRounding, .gradientRounding),
        ] {
            try container.encode(ParityResult.finite(value), forKey: key)
        }
        try container.encode(cause, forKey: .cause)
    }
}
