import SettingsTable

/// A setting that is also a key of `job.json`, under the same name.
public struct JobSetting<Root>: Sendable {
    public let setting: Setting<Root>
    /// Describes the values that a job accepts. In a job, nil is always null, regardless of the word for it in a
    /// settings file.
    fileprivate let expectedInJob: String
    fileprivate let decode: @Sendable (KeyedDecodingContainer<JobSettingKey>, inout Root) throws -> Void
    fileprivate let encode: @Sendable (Root, inout KeyedEncodingContainer<JobSettingKey>) throws -> Void

    /// - Parameter isRequired: whether a job without the key is refused; otherwise the property keeps its initial value
    init<Value: Codable & Sendable & Equatable>(
        _ key: String, _ path: any WritableKeyPath<Root, Value> & Sendable, _ format: ValueFormat<Value>,
        isRequired: Bool = false, _ documentation: String
    ) {
        setting = Setting(key, path, format, change: .onReload, documentation)
        expectedInJob = format.expected
        let coded = JobSettingKey(key)
        decode = { container, root in
            if isRequired {
                root[keyPath: path] = try container.decode(Value.self, forKey: coded)
            } else if let value = try container.decodeIfPresent(Value.self, forKey: coded) {
                root[keyPath: path] = value
            }
        }
        encode = { root, container in try container.encode(root[keyPath: path], forKey: coded) }
    }

    /// A property that may be nil: in a job null or a missing key, in a settings file `word`.
    init<Value: Codable & Sendable & Equatable>(
        _ key: String, optional path: any WritableKeyPath<Root, Value?> & Sendable, _ format: ValueFormat<Value>,
        or word: String, _ documentation: String
    ) {
        setting = Setting(key, path, format.or(word), change: .onReload, documentation)
        expectedInJob = "\(format.expected), or null"
        let coded = JobSettingKey(key)
        decode = { container, root in
            root[keyPath: path] = try container.decodeIfPresent(Value.self, forKey: coded)
        }
        encode = { root, container in try container.encodeIfPresent(root[keyPath: path], forKey: coded) }
    }
}

extension Array {
    /// Sets every property that `decoder` has a key for.
    func decode<Root>(_ decoder: any Decoder, into root: inout Root) throws where Element == JobSetting<Root> {
        let container = try decoder.container(keyedBy: JobSettingKey.self)
        for element in self { try element.decode(container, &root) }
    }

    func encode<Root>(_ root: Root, to encoder: any Encoder) throws where Element == JobSetting<Root> {
        var container = encoder.container(keyedBy: JobSettingKey.self)
        for element in self { try element.encode(root, &container) }
    }

    /// Refuses a property that is out of range, naming its key below `section`.
    func validate<Root>(_ root: Root, section: String) throws(JobError) where Element == JobSetting<Root> {
        for element in self where !element.setting.accepts(root) {
            throw JobError(
                key: "\(section).\(element.setting.key)", expected: element.expectedInJob,
                found: element.setting.text(of: root))
        }
    }
}

/// A key in camelCase, which `JobCoding` converts from and to snake_case.
struct JobSettingKey: CodingKey {
    var stringValue: String
    var intValue: Int? { nil }

    init(_ snakeCased: String) {
        stringValue = snakeCased.split(separator: "_").enumerated()
            .map { $0 == 0 ? String($1) : $1.prefix(1).uppercased() + $1.dropFirst() }.joined()
    }

    init?(stringValue: String) { self.stringValue = stringValue }
    init?(intValue: Int) { nil }
}
