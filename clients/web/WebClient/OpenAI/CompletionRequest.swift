import HTTPTypes
import Interface

/// The body of `POST /v1/completions`: OpenAI's fields, and those of ours that OpenAI has none for.
struct CompletionRequest: Decodable, Sendable {
    /// Texts asked for in one request.
    static let choiceLimit = 16

    struct StreamOptions: Decodable, Sendable {
        var includeUsage: Bool?
        private enum CodingKeys: String, CodingKey { case includeUsage = "include_usage" }
    }

    var model: String?
    var prompts: [String]
    /// Texts for each prompt.
    var n: Int
    var isStream: Bool
    var includesUsage: Bool
    var sampling: InferenceInterface.Sampling

    private enum CodingKeys: String, CodingKey {
        case model, prompt, n, stream, temperature, stop, seed
        case streamOptions = "stream_options"
        case maxTokens = "max_tokens"
        case topP = "top_p"
        // Not OpenAI's:
        case topK = "top_k"
        case minP = "min_p"
        case repetitionPenalty = "repetition_penalty"
        // OpenAI's, and not ours:
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
        guard n >= 1, prompts.count * n <= Self.choiceLimit else {
            throw APIError(
                .badRequest,
                "from 1 to \(Self.choiceLimit) texts can be asked for at once, not \(prompts.count) × \(n)",
                param: "n", code: "invalid_value")
        }
        try Self.refuse(fields)
    }

    /// What each choice is made from, in the order of OpenAI's indices. With a seed every text of a prompt has one of its
    /// own: that of the first is the one given.
    var calls: [InferenceInterface.Generate.Parameters] {
        prompts.flatMap { prompt in
            (0..<n).map { index in
                var sampling = sampling
                sampling.seed = sampling.seed.map { $0 &+ index }
                return .init(prompt: prompt, model: model, sampling: sampling == .init() ? nil : sampling)
            }
        }
    }

    /// A text or a list of texts; null is none.
    private static func texts(
        _ fields: KeyedDecodingContainer<CodingKeys>, _ key: CodingKeys
    ) throws -> [String] {
        if key == .stop, try fields.decodeNil(forKey: key) { return [] }
        if let text = try? fields.decode(String.self, forKey: key) { return [text] }
        guard let texts = try? fields.decode([String].self, forKey: key) else {
            throw APIError(
                .badRequest, "‘\(key.stringValue)’ has to be a text or a list of texts", param: key.stringValue,
                code: "invalid_type")
        }
        return texts
    }

    /// A field that would be passed over in silence is refused, unless it says what happens anyway.
    private static func refuse(_ fields: KeyedDecodingContainer<CodingKeys>) throws {
        func refuse(_ key: CodingKeys) throws {
            throw APIError(
                .badRequest, "‘\(key.stringValue)’ is not offered", param: key.stringValue,
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
