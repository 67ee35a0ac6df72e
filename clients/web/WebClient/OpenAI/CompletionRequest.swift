import HTTPTypes
import Interface
import Varlink

/// The body of `POST /v1/completions`: OpenAI's fields, and sampling parameters that OpenAI's API does not have.
struct CompletionRequest: Decodable, Sendable {
    /// Maximum number of prompts, and of completions of all prompts.
    static let promptLimit = 2048
    /// Maximum number of completions of a prompt.
    static let choiceLimit = 16
    /// Maximum number of likely tokens in the place of each token.
    static let logprobsLimit = 20
    /// Maximum number of stop strings, and maximum bytes of each.
    static let stopLimit = 16
    static let stopBytes = 1 << 10

    struct StreamOptions: Decodable, Sendable {
        var includeUsage: Bool?
        private enum CodingKeys: String, CodingKey { case includeUsage = "include_usage" }
    }

    enum Prompt: Sendable, Equatable {
        case text(String)
        case ids([Int])
    }

    var model: String?
    var prompts: [Prompt]
    /// Completions per prompt.
    var n: Int
    var isStream: Bool
    var includesUsage: Bool
    var echo: Bool
    /// Number of likely tokens in the place of each token; nil returns no tokens.
    var logprobs: Int?
    var sampling: InferenceInterface.Sampling

    enum CodingKeys: String, CodingKey, CaseIterable {
        case model, prompt, n, stream, temperature, stop, seed, echo, logprobs
        case streamOptions = "stream_options"
        case maxTokens = "max_tokens"
        case topP = "top_p"
        // Extensions of OpenAI's API:
        case topK = "top_k"
        case minP = "min_p"
        case repetitionPenalty = "repetition_penalty"
        // Supported only if it has no effect:
        case bestOf = "best_of"

        /// The valid values, for errors.
        var range: String {
            switch self {
            case .maxTokens: "0 (only the prompt is scored) or more"
            case .temperature: "0 (always the most likely token) or more"
            case .topK: "-1 or 0 (all tokens), or more"
            case .topP: "above 0 and at most 1"
            case .minP: "from 0 to 1"
            case .repetitionPenalty: "above 0"
            case .stop: "up to \(stopLimit) strings of 1 to \(stopBytes) bytes"
            case .n: "from 1 to \(choiceLimit)"
            case .logprobs: "from 0 to \(logprobsLimit)"
            case .prompt: "1 to \(promptLimit) texts, or lists of token ids of the model"
            case .model, .stream, .seed, .echo, .streamOptions, .bestOf: "valid"
            }
        }
    }

    /// OpenAI's fields and those of other servers that have an effect, which is not supported, unless they have one of
    /// these values.
    private static let neutral: [String: [JSONValue]] = [
        "suffix": [""], "presence_penalty": [0], "frequency_penalty": [0], "logit_bias": [[:]],
        "use_beam_search": [false], "ignore_eos": [false], "min_tokens": [0], "length_penalty": [1],
        "skip_special_tokens": [true], "add_special_tokens": [true], "include_stop_str_in_output": [false],
    ]

    /// Fields that have no effect on an answer.
    private static let ignored: Set<String> = [
        "user", "store", "metadata", "service_tier", "safety_identifier", "prompt_cache_key",
    ]

    init(from decoder: any Decoder) throws {
        try RequestFields(of: decoder).check(
            known: CodingKeys.allCases.map(\.rawValue), neutral: Self.neutral, ignored: Self.ignored)
        let fields = try decoder.container(keyedBy: CodingKeys.self)
        func optional<Value: Decodable>(_ key: CodingKeys) throws -> Value? {
            try fields.decodeIfPresent(Value.self, forKey: key)
        }
        model = try optional(.model)
        prompts = try Self.prompts(fields)
        n = try optional(.n) ?? 1
        isStream = try optional(.stream) ?? false
        includesUsage = try (optional(.streamOptions) as StreamOptions?)?.includeUsage ?? false
        echo = try optional(.echo) ?? false
        // Some clients send false for none.
        let hasNone = (try? fields.decodeIfPresent(Bool.self, forKey: .logprobs)) == false
        logprobs = hasNone ? nil : try optional(.logprobs)
        sampling = try Self.sampling(fields)
        try checkCounts()
        let bestOf: Int? = try optional(.bestOf)
        guard bestOf == nil || bestOf == 1 || bestOf == n else {
            throw RequestFields.unsupported([CodingKeys.bestOf.rawValue])
        }
    }

    /// Decodes the sampling parameters, which a chat request has, too.
    static func sampling(_ fields: KeyedDecodingContainer<CodingKeys>) throws -> InferenceInterface.Sampling {
        func optional<Value: Decodable>(_ key: CodingKeys) throws -> Value? {
            try fields.decodeIfPresent(Value.self, forKey: key)
        }
        let topK: Int? = try optional(.topK)
        let sampling = InferenceInterface.Sampling(
            maxNewTokens: try optional(.maxTokens), temperature: try optional(.temperature),
            topK: topK == -1 ? 0 : topK, topP: try optional(.topP), minP: try optional(.minP),
            repetitionPenalty: try optional(.repetitionPenalty), stop: try Self.stops(fields), seed: try optional(.seed)
        )
        try check(sampling)
        return sampling
    }

    /// Returns the parameters of each choice in the order of OpenAI's indices. If a seed is given, the first completion
    /// of a prompt uses it and each further one its own.
    var calls: [InferenceInterface.Generate.Parameters] {
        prompts.flatMap { prompt in
            (0..<n).map { index in
                var sampling = sampling
                sampling.seed = sampling.seed.map { $0 &+ index }
                var call = InferenceInterface.Generate.Parameters(
                    prompt: "", model: model, sampling: sampling == .init() ? nil : sampling, echo: echo ? true : nil,
                    logprobs: logprobs)
                switch prompt {
                case .text(let text): call.prompt = text
                case .ids(let ids): call.ids = ids
                }
                return call
            }
        }
    }

    static func invalid(_ key: CodingKeys, _ found: String) -> APIError {
        APIError(
            .badRequest, "‘\(key.stringValue)’ must be \(key.range), but is \(found)", param: key.stringValue,
            code: "invalid_value")
    }

    private func checkCounts() throws {
        guard !prompts.isEmpty else {
            throw APIError(.badRequest, "‘prompt’ is missing or empty", param: "prompt", code: "invalid_value")
        }
        guard prompts.count <= Self.promptLimit else { throw Self.invalid(.prompt, "\(prompts.count)") }
        guard (1...Self.choiceLimit).contains(n) else { throw Self.invalid(.n, "\(n)") }
        guard prompts.count * n <= Self.promptLimit else {
            throw APIError(
                .badRequest,
                "a request can ask for \(Self.promptLimit) completions, not \(n) of each of \(prompts.count) prompts",
                param: "n", code: "invalid_value")
        }
        guard (0...Self.logprobsLimit).contains(logprobs ?? 0) else {
            throw Self.invalid(.logprobs, "\(logprobs ?? 0)")
        }
    }

    /// Rejects values that no service accepts. The service checks its own, narrower limits.
    private static func check(_ sampling: InferenceInterface.Sampling) throws {
        func check<Number: Comparable>(
            _ key: CodingKeys, _ value: Number?, _ range: ClosedRange<Number>, above: Number? = nil
        ) throws {
            guard let value else { return }
            guard range.contains(value), above.map({ value > $0 }) ?? true else { throw Self.invalid(key, "\(value)") }
        }
        let most = Double.greatestFiniteMagnitude
        try check(.maxTokens, sampling.maxNewTokens, 0...Int(Int32.max))
        try check(.temperature, sampling.temperature, 0...most)
        try check(.topK, sampling.topK, 0...Int(Int32.max))
        try check(.topP, sampling.topP, 0...1, above: 0)
        try check(.minP, sampling.minP, 0...1)
        try check(.repetitionPenalty, sampling.repetitionPenalty, 0...most, above: 0)
        let stops = sampling.stop ?? []
        let sizes = stops.map(\.utf8.count)
        guard stops.count <= Self.stopLimit, sizes.allSatisfy({ (1...Self.stopBytes).contains($0) }) else {
            let largest = sizes.contains(0) ? 0 : sizes.max() ?? 0
            throw Self.invalid(.stop, "\(stops.count), one of \(largest) bytes")
        }
    }

    /// Decodes a text, a list of texts, a list of token ids, or a list of such lists.
    private static func prompts(_ fields: KeyedDecodingContainer<CodingKeys>) throws -> [Prompt] {
        let key = CodingKeys.prompt
        let prompts: [Prompt]
        if let text = try? fields.decode(String.self, forKey: key) {
            prompts = [.text(text)]
        } else if let texts = try? fields.decode([String].self, forKey: key) {
            prompts = texts.map(Prompt.text)
        } else if let ids = try? fields.decode([Int].self, forKey: key) {
            prompts = [.ids(ids)]
        } else if let lists = try? fields.decode([[Int]].self, forKey: key) {
            prompts = lists.map(Prompt.ids)
        } else {
            throw APIError(
                .badRequest, "‘prompt’ must be a text, a list of texts, a list of token ids, or a list of such lists",
                param: key.stringValue, code: "invalid_type")
        }
        for case .ids(let ids) in prompts {
            guard !ids.isEmpty else {
                throw APIError(
                    .badRequest, "‘prompt’ has an empty list of token ids", param: key.stringValue,
                    code: "invalid_value")
            }
            if let wrong = ids.first(where: { !(0...Int(Int32.max)).contains($0) }) {
                throw APIError(
                    .badRequest, "\(wrong) in ‘prompt’ is not a token id", param: key.stringValue, code: "invalid_value"
                )
            }
        }
        return prompts
    }

    /// Decodes a string or a list of strings; null is an empty list.
    private static func stops(_ fields: KeyedDecodingContainer<CodingKeys>) throws -> [String]? {
        let key = CodingKeys.stop
        guard fields.contains(key) else { return nil }
        if try fields.decodeNil(forKey: key) { return [] }
        if let text = try? fields.decode(String.self, forKey: key) { return [text] }
        guard let texts = try? fields.decode([String].self, forKey: key) else {
            throw APIError(
                .badRequest, "‘stop’ must be a string or a list of strings", param: key.stringValue,
                code: "invalid_type")
        }
        return texts
    }
}
