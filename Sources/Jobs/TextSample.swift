import Durable

/// A text that a run makes after an evaluation, so that people can read how the model improves.
public struct TextSample: Codable, Sendable, Equatable {
    public var step: Int
    /// The beginning of the text; of a masked model, the sentence with `<mask>`.
    public var prompt: String
    /// The continuation of the prompt; of a masked model, the sentence with the masks filled in.
    public var text: String

    /// Maximum lengths in bytes.
    public static let longestPrompt = 320
    public static let longestText = 640

    public init(step: Int, prompt: String, text: String) {
        self.step = step
        self.prompt = prompt
        self.text = text
    }

    /// The same sample with texts that are safe to display in one line, of limited length.
    public var bounded: TextSample {
        TextSample(
            step: step, prompt: Self.displayable(prompt).bounded(toBytes: Self.longestPrompt),
            text: Self.displayable(text).bounded(toBytes: Self.longestText))
    }

    /// Escapes control characters and others that break lines, change the direction of the text, or cannot be seen:
    /// `\n`, `\t`, `\u{202e}`. Does not change its own result.
    static func displayable(_ text: String) -> String {
        text.unicodeScalars.reduce(into: "") { shown, scalar in
            switch scalar.properties.generalCategory {
            case .control where scalar == "\n": shown += "\\n"
            case .control where scalar == "\t": shown += "\\t"
            // Joiners, which some scripts and emoji need.
            case .format where scalar == "\u{200C}" || scalar == "\u{200D}": shown.unicodeScalars.append(scalar)
            case .control, .format, .lineSeparator, .paragraphSeparator, .privateUse, .unassigned:
                shown += "\\u{\(String(scalar.value, radix: 16))}"
            default: shown.unicodeScalars.append(scalar)
            }
        }
    }
}
