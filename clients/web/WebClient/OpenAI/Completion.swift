import Interface

/// The response of `POST /v1/completions`, and each chunk of a streamed response.
struct Completion: Encodable, Sendable {
    enum FinishReason: String, Encodable {
        case stop, length

        init(_ reason: InferenceInterface.Generate.Reply.FinishReason) {
            self = reason == .length ? .length : .stop
        }
    }

    /// The tokens of a choice and the natural logarithms of their probabilities.
    struct Logprobs: Encodable, Sendable {
        private let tokens: [InferenceInterface.ScoredToken]

        init(_ tokens: [InferenceInterface.ScoredToken]) { self.tokens = tokens }

        private enum CodingKeys: String, CodingKey {
            case tokens
            case tokenLogprobs = "token_logprobs"
            case topLogprobs = "top_logprobs"
            case textOffset = "text_offset"
        }

        func encode(to encoder: any Encoder) throws {
            var container = encoder.container(keyedBy: CodingKeys.self)
            try container.encode(tokens.map(\.token), forKey: .tokens)
            try container.encode(tokens.map { Self.finite($0.logProbability) }, forKey: .tokenLogprobs)
            try container.encode(tokens.map(Self.top), forKey: .topLogprobs)
            try container.encode(tokens.map(\.offset), forKey: .textOffset)
        }

        /// The likely tokens and the token itself; nil if nothing precedes it.
        private static func top(_ token: InferenceInterface.ScoredToken) -> [String: Double]? {
            guard let own = finite(token.logProbability) else { return nil }
            var top = [token.token: own]
            for likely in token.top ?? [] where likely.id != token.id {
                top[likely.token] = finite(likely.logProbability)
            }
            return top
        }

        /// JSON has no infinity, which a service of another version could send.
        private static func finite(_ value: Double?) -> Double? { value.flatMap { $0.isFinite ? $0 : nil } }
    }

    struct Choice: Encodable, Sendable {
        var text: String
        var index: Int
        var logprobs: Logprobs?
        var finishReason: FinishReason?
        /// Not part of OpenAI's API: the data needed to generate the same text again.
        var receipt: InferenceInterface.Provenance?

        private enum CodingKeys: String, CodingKey {
            case text, index, logprobs, receipt
            case finishReason = "finish_reason"
        }

        func encode(to encoder: any Encoder) throws {
            var container = encoder.container(keyedBy: CodingKeys.self)
            try container.encode(text, forKey: .text)
            try container.encode(index, forKey: .index)
            try container.encode(logprobs, forKey: .logprobs)
            try container.encode(finishReason, forKey: .finishReason)
            try container.encodeIfPresent(receipt, forKey: .receipt)
        }
    }

    struct Usage: Encodable, Sendable {
        var promptTokens = 0
        var completionTokens = 0
        var totalTokens = 0

        /// - Parameter countsPrompt: false for further completions of a prompt that was counted already
        mutating func add(_ reply: InferenceInterface.Generate.Reply, countsPrompt: Bool) {
            add(prompt: countsPrompt ? reply.promptTokens : nil, completion: reply.generatedTokens)
        }

        mutating func add(prompt: Int?, completion: Int?) {
            promptTokens = Self.sum(promptTokens, prompt)
            completionTokens = Self.sum(completionTokens, completion)
            totalTokens = Self.sum(promptTokens, completionTokens)
        }

        /// Adds without overflow: a service of another version may send any number.
        private static func sum(_ count: Int, _ more: Int?) -> Int {
            let (sum, isTooLarge) = count.addingReportingOverflow(max(0, more ?? 0))
            return isTooLarge ? .max : sum
        }

        private enum CodingKeys: String, CodingKey {
            case promptTokens = "prompt_tokens"
            case completionTokens = "completion_tokens"
            case totalTokens = "total_tokens"
        }
    }

    var id: String
    let object = "text_completion"
    /// Unix time in seconds.
    var created: Int
    var model: String
    /// The generation and the first digits of its SHA-256. The same fingerprint and seed generate the same text.
    var systemFingerprint: String?
    /// Nil omits the list.
    var choices: [Choice]?
    var usage: Usage?

    private enum CodingKeys: String, CodingKey {
        case id, object, created, model, choices, usage
        case systemFingerprint = "system_fingerprint"
    }
}

extension InferenceInterface.Provenance {
    /// The value of `system_fingerprint`.
    var fingerprint: String { "\(model)-\(generation)-\(modelSha256.prefix(12))" }
}
