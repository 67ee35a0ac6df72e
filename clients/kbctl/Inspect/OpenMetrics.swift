import FoundationEssentials
import Interface
import Varlink

/// The state of the service in the text format of OpenMetrics 1.0, which Prometheus reads too.
struct OpenMetrics {
    private var lines: [String] = []

    static func text(_ status: ManagerInterface.GetStatus.Reply, now: Date = Date()) -> String {
        var metrics = OpenMetrics()
        metrics.gauge("build_info", "The version of the service.", [(["version": status.version], 1)])
        metrics.gauge("uptime_seconds", "Since the service was started.", [([:], status.uptimeSeconds)])
        metrics.gauge("inbox_pending_files", "Files that wait in the inbox.", [([:], Double(status.inboxPending))])
        metrics.gauge("runs_queued", "Runs that wait for their turn.", [([:], Double(status.queued.count))])
        metrics.add(models: status.models, now: now)
        metrics.add(run: status.run)
        metrics.add(resources: status.resources)
        return metrics.lines.map { $0 + "\n" }.joined() + "# EOF\n"
    }

    private mutating func add(models: [ManagerInterface.Model], now: Date) {
        func each(_ value: (ManagerInterface.Model) -> Double?) -> [([String: String], Double)] {
            models.compactMap { model in value(model).map { (["model": model.name], $0) } }
        }
        gauge("model_generation", "The generation that serves.", each { $0.generation.map(Double.init) })
        gauge("model_parameters", "Numbers in the model.", each { $0.parameters.map(Double.init) })
        gauge("model_held_out_loss", "Nats a scored token, on what is held out.", each(\.evaluationLoss))
        gauge("model_held_out_bits_per_byte", "On what is held out.", each(\.bitsPerByte))
        gauge(
            "model_next_training_seconds", "Until the next run is queued.",
            each { $0.nextTraining.flatMap(Format.date).map { max(0, $0.timeIntervalSince(now)) } })
        gauge(
            "model_state", "1 for the state the model is in.",
            models.flatMap { model in
                ManagerInterface.Model.State.allCases.map {
                    (["model": model.name, "state": $0.rawValue], model.state == $0 ? 1 : 0)
                }
            })
    }

    private mutating func add(run: ManagerInterface.Run?) {
        guard let run else { return }
        let labels = ["model": run.model, "run": run.id]
        let values: [(String, String, Double?)] = [
            ("run_step", "Of the run under way.", Double(run.step)),
            ("run_steps", "Steps the run under way has in all.", Double(run.totalSteps)),
            ("run_epoch", "Of the run under way.", run.epoch),
            ("run_loss", "Of its last step.", run.loss),
            ("run_held_out_loss", "Of its last evaluation.", run.evaluationLoss),
            ("run_tokens_per_second", "Of its last step.", run.tokensPerSecond),
            ("run_remaining_seconds", "Until it is finished.", run.remainingSeconds),
        ]
        for (name, help, value) in values { gauge(name, help, value.map { [(labels, $0)] } ?? []) }
    }

    private mutating func add(resources: JSONValue) {
        if let bytes = resources["peak_rss_bytes"]?.number {
            gauge("process_peak_resident_bytes", "The most memory the service has held.", [([:], bytes)])
        }
        if let seconds = resources["cpu_seconds"]?.number {
            metric("process_cpu_seconds", "counter", "Processor time of the service itself.", [([:], seconds)])
        }
    }

    private mutating func gauge(_ name: String, _ help: String, _ samples: [([String: String], Double)]) {
        metric(name, "gauge", help, samples)
    }

    private mutating func metric(
        _ name: String, _ type: String, _ help: String, _ samples: [([String: String], Double)]
    ) {
        guard !samples.isEmpty else { return }
        lines.append("# TYPE kantaibert_\(name) \(type)")
        lines.append("# HELP kantaibert_\(name) \(help)")
        for (labels, value) in samples {
            let inside = labels.sorted { $0.key < $1.key }.map { "\($0.key)=\"\(Self.escaped($0.value))\"" }
            let text = labels.isEmpty ? "" : "{\(inside.joined(separator: ","))}"
            let number = value == value.rounded() && value.magnitude < 1e15 ? "\(Int(value))" : "\(value)"
            lines.append("kantaibert_\(name)\(type == "counter" ? "_total" : "")\(text) \(number)")
        }
    }

    private static func escaped(_ value: String) -> String {
        value.map { $0 == "\\" ? "\\\\" : $0 == "\"" ? "\\\"" : $0.isNewline ? "\\n" : String($0) }.joined()
    }
}
