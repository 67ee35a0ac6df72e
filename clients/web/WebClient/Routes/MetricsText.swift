import Interface
import Varlink

/// The OpenMetrics text format, version 1.0.0.
struct MetricsText {
    static let contentType = "application/openmetrics-text; version=1.0.0; charset=utf-8"

    private(set) var text = ""

    /// One family: its description, then its samples.
    /// - Parameter type: `gauge`, `counter` (whose samples are called `NAME_total`) or `info` (`NAME_info`)
    mutating func family(
        _ name: String, type: String, unit: String? = nil, help: String,
        _ samples: [(labels: [(String, String)], value: Double?)]
    ) {
        let known = samples.filter { $0.value != nil }
        guard !known.isEmpty else { return }
        text += "# TYPE \(name) \(type)\n"
        if let unit { text += "# UNIT \(name) \(unit)\n" }
        text += "# HELP \(name) \(Self.escaped(help))\n"
        let suffix = type == "counter" ? "_total" : type == "info" ? "_info" : ""
        for (labels, value) in known {
            let pairs = labels.map { "\($0)=\"\(Self.escaped($1))\"" }.joined(separator: ",")
            text += "\(name)\(suffix)\(pairs.isEmpty ? "" : "{\(pairs)}") \(Self.number(value!))\n"
        }
    }

    mutating func end() { text += "# EOF\n" }

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

extension MetricsText {
    /// What the service is doing.
    /// - Parameters:
    ///   - status: nil where the service does not answer
    ///   - events: since this program began, by their kind
    init(status: ManagerInterface.GetStatus.Reply?, events: [String: Int], streams: Int) {
        family("kantaibert_up", type: "gauge", help: "Whether the service answers.", [([], status == nil ? 0 : 1)])
        family(
            "kantaibert_web_event_streams", type: "gauge", help: "Pages that are open.", [([], Double(streams))])
        family(
            "kantaibert_events", type: "counter", help: "Events since kantaibert-web was started.",
            events.sorted { $0.key < $1.key }.map { ([("kind", $0.key)], Double($0.value)) })
        if let status {
            addService(status)
            addModels(status.models)
            if let run = status.run { addRun(run) }
        }
        end()
    }

    private mutating func addService(_ status: ManagerInterface.GetStatus.Reply) {
        family(
            "kantaibert_build", type: "info", help: "The service's version.", [([("version", status.version)], 1)])
        family(
            "kantaibert_uptime_seconds", type: "gauge", unit: "seconds", help: "Since the service was started.",
            [([], status.uptimeSeconds)])
        family(
            "kantaibert_inbox_files", type: "gauge", help: "Files in the inbox that are not yet decided about.",
            [([], Double(status.inboxPending))])
        family(
            "kantaibert_queued_runs", type: "gauge", help: "Runs that wait for their turn.",
            [([], Double(status.queued.count))])
        for (name, unit, help) in [
            ("cpu_seconds", "seconds", "Processor time of the service's process."),
            ("peak_rss_bytes", "bytes", "The most memory the service's process has had."),
        ] {
            let value: Double? =
                switch status.resources[name] {
                case .int(let number)?: Double(number)
                case .double(let number)?: number
                default: nil
                }
            // Processor time only grows.
            let type = name == "cpu_seconds" ? "counter" : "gauge"
            family("kantaibert_process_\(name)", type: type, unit: unit, help: help, [([], value)])
        }
    }

    private mutating func addModels(_ models: [ManagerInterface.Model]) {
        func samples(_ value: (ManagerInterface.Model) -> Double?) -> [([(String, String)], Double?)] {
            models.map { ([("model", $0.name)], value($0)) }
        }
        family(
            "kantaibert_model_generation", type: "gauge", help: "The generation that serves.",
            samples { $0.generation.map(Double.init) })
        family(
            "kantaibert_model_parameters", type: "gauge", help: "Parameters of the generation that serves.",
            samples { $0.parameters.map(Double.init) })
        family(
            "kantaibert_model_evaluation_loss", type: "gauge", help: "Held-out loss of the generation that serves.",
            samples(\.evaluationLoss))
        family(
            "kantaibert_model_bits_per_byte", type: "gauge",
            help: "Held-out bits a byte of the generation that serves.", samples(\.bitsPerByte))
        family(
            "kantaibert_model_training", type: "gauge", help: "Whether the model is being trained.",
            samples { $0.state == .training ? 1 : 0 })
    }

    private mutating func addRun(_ run: ManagerInterface.Run) {
        let labels = [("model", run.model), ("run", run.id)]
        for (name, unit, help, value) in [
            ("step", nil, "Steps the run under way has made.", Double(run.step)),
            ("steps", nil, "Steps it will have made.", Double(run.totalSteps)),
            ("epoch", nil, "Passes over its samples.", run.epoch),
            ("loss", nil, "Training loss of its last step.", run.loss),
            ("evaluation_loss", nil, "Its last held-out loss.", run.evaluationLoss),
            ("tokens_per_second", nil, "Tokens a second of its last step.", run.tokensPerSecond),
            ("remaining_seconds", "seconds", "Time it will still take.", run.remainingSeconds),
        ] as [(String, String?, String, Double?)] {
            family("kantaibert_run_\(name)", type: "gauge", unit: unit, help: help, [(labels, value)])
        }
    }
}
