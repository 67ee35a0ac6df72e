import FoundationEssentials
import SettingsTable
import MetricsSchema
import TextFilters

extension Job {
    /// Decodes `job.json` and validates it.
    /// - Throws: `JobError` for malformed JSON, an unknown or missing key, or a value out of range
    public static func decode(_ json: Data) throws(JobError) -> Job {
        let tree: JSONTree
        do {
            tree = try JSONDecoder().decode(JSONTree.self, from: json)
        } catch {
            throw JobError(key: "", expected: "one JSON object", found: "\(JobError.text(of: error))")
        }
        try tree.refuseKeys(unknownTo: known, at: "")
        let job: Job
        do {
            job = try JobCoding.decode(Job.self, from: json)
        } catch {
            throw JobError(decoding: error, in: tree)
        }
        try job.validate()
        return job
    }

    /// Every key that a job can have, as a tree: those of a job in which every key is set.
    private static let known: JSONTree = {
        let job = Job(
            run: "", model: "", generation: 1, objective: .mlm, architecture: Preset.tiny.architecture,
            recipe: RecipeName.default.recipe(for: .mlm),
            corpora: [
                JobCorpus(
                    sha256: "", name: "", path: "", bytes: 0, samples: .records, filters: [],
                    received: Date(timeIntervalSince1970: 0))
            ],
            samples: .lines, filters: [], tokenizer: "",
            start: JobStart(generation: 1, directory: "", modelSha256: "", corpora: [], warmStarts: 1),
            wordCountsDirectory: "", machineFile: "", runDirectory: "", outputDirectory: "")
        guard let json = try? JobCoding.encode(job),
            case .object(var keys)? = try? JSONDecoder().decode(JSONTree.self, from: json)
        else { preconditionFailure("a job cannot be encoded and decoded") }
        keys["architecture"] = .object(of: Architecture.settings.map(\.setting.key))
        keys["recipe"] = .object(of: Recipe.settings.map(\.setting.key))
        return .object(keys)
    }()
}

/// Undecoded JSON, to find unknown keys and to quote values in errors.
private indirect enum JSONTree: Decodable, Sendable {
    case object([String: JSONTree])
    case array([JSONTree])
    case string(String)
    case number(Double)
    case bool(Bool)
    case null

    init(from decoder: any Decoder) throws {
        let value = try decoder.singleValueContainer()
        if value.decodeNil() {
            self = .null
        } else if let bool = try? value.decode(Bool.self) {
            self = .bool(bool)
        } else if let number = try? value.decode(Double.self) {
            self = .number(number)
        } else if let string = try? value.decode(String.self) {
            self = .string(string)
        } else if let array = try? value.decode([JSONTree].self) {
            self = .array(array)
        } else {
            self = .object(try value.decode([String: JSONTree].self))
        }
    }

    static func object(of keys: [String]) -> JSONTree {
        .object(Dictionary(keys.map { ($0, .null) }, uniquingKeysWith: { first, _ in first }))
    }

    /// Refuses a key that `known` does not have.
    /// - Parameter known: a tree with every known key; the first element of an array represents all elements
    func refuseKeys(unknownTo known: JSONTree, at place: String) throws(JobError) {
        switch (self, known) {
        case (.object(let fields), .object(let knownFields)):
            for (key, value) in fields.sorted(by: { $0.key < $1.key }) {
                let here = place.isEmpty ? key : "\(place).\(key)"
                guard let knownValue = knownFields[key] else {
                    throw JobError(
                        key: here, expected: "one of \(knownFields.keys.sorted().joined(separator: ", "))",
                        found: UnknownKey.found(key, known: knownFields.keys))
                }
                try value.refuseKeys(unknownTo: knownValue, at: here)
            }
        case (.array(let elements), .array(let knownElements)):
            guard let knownElement = knownElements.first else { return }
            for (index, element) in elements.enumerated() {
                try element.refuseKeys(unknownTo: knownElement, at: "\(place)[\(index)]")
            }
        default:
            // Decoding the job reports a value of the wrong type.
            return
        }
    }

    subscript(path: [any CodingKey]) -> JSONTree? {
        var here: JSONTree? = self
        for step in path {
            switch here {
            case .object(let fields): here = fields[step.stringValue] ?? fields[step.stringValue.snakeCased]
            case .array(let elements):
                here = step.intValue.flatMap { elements.indices.contains($0) ? elements[$0] : nil }
            default: return nil
            }
        }
        return here
    }

    var summary: String {
        switch self {
        case .object: "an object"
        case .array: "an array"
        case .string(let text): "‘\(text)’"
        case .number(let number): number == number.rounded() && abs(number) < 1e15 ? "\(Int(number))" : "\(number)"
        case .bool(let bool): "\(bool)"
        case .null: "null"
        }
    }
}

extension JobError {
    fileprivate init(decoding error: any Error, in tree: JSONTree) {
        switch error {
        case DecodingError.keyNotFound(let key, let context):
            self.init(key: JobError.place(context.codingPath + [key]), expected: "a value", found: "no such key")
        case DecodingError.valueNotFound(let type, let context):
            self.init(key: JobError.place(context.codingPath), expected: JobError.word(for: type), found: "null")
        case DecodingError.typeMismatch(let type, let context):
            self.init(
                key: JobError.place(context.codingPath), expected: JobError.word(for: type),
                found: tree[context.codingPath]?.summary ?? "a value of another type")
        case DecodingError.dataCorrupted(let context):
            if let error = context.underlyingError as? TextFilterError {
                self.init(key: JobError.place(context.codingPath), expected: error.expected, found: error.found)
                return
            }
            self.init(
                key: JobError.place(context.codingPath), expected: "a valid value",
                found: tree[context.codingPath]?.summary ?? context.debugDescription)
        default:
            self.init(key: "", expected: "a job", found: "\(error)")
        }
    }

    fileprivate static func text(of error: any Error) -> String {
        guard case DecodingError.dataCorrupted(let context) = error else { return "\(error)" }
        return context.underlyingError.map { "\($0)" } ?? context.debugDescription
    }

    private static func place(_ path: [any CodingKey]) -> String {
        path.reduce(into: "") { text, key in
            if let index = key.intValue {
                text += "[\(index)]"
            } else {
                text += (text.isEmpty ? "" : ".") + key.stringValue.snakeCased
            }
        }
    }

    private static func word(for type: Any.Type) -> String {
        switch type {
        case is Int.Type, is UInt64.Type: "an integer"
        case is Double.Type: "a number"
        case is String.Type: "a string"
        default: "\(type)"
        }
    }
}
