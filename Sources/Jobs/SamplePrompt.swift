import SettingsTable

/// The prompt of the samples of text that a run makes.
public enum SamplePrompt: Codable, Sendable, Equatable {
    /// The beginning of a held-out text; for a masked model, with some words masked.
    case automatic
    /// No samples.
    case off
    case text(String)

    /// Maximum length in bytes.
    public static let longest = TextSample.longestPrompt

    public init(_ text: String) {
        self =
            switch text {
            case "auto": .automatic
            case "none": .off
            default: .text(text)
            }
    }

    public var description: String {
        switch self {
        case .automatic: "auto"
        case .off: "none"
        case .text(let text): text
        }
    }

    static let format = ValueFormat<SamplePrompt>(
        "auto, none, or a text of at most \(longest) bytes", parse: SamplePrompt.init,
        accepts: { (1...longest).contains($0.description.utf8.count) }, text: \.description)

    public init(from decoder: any Decoder) throws {
        self.init(try decoder.singleValueContainer().decode(String.self))
    }

    public func encode(to encoder: any Encoder) throws {
        var container = encoder.singleValueContainer()
        try container.encode(description)
    }
}
