import Jobs

/// An error that occurred while loading a model or answering a request.
public enum InferenceError: Error, Equatable, CustomStringConvertible {
    /// The text of a fill-mask request contains no `<mask>`.
    case noMask(text: String)
    /// The prompt is longer than the model supports.
    /// - Parameters:
    ///   - tokens: number of tokens of the prompt, including `<s>` and, for a masked model, `</s>`
    ///   - limit: maximum number of tokens
    case promptTooLong(tokens: Int, limit: Int)
    /// The model has another objective.
    case wrongObjective(expected: Objective, found: Objective)
    /// A field of the request, named as in the interface, has an invalid value.
    case invalidParameter(_ name: String, reason: String)
    /// The model was not trained on conversations.
    case noConversations
    /// The limit on concurrent requests is reached.
    case overloaded(retryAfterMilliseconds: Int)
    /// The model computed non-finite logits, because its weights are damaged.
    case notANumber
    /// A model directory or one of its files is invalid.
    case load(path: String, reason: String)

    public var description: String {
        switch self {
        case .noMask(let text): "no <mask> in ‘\(text)’"
        case .promptTooLong(let tokens, let limit):
            "the prompt has \(tokens) tokens, but this model accepts at most \(limit)"
        case .wrongObjective(let expected, let found):
            "requires a model with objective \(expected.rawValue), but this model has objective \(found.rawValue)"
        case .noConversations: "the model was trained on loose text and not on conversations"
        case .invalidParameter(let name, let reason): "\(name): \(reason)"
        case .overloaded(let milliseconds): "too many requests; try again in \(milliseconds) ms"
        case .notANumber: "the model's output is not finite: its weights are damaged"
        case .load(let path, let reason): "\(path): \(reason)"
        }
    }
}
