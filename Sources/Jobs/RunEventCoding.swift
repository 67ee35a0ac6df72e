import FoundationEssentials

extension RunEvent {
    private enum Key: String, CodingKey {
        case kind, time
    }

    /// The value of `kind` in JSON.
    public var kind: String {
        switch payload {
        case .tokenizerTrained: "tokenizer_trained"
        case .preflight: "preflight"
        case .started: "started"
        case .step: "step"
        case .stepSkipped: "step_skipped"
        case .evaluation: "evaluation"
        case .checkpoint: "checkpoint"
        case .published: "published"
        case .interrupted: "interrupted"
        case .failed: "failed"
        case .working: "working"
        case .textSummary: "text_summary"
        case .textWarning: "text_warning"
        case .judged: "judged"
        }
    }

    public init(from decoder: any Decoder) throws {
        let container = try decoder.container(keyedBy: Key.self)
        time = try container.decode(Date.self, forKey: .time)
        let kind = try container.decode(String.self, forKey: .kind)
        payload =
            switch kind {
            case "tokenizer_trained": .tokenizerTrained(try TokenizerTrained(from: decoder))
            case "preflight": .preflight(try Preflight(from: decoder))
            case "started": .started(try Started(from: decoder))
            case "step": .step(try Step(from: decoder))
            case "step_skipped": .stepSkipped(try StepSkipped(from: decoder))
            case "evaluation": .evaluation(try Evaluation(from: decoder))
            case "checkpoint": .checkpoint(try Checkpoint(from: decoder))
            case "published": .published(try Published(from: decoder))
            case "interrupted": .interrupted(try Interrupted(from: decoder))
            case "failed": .failed(try Failed(from: decoder))
            case "working": .working(try Working(from: decoder))
            case "text_summary": .textSummary(try TextSummary(from: decoder))
            case "text_warning": .textWarning(try TextWarning(from: decoder))
            case "judged": .judged(try EvaluationResult(from: decoder))
            default:
                throw DecodingError.dataCorruptedError(
                    forKey: .kind, in: container, debugDescription: "unknown kind of event ‘\(kind)’")
            }
    }

    public func encode(to encoder: any Encoder) throws {
        var container = encoder.container(keyedBy: Key.self)
        try container.encode(kind, forKey: .kind)
        try container.encode(time, forKey: .time)
        switch payload {
        case .tokenizerTrained(let fields): try fields.encode(to: encoder)
        case .preflight(let fields): try fields.encode(to: encoder)
        case .started(let fields): try fields.encode(to: encoder)
        case .step(let fields): try fields.encode(to: encoder)
        case .stepSkipped(let fields): try fields.encode(to: encoder)
        case .evaluation(let fields): try fields.encode(to: encoder)
        case .checkpoint(let fields): try fields.encode(to: encoder)
        case .published(let fields): try fields.encode(to: encoder)
        case .interrupted(let fields): try fields.encode(to: encoder)
        case .failed(let fields): try fields.encode(to: encoder)
        case .working(let fields): try fields.encode(to: encoder)
        case .textSummary(let fields): try fields.encode(to: encoder)
        case .textWarning(let fields): try fields.encode(to: encoder)
        case .judged(let fields): try fields.encode(to: encoder)
        }
    }
}

/// The JSON of jobs and events: sorted keys in snake_case, ISO 8601 times with milliseconds.
public enum JobCoding {
    private static let timeStyle = Date.ISO8601FormatStyle(includingFractionalSeconds: true)

    /// - Parameter pretty: breaks and indents lines, for files; an event has to be a single line
    public static func encode(_ value: some Encodable, pretty: Bool = false) throws -> Data {
        let encoder = JSONEncoder()
        encoder.keyEncodingStrategy = .convertToSnakeCase
        encoder.dateEncodingStrategy = .custom { date, encoder in
            var container = encoder.singleValueContainer()
            try container.encode(date.formatted(timeStyle))
        }
        encoder.outputFormatting =
            pretty ? [.prettyPrinted, .sortedKeys, .withoutEscapingSlashes] : [.sortedKeys, .withoutEscapingSlashes]
        return try encoder.encode(value)
    }

    public static func decode<Value: Decodable>(_ type: Value.Type, from data: Data) throws -> Value {
        let decoder = JSONDecoder()
        decoder.keyDecodingStrategy = .convertFromSnakeCase
        decoder.dateDecodingStrategy = .custom { decoder in
            let container = try decoder.singleValueContainer()
            let text = try container.decode(String.self)
            guard let date = try? Date(text, strategy: timeStyle) else {
                throw DecodingError.dataCorruptedError(
                    in: container, debugDescription: "‘\(text)’ is not a timestamp such as 2026-01-01T00:00:00.000Z")
            }
            return date
        }
        return try decoder.decode(type, from: data)
    }
}
