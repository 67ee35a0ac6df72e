import Jobs

/// Why the engine could not answer, or could not be opened.
public enum InferenceError: Error, Equatable, CustomStringConvertible {
    /// A text to fill has no `<mask>` in it.
    case noMask(text: String)
    /// - Parameters:
    ///   - tokens: what the prompt came to, `<s>` (and, of a masked model, `</s>`) among them
    ///   - limit: the most this model takes
    case promptTooLong(tokens: Int, limit: Int)
    /// The model was trained for something else.
    case wrongObjective(expected: Objective, found: Objective)
    /// A request's field, under its name in the interface, has a value that cannot be used.
    case invalidParameter(_ name: String, reason: String)
    /// As many requests are being answered as may be.
    case overloaded(retryAfterMilliseconds: Int)
    /// The model answered with something that is not a number: its weights are damaged.
    case notANumber
    /// A model directory, or a file of it, cannot be served.
    case load(path: String, reason: String)

    public var description: String {
        switch self {
        case .noMask(let text): "no <mask> in ‘\(text)’"
        case .promptTooLong(let tokens, let limit):
            "the prompt is \(tokens) tokens long, and this model takes at most \(limit)"
        case .wrongObjective(let expected, let found):
            "needs a model of objective \(expected.rawValue), and this one is \(found.rawValue)"
        case .invalidParameter(let name, let reason): "\(name): \(reason)"
        case .overloaded(let milliseconds): "too many requests, try again in \(milliseconds) ms"
        case .notANumber: "the model's output is not a number: its weights are damaged"
        case .load(let path, let reason): "\(path): \(reason)"
        }
    }
}
