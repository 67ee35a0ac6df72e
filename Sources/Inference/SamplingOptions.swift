/// How the next token is chosen, under the names of transformers' `GenerationConfig`.
///
/// The order in which they apply, and their formulas, are in `docs/serving.md`.
public struct SamplingOptions: Sendable, Equatable {
    public var maxNewTokens: Int
    /// Logits are divided by it; 0 always takes the most likely token.
    public var temperature: Double
    /// Only the `topK` most likely tokens; 0 takes all.
    public var topK: Int
    /// Only the fewest most likely tokens that together have at least this probability; 1 takes all.
    public var topP: Double
    /// Only tokens at least this many times as likely as the most likely one; 0 takes all.
    public var minP: Double
    /// Above 1, tokens that stand in the prompt or were generated become less likely; 1 changes nothing.
    public var repetitionPenalty: Double
    /// Generation ends before the first of these to appear in the generated text.
    public var stop: [String]
    /// The same seed gives the same text; nil draws one, which the answer names.
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

    /// - Throws: `InferenceError.invalidParameter`, which names the first field out of its range.
    public func validate() throws(InferenceError) {
        func check(_ isValid: Bool, _ name: String, _ range: String, _ found: some Any) throws(InferenceError) {
            guard isValid else { throw .invalidParameter(name, reason: "must be \(range), is \(found)") }
        }
        try check(maxNewTokens >= 1, "max_new_tokens", "at least 1", maxNewTokens)
        try check(temperature >= 0 && temperature.isFinite, "temperature", "0 or more", temperature)
        try check(topK >= 0, "top_k", "0 (all) or more", topK)
        try check(topP > 0 && topP <= 1, "top_p", "above 0, at most 1", topP)
        try check(minP >= 0 && minP <= 1, "min_p", "from 0 to 1", minP)
        try check(
            repetitionPenalty > 0 && repetitionPenalty.isFinite, "repetition_penalty", "above 0", repetitionPenalty)
        try check(!stop.contains(""), "stop", "strings that are not empty", "\(stop.count) strings, one of them empty")
        try check(
            stop.count <= RequestLimits.stops && stop.allSatisfy { $0.utf8.count <= RequestLimits.stopBytes }, "stop",
            "at most \(RequestLimits.stops) strings of \(RequestLimits.stopBytes) bytes", "\(stop.count) strings")
    }
}
