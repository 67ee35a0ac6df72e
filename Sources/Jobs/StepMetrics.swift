import MetricsSchema

/// The measurements of one optimizer step. `StepField` describes them.
public struct StepMetrics: Codable, Sendable, Equatable {
    public var step: Int
    public var epoch: Double
    public var loss: Double
    public var learningRate: Double
    public var gradientNorm: Double
    public var tokens: Int
    public var tokensPerSecond: Double
    /// Nil in steps recorded before this was measured.
    public var mfu: Double?

    public typealias CodingKeys = StepField

    public init(
        step: Int, epoch: Double, loss: Double, learningRate: Double, gradientNorm: Double, tokens: Int,
        tokensPerSecond: Double, mfu: Double? = nil
    ) {
        self.step = step
        self.epoch = epoch
        self.loss = loss
        self.learningRate = learningRate
        self.gradientNorm = gradientNorm
        self.tokens = tokens
        self.tokensPerSecond = tokensPerSecond
        self.mfu = mfu
    }
}

extension RunEvent.Step: Codable {
    private enum Key: String, CodingKey {
        case totalSteps, remainingSeconds, log
    }

    /// The measurements are members of the same JSON object.
    public init(from decoder: any Decoder) throws {
        let container = try decoder.container(keyedBy: Key.self)
        metrics = try StepMetrics(from: decoder)
        totalSteps = try container.decode(Int.self, forKey: .totalSteps)
        remainingSeconds = try container.decode(Double.self, forKey: .remainingSeconds)
        log = try container.decode(Bool.self, forKey: .log)
    }

    public func encode(to encoder: any Encoder) throws {
        try metrics.encode(to: encoder)
        var container = encoder.container(keyedBy: Key.self)
        try container.encode(totalSteps, forKey: .totalSteps)
        try container.encode(remainingSeconds, forKey: .remainingSeconds)
        try container.encode(log, forKey: .log)
    }
}
