import FoundationEssentials

extension RunEvent {
    private enum Key: String, CodingKey {
        case kind, time
    }

    /// The values of `kind` in JSON. The compiler requires that every case of `Payload` has one and that each is decoded.
    private enum Kind: String {
        case tokenizerTrained = "tokenizer_trained"
        case preflight
        case started
        case step
        case stepSkipped = "step_skipped"
        case evaluation
        case sample
        case checkpoint
        case published
        case interrupted
        case failed
        case working
        case textSummary = "text_summary"
        case textWarning = "text_warning"
        case modelChosen = "model_chosen"
        case startPrepared = "start_prepared"
        case judged
        case precisionsMeasured = "precisions_measured"
        case ranksJoined = "ranks_joined"
        case communication
        case converted
    }

    /// The value of `kind` in JSON.
    public var kind: String { content.kind.rawValue }

    private var content: (kind: Kind, fields: any Encodable) {
        switch payload {
        case .tokenizerTrained(let fields): (.tokenizerTrained, fields)
        case .preflight(let fields): (.preflight, fields)
        case .started(let fields): (.started, fields)
        case .step(let fields): (.step, fields)
        case .stepSkipped(let fields): (.stepSkipped, fields)
        case .evaluation(let fields): (.evaluation, fields)
        case .sample(let fields): (.sample, fields)
        case .checkpoint(let fields): (.checkpoint, fields)
        case .published(let fields): (.published, fields)
        case .interrupted(let fields): (.interrupted, fields)
        case .failed(let fields): (.failed, fields)
        case .working(let fields): (.working, fields)
        case .textSummary(let fields): (.textSummary, fields)
        case .textWarning(let fields): (.textWarning, fields)
        case .modelChosen(let fields): (.modelChosen, fields)
        case .startPrepared(let fields): (.startPrepared, fields)
        case .judged(let fields): (.judged, fields)
        case .precisionsMeasured(let fields): (.precisionsMeasured, fields)
        case .ranksJoined(let fields): (.ranksJoined, fields)
        case .communication(let fields): (.communication, fields)
        case .converted(let fields): (.converted, fields)
        }
    }

    public init(from decoder: any Decoder) throws {
        let container = try decoder.container(keyedBy: Key.self)
        time = try container.decode(Date.self, forKey: .time)
        let name = try container.decode(String.self, forKey: .kind)
        guard let kind = Kind(rawValue: name) else {
            throw DecodingError.dataCorruptedError(
                forKey: .kind, in: container, debugDescription: "unknown kind of event ‘\(name)’")
        }
        payload =
            switch kind {
            case .tokenizerTrained: .tokenizerTrained(try TokenizerTrained(from: decoder))
            case .preflight: .preflight(try Preflight(from: decoder))
            case .started: .started(try Started(from: decoder))
            case .step: .step(try Step(from: decoder))
            case .stepSkipped: .stepSkipped(try StepSkipped(from: decoder))
            case .evaluation: .evaluation(try Evaluation(from: decoder))
            case .sample: .sample(try TextSample(from: decoder))
            case .checkpoint: .checkpoint(try Checkpoint(from: decoder))
            case .published: .published(try Published(from: decoder))
            case .interrupted: .interrupted(try Interrupted(from: decoder))
            case .failed: .failed(try Failed(from: decoder))
            case .working: .working(try Working(from: decoder))
            case .textSummary: .textSummary(try TextSummary(from: decoder))
            case .textWarning: .textWarning(try TextWarning(from: decoder))
            case .modelChosen: .modelChosen(try ModelChosen(from: decoder))
            case .startPrepared: .startPrepared(try StartPrepared(from: decoder))
            case .judged: .judged(try EvaluationResult(from: decoder))
            case .precisionsMeasured: .precisionsMeasured(try PrecisionsMeasured(from: decoder))
            case .ranksJoined: .ranksJoined(try RanksJoined(from: decoder))
            case .communication: .communication(try Communication(from: decoder))
            case .converted: .converted(try Converted(from: decoder))
            }
    }

    public func encode(to encoder: any Encoder) throws {
        let (kind, fields) = content
        var container = encoder.container(keyedBy: Key.self)
        try container.encode(kind.rawValue, forKey: .kind)
        try container.encode(time, forKey: .time)
        try fields.encode(to: encoder)
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
