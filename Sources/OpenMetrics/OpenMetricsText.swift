/// Metrics as text: in the OpenMetrics 1.0 format, or in the older format of Prometheus.
public struct OpenMetricsText: Sendable {
    public enum Format: Sendable {
        case openMetrics
        /// The only format that node_exporter's textfile collector reads: a counter's family is named like its samples, and
        /// there are neither units nor an end mark.
        case prometheus
    }

    public static let contentType = "application/openmetrics-text; version=1.0.0; charset=utf-8"

    public enum FamilyType: String, Sendable {
        case gauge
        /// A constant 1 whose labels are the information. The sample is called `NAME_info`.
        case info
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

    private let format: Format
    private var lines = ""

    public init(_ format: Format = .openMetrics) { self.format = format }

    /// The complete text.
    public var text: String { format == .openMetrics ? lines + "# EOF\n" : lines }

    /// Adds a family, unless it has no sample.
    /// - Parameters:
    ///   - name: without the prefix `kantaibert_`; ends with `unit` if there is one
    ///   - help: a complete sentence
    public mutating func add(
        _ name: String, _ type: FamilyType = .gauge, unit: String? = nil, help: String, _ samples: [Sample]
    ) {
        let known = samples.filter { $0.value != nil }
        guard !known.isEmpty else { return }
        var (family, suffix) = ("kantaibert_\(name)", Self.suffix(of: type))
        if format == .prometheus {
            family += suffix
            suffix = ""
            lines += "# TYPE \(family) \((type == .info ? .gauge : type).rawValue)\n"
        } else {
            lines += "# TYPE \(family) \(type.rawValue)\n"
            if let unit { lines += "# UNIT \(family) \(unit)\n" }
        }
        lines += "# HELP \(family) \(Self.escaped(help))\n"
        for sample in known {
            let pairs = sample.labels.map { "\($0.name)=\"\(Self.escaped($0.value))\"" }.joined(separator: ",")
            lines += "\(family)\(suffix)\(pairs.isEmpty ? "" : "{\(pairs)}") \(Self.number(sample.value!))\n"
        }
    }

    /// What the names of a family's samples end with.
    private static func suffix(of type: FamilyType) -> String {
        switch type {
        case .gauge: ""
        case .info: "_info"
        case .counter: "_total"
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
