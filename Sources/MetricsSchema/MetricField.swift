/// A number that is measured during training. The cases of a conforming type are the schema: run events, SQLite columns,
/// `kbctl metrics --csv` and OpenMetrics take names and descriptions from here.
///
/// The case names are the coding keys of the Swift type that holds the values, so that the compiler checks that both
/// declare the same fields.
public protocol MetricField: CodingKey, CaseIterable, RawRepresentable, Sendable where RawValue == String {
    /// Whether the value is an integer; the others are real numbers.
    var isInteger: Bool { get }
    /// A complete sentence for people, with the unit.
    var help: String { get }
}

extension MetricField {
    /// The name in JSON, SQL, CSV and OpenMetrics.
    public var column: String { rawValue.snakeCased }
}

/// The fields of an optimizer step.
public enum StepField: String, MetricField {
    case step, epoch, loss, learningRate, gradientNorm, tokens, tokensPerSecond, mfu

    public var isInteger: Bool {
        switch self {
        case .step, .tokens: true
        case .epoch, .loss, .learningRate, .gradientNorm, .tokensPerSecond, .mfu: false
        }
    }

    public var help: String {
        switch self {
        case .step: "Optimizer steps completed."
        case .epoch: "Passes over the training samples, with the fraction of the current one."
        case .loss: "Training loss of the latest step, in nats per scored token."
        case .learningRate: "Learning rate of the latest step."
        case .gradientNorm: "Gradient norm of the latest step, before clipping."
        case .tokens: "Tokens of the latest step, without padding."
        case .tokensPerSecond: "Tokens per second in the latest step."
        case .mfu: "Model FLOPs utilization: the fraction of the time the matrix products alone would take."
        }
    }
}

/// The fields of an evaluation on held-out text.
public enum EvaluationField: String, MetricField {
    case step, loss, perplexity, accuracy, bitsPerByte

    public var isInteger: Bool {
        switch self {
        case .step: true
        case .loss, .perplexity, .accuracy, .bitsPerByte: false
        }
    }

    public var help: String {
        switch self {
        case .step: "The optimizer step after which the model was evaluated."
        case .loss: "Held-out loss, in nats per scored token."
        case .perplexity: "Held-out perplexity: the exponential of the loss."
        case .accuracy: "Fraction of the scored tokens that were predicted correctly."
        case .bitsPerByte: "Held-out bits per byte of text, comparable between tokenizers."
        }
    }
}

extension String {
    /// `learningRate` as `learning_rate`.
    package var snakeCased: String {
        var result = ""
        for character in self {
            if character.isUppercase {
                result += "_"
                result += character.lowercased()
            } else {
                result.append(character)
            }
        }
        return result
    }
}
