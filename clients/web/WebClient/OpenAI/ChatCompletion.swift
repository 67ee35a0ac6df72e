import Interface

/// The response of `POST /v1/chat/completions`, and each chunk of a streamed response.
struct ChatCompletion: Encodable, Sendable {
    /// A reply, or a piece of one in a chunk.
    struct Message: Encodable, Sendable {
        var role: String?
        var content: String?
        /// Whether fields without a value are null: in a reply, but not in a piece.
        var isWhole: Bool

        private enum CodingKeys: String, CodingKey { case role, content, refusal }

        func encode(to encoder: any Encoder) throws {
            var container = encoder.container(keyedBy: CodingKeys.self)
            try container.encodeIfPresent(role, forKey: .role)
            try container.encodeIfPresent(content, forKey: .content)
            if isWhole { try container.encodeNil(forKey: .refusal) }
        }
    }

    /// The tokens of a reply and the natural logarithms of their probabilities.
    struct Logprobs: Encodable, Sendable {
        struct Token: Encodable, Sendable {
            let token: String
            let logprob: Double
            /// Nil if the token is a part of a character.
            let bytes: [UInt8]?
            var top: [Token]?

            private enum CodingKeys: String, CodingKey {
                case token, logprob, bytes
                case top = "top_logprobs"
            }

            init(_ text: String, _ logProbability: Double?) {
                token = text
                // OpenAI's value for the improbable; JSON has no infinity.
                logprob = logProbability.flatMap { $0.isFinite ? $0 : nil } ?? -9999
                bytes = text.hasPrefix("bytes:") ? nil : Array(text.utf8)
            }

            func encode(to encoder: any Encoder) throws {
                var container = encoder.container(keyedBy: CodingKeys.self)
                try container.encode(token, forKey: .token)
                try container.encode(logprob, forKey: .logprob)
                try container.encode(bytes, forKey: .bytes)
                try container.encodeIfPresent(top, forKey: .top)
            }
        }

        let content: [Token]

        init(_ tokens: [InferenceInterface.ScoredToken]) {
            content = tokens.map { scored in
                var token = Token(scored.token, scored.logProbability)
                token.top = (scored.top ?? []).map { Token($0.token, $0.logProbability) }
                return token
            }
        }
    }

    struct Choice: Encodable, Sendable {
        var index: Int
        var message: Message
        var logprobs: Logprobs?
        var finishReason: Completion.FinishReason?
        /// Not part of OpenAI's API: the data needed to generate the same reply again.
        var receipt: InferenceInterface.Provenance?
        /// Not part of OpenAI's API: the number of messages that the model has not seen, because all are too long for it.
        var omittedMessages: Int?

        private enum CodingKeys: String, CodingKey {
            case index, message, delta, logprobs, receipt
            case finishReason = "finish_reason"
            case omittedMessages = "omitted_messages"
        }

        func encode(to encoder: any Encoder) throws {
            var container = encoder.container(keyedBy: CodingKeys.self)
            try container.encode(index, forKey: .index)
            try container.encode(message, forKey: message.isWhole ? .message : .delta)
            try container.encode(logprobs, forKey: .logprobs)
            try container.encode(finishReason, forKey: .finishReason)
            try container.encodeIfPresent(receipt, forKey: .receipt)
            try container.encodeIfPresent(omittedMessages, forKey: .omittedMessages)
        }
    }

    var id: String
    var object: String
    /// Unix time in seconds.
    var created: Int
    var model: String
    /// The generation and the first digits of its SHA-256. The same fingerprint and seed generate the same reply.
    var systemFingerprint: String?
    var choices: [Choice] = []
    var usage: Completion.Usage?

    private enum CodingKeys: String, CodingKey {
        case id, object, created, model, choices, usage
        case systemFingerprint = "system_fingerprint"
    }
}

extension Completion.FinishReason {
    init(_ reason: InferenceInterface.Chat.Reply.FinishReason) { self = reason == .length ? .length : .stop }
}
