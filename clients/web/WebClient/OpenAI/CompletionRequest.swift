import HTTPTypes
import Interface

/// The body of `POST /v1/completions`: OpenAI's fields, and sampling parameters that OpenAI's API does not have.
struct CompletionRequest: Decodable, Sendable {
    /// Maximum number of completions per request.
    static let choiceLimit = 16
    /// Maximum number of stop strings, and maximum bytes of each.
    static let stopLimit = 16
    static let stopBytes = 1 << 10

    struct StreamOptions: Decodable, Sendable {
        var includeUsage: Bool?
        private enum CodingKeys: String, CodingKey { case includeUsage = "include_usage" }
    }

    var model: String?
    var prompts: [String]
    /// Completions per prompt.
    var n: Int
    var isStream: Bool
    var includesUsage: Bool
    var sampling: InferenceInterface.Sampling

    private enum CodingKeys: String, CodingKey {
        case model, prompt, n, stream, temperature, stop, seed
        case streamOptions = "stream_options"
        case maxTokens = "max_tokens"
        case topP = "top_p"
        // Extensions of OpenAI's API:
        case topK = "top_k"
        case minP = "min_p"
        case repetitionPenalty = "repetition_penalty"
        // OpenAI's fields that are not supported:
        case echo, suffix, logprobs
        case bestOf = "best_of"
        case presencePenalty = "presence_penalty"
        case frequencyPenalty = "frequency_penalty"
        case logitBias = "logit_bias"
    }

    init(from decoder: any Decoder) throws {
        let fields = try decoder.container(keyedBy: CodingKeys.self)
        func optional<Value: Decodable>(_ key: CodingKeys) throws -> Value? {
            try fields.decodeIfPresent(Value.self, forKey: key)
        }
        model = try optional(.model)
        prompts = try Self.texts(fields, .prompt)
        n = try optional(.n) ?? 1
        isStream = try optional(.stream) ?? false
        includesUsage = try (optional(.streamOptions) as StreamOptions?)?.includeUsage ?? false
        sampling = InferenceInterface.Sampling(
            maxNewTokens: try optional(.maxTokens), temperature: try optional(.temperature), topK: try optional(.topK),
            topP: try optional(.topP), minP: try optional(.minP),
            repetitionPenalty: try optional(.repetitionPenalty),
            stop: fields.contains(.stop) ? try Self.texts(fields, .stop) : nil, seed: try optional(.seed))
        guard !prompts.isEmpty else {
            throw APIError(.badRequest, "‘prompt’ is missing or empty", param: "prompt", code: "invalid_value")
        }
        let (texts, isTooLarge) = prompts.count.multipliedReportingOverflow(by: n)
        guard n >= 1, !isTooLarge, texts <= Self.choiceLimit else {
            throw APIError(
                .badRequest,
                "a request can ask for 1 to \(Self.choiceLimit) completions, not \(prompts.count) × \(n)",
                param: "n", code: "invalid_value")
        }
        try Self.check(sampling)
        try Self.refuse(fields)
    }

    /// Returns the parameters of each choice in the order of OpenAI's indices. If a seed is given, the first completion
    /// of a prompt uses it and each further one its own.
    var calls: [InferenceInterface.Generate.Parameters] {
        prompts.flatMap { prompt in
            (0..<n).map { index in
                var sampling = sampling
                sampling.seed = sampling.seed.map { $0 &+ index }
                return .init(prompt: prompt, model: model, sampling: sampling == .init() ? nil : sampling)
            }
        }
    }

    /// Rejects values that no service accepts. The service checks its own, narrower limits.
    private static func check(_ sampling: InferenceInterface.Sampling) throws {
        func check(_ isValid: Bool, _ key: CodingKeys, _ range: String) throws {
            guard !isValid else { return }
            throw APIError(
                .badRequest, "‘\(key.stringValue)’ must be \(range)", param: key.stringValue, code: "invalid_value")
        }
        func isIn<Number: Comparable>(_ range: ClosedRange<Number>, _ value: Number?) -> Bool {
            value.map { range.contains($0) } ?? true
        }
        let most = Double.greatestFiniteMagnitude
        try check(isIn(1...Int(Int32.max), sampling.maxNewTokens), .maxTokens, "1 or more")
        try check(isIn(0...most, sampling.temperature), .temperature, "0 or more")
        try check(isIn(0...Int(Int32.max), sampling.topK), .topK, "0 (all) or more")
        try check(isIn(0...1, sampling.topP), .topP, "above 0, at most 1")
        try check(isIn(0...1, sampling.minP), .minP, "from 0 to 1")
        try check(isIn(0...most, sampling.repetitionPenalty), .repetitionPenalty, "above 0")
        let stops = sampling.stop ?? []
        try check(
            stops.count <= stopLimit && stops.allSatisfy { (1...stopBytes).contains($0.utf8.count) }, .stop,
            "up to \(stopLimit) strings of 1 to \(stopBytes) bytes")
    }

    /// Decodes a string or a list of strings; null is an empty list.
    private static func texts(
        _ fields: KeyedDecodingContainer<CodingKeys>, _ key: CodingKeys
    ) throws -> [String] {
        if key == .stop, try fields.decodeNil(forKey: key) { return [] }
        if let text = try? fields.decode(String.self, forKey: key) { return [text] }
        guard let texts = try? fields.decode([String].self, forKey: key) else {
            throw APIError(
                .badRequest, "‘\(key.stringValue)’ must be a string or a list of strings", param: key.stringValue,
                code: "invalid_type")
        }
        return texts
    }

    /// Rejects an unsupported field unless its value is the default, rather than ignoring it silently.
    private static func refuse(_ fields: KeyedDecodingContainer<CodingKeys>) throws {
        func refuse(_ key: CodingKeys) throws {
            throw APIError(
                .badRequest, "‘\(key.stringValue)’ is not supported", param: key.stringValue,
                code: "unsupported_parameter")
        }
        if try fields.decodeIfPresent(Bool.self, forKey: .echo) ?? false { try refuse(.echo) }
        if try fields.decodeIfPresent(String.self, forKey: .suffix) != nil { try refuse(.suffix) }
        if try fields.decodeIfPresent(Int.self, forKey: .logprobs) != nil { try refuse(.logprobs) }
        if try fields.decodeIfPresent(Int.self, forKey: .bestOf) ?? 1 != 1 { try refuse(.bestOf) }
        if try fields.decodeIfPresent(Double.self, forKey: .presencePenalty) ?? 0 != 0 { try refuse(.presencePenalty) }
        if try fields.decodeIfPresent(Double.self, forKey: .frequencyPenalty) ?? 0 != 0 {
            try refuse(.frequencyPenalty)
        }
        if try !(fields.decodeIfPresent([String: Double].self, forKey: .logitBias) ?? [:]).isEmpty {
            try refuse(.logitBias)
        }
    }
}
