/// Text in the OpenMetrics 1.0 format, which the textfile collector of node_exporter also reads.
public struct OpenMetricsText: Sendable {
    public static let contentType = "application/openmetrics-text; version=1.0.0; charset=utf-8"

    public enum FamilyType: String, Sendable {
        case gauge
        /// Samples are called `NAME_total`.
        case counter
    }

    /// One sample of a family. A sample whose value is nil is left out.
    public struct Sample: Sendable {
        var labels: [(name: String, value: String)]
        var value: Double?

        public init(_ value: Double?, _ labels: [(name: String, value: String)] = []) {
            self.labels = labels
            self.value = value
        }
    }

    private var lines = ""

    public init() {}

    /// The complete text, including the final line `# EOF`.
    public var text: String { lines + "# EOF\n" }

    /// Adds a family, unless it has no sample.
    /// - Parameters:
    ///   - name: without the prefix `kantaibert_`; ends with `unit` if there is one
    ///   - help: a complete sentence
    public mutating func add(
        _ name: String, _ type: FamilyType = .gauge, unit: String? = nil, help: String, _ samples: [Sample]
    ) {
        let known = samples.filter { $0.value != nil }
        guard !known.isEmpty else { return }
        let family = "kantaibert_\(name)"
        lines += "# TYPE \(family) \(type.rawValue)\n"
        if let unit { lines += "# UNIT \(family) \(unit)\n" }
        lines += "# HELP \(family) \(Self.escaped(help))\n"
        let suffix = type == .counter ? "_total" : ""
        for sample in known {
            let pairs = sample.labels.map { "\($0.name)=\"\(Self.escaped($0.value))\"" }.joined(separator: ",")
            lines += "\(family)\(suffix)\(pairs.isEmpty ? "" : "{\(pairs)}") \(Self.number(sample.value!))\n"
        }
    }

    private static func number(_ value: Double) -> String {
        if value.isNaN { return "NaN" }
        if value.isInfinite { return value < 0 ? "-Inf" : "+Inf" }
        return value == value.rounded() && value.magnitude < 1e15 ? "\(Int(value))" : "\(value)"
    }

    private static func escaped(_ text: String) -> String {
        var escaped = ""
        for character in text.unicodeScalars {
            switch character {
            case "\\": escaped += "\\\\"
            case "\"": escaped += "\\\""
            case "\n": escaped += "\\n"
            default: escaped.unicodeScalars.append(character)
            }
        }
        return escaped
    }
}
