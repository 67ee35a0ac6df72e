/// Options for choosing the next token, with the names of `GenerationConfig` in transformers.
///
/// For the order in which they apply and their formulas, see `docs/serving.md`.
public struct SamplingOptions: Sendable, Equatable {
    /// 0 generates nothing, to score a prompt only.
    public var maxNewTokens: Int
    /// Divisor of the logits. 0 always chooses the most likely token.
    public var temperature: Double
    /// Number of most likely tokens to choose from. 0 means all.
    public var topK: Int
    /// Restricts the choice to the smallest set of most likely tokens with at least this total probability. 1 means
    /// all.
    public var topP: Double
    /// Minimum probability of a token relative to that of the most likely token. 0 means all tokens.
    public var minP: Double
    /// Values above 1 make tokens of the prompt and of the generated text less likely. 1 has no effect.
    public var repetitionPenalty: Double
    /// Generation stops before the first occurrence of one of these strings.
    public var stop: [String]
    /// The same seed reproduces the same text. Nil draws a random seed, which the result contains.
    public var seed: Int?

    public init(
        maxNewTokens: Int = 100, temperature: Double = 0.9, topK: Int = 0, topP: Double = 1, minP: Double = 0,
        repetitionPenalty: Double = 1, stop: [String] = [], seed: Int? = nil
    ) {
        self.maxNewTokens = maxNewTokens
        self.temperature = temperature
        self.topK = topK
        self.topP = topP
        self.minP = minP
        self.repetitionPenalty = repetitionPenalty
        self.stop = stop
        self.seed = seed
    }

    /// - Throws: `InferenceError.invalidParameter` with the name of the first field that is out of range
    public func validate() throws(InferenceError) {
        func check(_ isValid: Bool, _ name: String, _ range: String, _ found: some Any) throws(InferenceError) {
            guard isValid else { throw .invalidParameter(name, reason: "must be \(range), but is \(found)") }
        }
        try check(maxNewTokens >= 0, "max_new_tokens", "at least 0", maxNewTokens)
        try check(temperature >= 0 && temperature.isFinite, "temperature", "at least 0", temperature)
        try check(topK >= 0, "top_k", "at least 0 (0 means all)", topK)
        try check(topP > 0 && topP <= 1, "top_p", "greater than 0 and at most 1", topP)
        try check(minP >= 0 && minP <= 1, "min_p", "from 0 to 1", minP)
        try check(
            repetitionPenalty > 0 && repetitionPenalty.isFinite, "repetition_penalty", "greater than 0",
            repetitionPenalty)
        try check(!stop.contains(""), "stop", "non-empty strings", "\(stop.count) strings, one of which is empty")
        try check(
            stop.count <= RequestLimits.stops && stop.allSatisfy { $0.utf8.count <= RequestLimits.stopBytes }, "stop",
            "at most \(RequestLimits.stops) strings of at most \(RequestLimits.stopBytes) bytes",
            "\(stop.count) strings")
    }
}
