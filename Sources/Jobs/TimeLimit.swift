import SettingsTable

/// How long a run may train.
public enum TimeLimit: Sendable, Equatable, Codable {
    /// Chosen by the run for the amount of text (`AutomaticModel.seconds`).
    case automatic
    case none
    case seconds(Double)

    /// The limit in seconds; nil if there is none, or none yet.
    public var seconds: Double? {
        guard case .seconds(let seconds) = self else { return nil }
        return seconds
    }

    /// - Parameter seconds: nil for no limit
    public init(seconds: Double?) { self = seconds.map(TimeLimit.seconds) ?? .none }

    /// Returns the limit in seconds of a run on an amount of text; nil if there is none.
    public func seconds(textBytes: Int) -> Double? {
        self == .automatic ? AutomaticModel.seconds(textBytes: textBytes) : seconds
    }

    private static let automaticWord = "auto"

    /// A duration, `none` or `auto`.
    static let format = ValueFormat.duration(above: 0).or("none").or(automaticWord).mapped(
        { $0.map { $0.map(TimeLimit.seconds) ?? .none } ?? .automatic },
        back: { limit in
            switch limit {
            case .automatic: nil
            case .none: .some(nil)
            case .seconds(let seconds): seconds
            }
        })

    /// In JSON a number of seconds, null for none, or "auto".
    public init(from decoder: any Decoder) throws {
        let container = try decoder.singleValueContainer()
        if container.decodeNil() {
            self = .none
        } else if let word = try? container.decode(String.self) {
            guard word == TimeLimit.automaticWord else {
                throw DecodingError.dataCorruptedError(
                    in: container, debugDescription: "expected a number, null or \"auto\", found \"\(word)\"")
            }
            self = .automatic
        } else {
            self = .seconds(try container.decode(Double.self))
        }
    }

    public func encode(to encoder: any Encoder) throws {
        var container = encoder.singleValueContainer()
        switch self {
        case .automatic: try container.encode(TimeLimit.automaticWord)
        case .none: try container.encodeNil()
        case .seconds(let seconds): try container.encode(seconds)
        }
    }
}
