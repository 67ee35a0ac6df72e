import FoundationEssentials
import Interface
import MetricsSchema
import Varlink

extension OpenMetricsText {
    /// Adds the state of the service. `docs/metrics.md` lists the names.
    public mutating func add(_ status: ManagerInterface.GetStatus.Reply, now: Date = Date()) {
        add("build", .info, help: "Version of the service.", [Sample(1, [("version", status.version)])])
        add(
            "uptime_seconds", unit: "seconds", help: "Time since the service was started.",
            [Sample(status.uptimeSeconds)])
        add(
            "inbox_pending_files", help: "Files in the inbox that are neither admitted nor rejected yet.",
            [Sample(Double(status.inboxPending))])
        add("runs_queued", help: "Training runs that are queued.", [Sample(Double(status.queued.count))])
        add(
            "process_cpu_seconds", .counter, unit: "seconds", help: "CPU time of the service's process.",
            [Sample(status.resources["cpu_seconds"]?.double)])
        add(
            "process_peak_rss_bytes", unit: "bytes", help: "Peak resident memory of the service's process.",
            [Sample(status.resources["peak_rss_bytes"]?.double)])
        add(status.models, now: now)
        if let run = status.run { add(run) }
    }

    private mutating func add(_ models: [ManagerInterface.Model], now: Date) {
        func each(_ value: (ManagerInterface.Model) -> Double?) -> [Sample] {
            models.map { Sample(value($0), [("model", $0.name)]) }
        }
        add("model_generation", help: "The generation that serves.", each { $0.generation.map(Double.init) })
        add(
            "model_parameters", help: "Parameters of the generation that serves.",
            each { $0.parameters.map(Double.init) })
        add(
            "model_evaluation_\(EvaluationField.loss.column)", help: EvaluationField.loss.help,
            each(\.evaluationLoss))
        add("model_\(EvaluationField.bitsPerByte.column)", help: EvaluationField.bitsPerByte.help, each(\.bitsPerByte))
        add(
            "model_next_training_seconds", unit: "seconds", help: "Time until the next training run is queued.",
            each { $0.nextTraining.flatMap(Self.date).map { max(0, $0.timeIntervalSince(now)) } })
        add(
            "model_state", help: "1 for the state the model is in, 0 for the others.",
            models.flatMap { model in
                ManagerInterface.Model.State.allCases.map { state in
                    Sample(model.state == state ? 1 : 0, [("model", model.name), ("state", state.rawValue)])
                }
            })
    }

    private mutating func add(_ run: ManagerInterface.Run) {
        func add(_ name: String, unit: String? = nil, help: String, _ value: Double?) {
            self.add(
                "run_\(name)", unit: unit, help: help, [Sample(value, [("model", run.model), ("run", run.id)])])
        }
        func add(_ field: StepField, _ value: Double?) { add(field.column, help: field.help, value) }
        add(.step, Double(run.step))
        add("steps", help: "Optimizer steps in the whole run.", Double(run.totalSteps))
        add(.epoch, run.epoch)
        add(.loss, run.loss)
        add("evaluation_\(EvaluationField.loss.column)", help: EvaluationField.loss.help, run.evaluationLoss)
        add(.tokensPerSecond, run.tokensPerSecond)
        add(
            "remaining_seconds", unit: "seconds", help: "Estimated time until the run is finished.",
            run.remainingSeconds)
    }

    private static func date(_ text: String) -> Date? {
        try? Date(text, strategy: Date.ISO8601FormatStyle(includingFractionalSeconds: true))
    }
}

extension JSONValue {
    fileprivate var double: Double? {
        switch self {
        case .int(let value): Double(value)
        case .double(let value): value
        default: nil
        }
    }
}
