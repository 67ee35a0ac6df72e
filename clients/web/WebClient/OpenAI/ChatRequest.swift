import HTTPTypes
import Interface
import Varlink

/// The body of `POST /v1/chat/completions`: OpenAI's fields, and sampling parameters that OpenAI's API does not have.
struct ChatRequest: Decodable, Sendable {
    /// Maximum number of messages.
    static let messageLimit = 4096

    var messages: [InferenceInterface.Message]
    var model: String?
    /// Number of replies.
    var n: Int
    var isStream: Bool
    var includesUsage: Bool
    /// Number of likely tokens in the place of each token; nil returns no tokens.
    var logprobs: Int?
    var sampling: InferenceInterface.Sampling

    private enum CodingKeys: String, CodingKey, CaseIterable {
        case messages, logprobs
        case topLogprobs = "top_logprobs"
        case maxCompletionTokens = "max_completion_tokens"
    }

    /// Fields that a completion has, too.
    private static let common: [CompletionRequest.CodingKeys] = [
        .model, .n, .stream, .streamOptions, .maxTokens, .temperature, .topP, .topK, .minP, .repetitionPenalty, .stop,
        .seed,
    ]

    /// OpenAI's fields that have an effect, which is not supported, unless they have one of these values.
    private static let neutral: [String: [JSONValue]] = [
        "presence_penalty": [0], "frequency_penalty": [0], "logit_bias": [[:]], "tools": [.array([])],
        "tool_choice": ["none", "auto"], "functions": [.array([])], "function_call": ["none", "auto"],
        "response_format": [["type": "text"]], "modalities": [.array(["text"])],
    ]

    /// Fields that have no effect on an answer.
    private static let ignored: Set<String> = [
        "user", "store", "metadata", "service_tier", "safety_identifier", "prompt_cache_key", "parallel_tool_calls",
    ]

    init(from decoder: any Decoder) throws {
        try RequestFields(of: decoder).check(
            known: CodingKeys.allCases.map(\.rawValue) + Self.common.map(\.rawValue), neutral: Self.neutral,
            ignored: Self.ignored)
        let fields = try decoder.container(keyedBy: CodingKeys.self)
        let common = try decoder.container(keyedBy: CompletionRequest.CodingKeys.self)
        func optional<Value: Decodable>(_ key: CompletionRequest.CodingKeys) throws -> Value? {
            try common.decodeIfPresent(Value.self, forKey: key)
        }
        model = try optional(.model)
        n = try optional(.n) ?? 1
        guard (1...CompletionRequest.choiceLimit).contains(n) else { throw CompletionRequest.invalid(.n, "\(n)") }
        isStream = try optional(.stream) ?? false
        includesUsage = try (optional(.streamOptions) as CompletionRequest.StreamOptions?)?.includeUsage ?? false
        sampling = try CompletionRequest.sampling(common)
        if let most = try fields.decodeIfPresent(Int.self, forKey: .maxCompletionTokens) {
            sampling.maxNewTokens = most
        }
        guard (1...Int(Int32.max)).contains(sampling.maxNewTokens ?? 1) else {
            let name = fields.contains(.maxCompletionTokens) ? "max_completion_tokens" : "max_tokens"
            throw Self.invalid(name, "must be 1 or more, but is \(sampling.maxNewTokens ?? 0)")
        }
        logprobs = try Self.logprobs(fields)
        messages = try Self.messages(fields)
    }

    /// The parameters of each reply, in the order of OpenAI's indices. If a seed is given, the first reply uses it and each
    /// further one its own.
    var calls: [InferenceInterface.Chat.Parameters] {
        (0..<n).map { index in
            var sampling = sampling
            sampling.seed = sampling.seed.map { $0 &+ index }
            return .init(
                messages: messages, model: model, sampling: sampling == .init() ? nil : sampling, logprobs: logprobs)
        }
    }

    private static func logprobs(_ fields: KeyedDecodingContainer<CodingKeys>) throws -> Int? {
        let isWanted = try fields.decodeIfPresent(Bool.self, forKey: .logprobs) ?? false
        let top = try fields.decodeIfPresent(Int.self, forKey: .topLogprobs)
        guard isWanted else {
            guard top ?? 0 == 0 else { throw invalid("top_logprobs", "needs ‘logprobs’: true") }
            return nil
        }
        guard (0...CompletionRequest.logprobsLimit).contains(top ?? 0) else {
            throw invalid("top_logprobs", "must be from 0 to \(CompletionRequest.logprobsLimit), but is \(top ?? 0)")
        }
        return top ?? 0
    }

    private static func messages(_ fields: KeyedDecodingContainer<CodingKeys>) throws -> [InferenceInterface.Message] {
        let messages = try fields.decodeIfPresent([Message].self, forKey: .messages) ?? []
        guard !messages.isEmpty else { throw invalid("messages", "is missing or empty") }
        guard messages.count <= messageLimit else { throw invalid("messages", "can be at most \(messageLimit)") }
        guard messages.last?.role == .user else {
            throw invalid("messages", "must end with a message of the role ‘user’")
        }
        return messages.map { .init(role: $0.role, content: $0.content) }
    }

    private static func invalid(_ field: String, _ reason: String) -> APIError {
        APIError(.badRequest, "‘\(field)’ \(reason)", param: field, code: "invalid_value")
    }

    private struct Message: Decodable {
        let role: InferenceInterface.Message.Role
        let content: String

        private enum CodingKeys: String, CodingKey { case role, content }

        private struct Part: Decodable {
            let type: String
            let text: String?
        }

        init(from decoder: any Decoder) throws {
            let fields = try decoder.container(keyedBy: CodingKeys.self)
            let name = try fields.decode(String.self, forKey: .role)
            guard let role = Self.roles[name] else {
                throw ChatRequest.invalid(
                    "messages",
                    "has the role ‘\(name.clipped(to: 40))’; the roles are system, developer, user and assistant")
            }
            self.role = role
            if let text = try? fields.decode(String.self, forKey: .content) {
                content = text
                return
            }
            guard let parts = try? fields.decode([Part].self, forKey: .content), parts.allSatisfy({ $0.type == "text" })
            else {
                throw ChatRequest.invalid(
                    "messages", "has a message whose content is neither a text nor parts of type text")
            }
            content = parts.compactMap(\.text).joined(separator: "\n")
        }

        private static let roles: [String: InferenceInterface.Message.Role] = [
            "system": .system, "developer": .system, "user": .user, "assistant": .assistant,
        ]
    }
}
