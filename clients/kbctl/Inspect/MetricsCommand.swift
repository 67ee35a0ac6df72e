import ArgumentParser
import Interface
import MetricsSchema
import OpenMetrics
import Varlink

struct Metrics: ParsableCommand {
    static let configuration = CommandConfiguration(
        abstract: "Print a run's steps and evaluations.",
        discussion: """
            The table of a long run omits steps; --all, --csv and --json print every one. --csv prints one line per \
            step, with the held-out results on the steps that were evaluated.

            --openmetrics prints the state of the service instead, in the format of OpenMetrics; --textfile prints the \
            same in the older format, for node_exporter's textfile collector.
            """)

    /// Steps shown in the table without `--all`.
    private static let shown = 40

    @Argument(
        help: ArgumentHelp("The run; by default the one in progress, or else the last.", valueName: "run"),
        completion: .runs)
    var id: String?
    @Option(parsing: .unconditional, help: ArgumentHelp("Only steps after this one.", valueName: "n")) var afterStep:
        Int?
    @Flag(help: "Print every step.") var all = false
    @Flag(help: "Print comma-separated values with a header line.") var csv = false
    @Flag(help: "Print the state of the service as OpenMetrics text.") var openmetrics = false
    @Flag(help: "Print the state of the service for node_exporter's textfile collector.") var textfile = false

    @OptionGroup var global: GlobalOptions

    func validate() throws {
        guard [csv, openmetrics, textfile, global.json].count(where: { $0 }) < 2 else {
            throw ValidationError("--csv, --openmetrics, --textfile and --json exclude each other")
        }
        guard !(openmetrics || textfile) || id == nil else {
            throw ValidationError("--openmetrics and --textfile do not take a run")
        }
    }

    func run() throws {
        let client = try global.connect()
        if openmetrics || textfile {
            var metrics = OpenMetricsText(textfile ? .prometheus : .openMetrics)
            metrics.add(try client.call(ManagerInterface.GetStatus.self, .init()))
            return Terminal.write(metrics.text)
        }
        let run = try id ?? client.currentRun().id
        let parameters = ManagerInterface.GetMetrics.Parameters(run: run, afterStep: afterStep)
        func forEachPage(_ body: (ManagerInterface.GetMetrics.Reply) throws -> Void) throws {
            try client.pages(ManagerInterface.GetMetrics.self, parameters) { page in
                try body(page)
                return true
            }
        }
        if global.json { return try forEachPage { try Terminal.json($0) } }
        if csv {
            printHeadings()
            return try forEachPage { page in printCSV(page.steps, Self.evaluations(page)) }
        }
        // A first pass only counts the steps.
        var count = 0
        if !all { try forEachPage { count += $0.steps.count } }
        let stride = max(1, (count + Self.shown - 1) / Self.shown)
        var table = Table(
            [
                ("STEP", .right), ("EPOCH", .right), ("LOSS", .right), ("HELD OUT", .right), ("BITS/BYTE", .right),
                ("LEARNING RATE", .right), ("GRADIENT", .right), ("TOKENS/S", .right), ("MFU", .right),
            ], spare: [6, 5, 8, 1, 7])
        var index = 0
        try forEachPage { page in
            let evaluations = Self.evaluations(page)
            for step in page.steps {
                defer { index += 1 }
                let evaluation = evaluations[step.step]
                guard evaluation != nil || index % stride == 0 || index == count - 1 else { continue }
                table.add([
                    "\(step.step)", Format.number(step.epoch, 2), Format.number(step.loss, 4),
                    Format.number(evaluation?.loss, 4), Format.number(evaluation?.bitsPerByte, 3),
                    Format.scientific(step.learningRate), Format.number(step.gradientNorm, 3),
                    Format.number(step.tokensPerSecond, 0), Format.percent(step.mfu),
                ])
            }
            if all, !page.steps.isEmpty { table.printPage() }
        }
        if !all || index == 0 { table.print() }
    }

    private static func evaluations(
        _ page: ManagerInterface.GetMetrics.Reply
    ) -> [Int: ManagerInterface.Evaluation] {
        Dictionary(page.evaluations.map { ($0.step, $0) }, uniquingKeysWith: { _, last in last })
    }

    /// The step of an evaluation is the step of its line.
    private static let evaluationFields = EvaluationField.allCases.filter { $0 != .step }

    private func printHeadings() {
        let evaluation = Self.evaluationFields.map { $0 == .loss ? "held_out_loss" : $0.column }
        Terminal.line((StepField.allCases.map(\.column) + ["time"] + evaluation).joined(separator: ","))
    }

    private func printCSV(_ steps: [ManagerInterface.StepMetric], _ evaluations: [Int: ManagerInterface.Evaluation]) {
        for step in steps {
            let evaluation = evaluations[step.step]
            let values =
                StepField.allCases.map { step.text($0) } + [step.time]
                + Self.evaluationFields.map { evaluation?.text($0) ?? "" }
            Terminal.line(values.joined(separator: ","))
        }
    }
}

extension ManagerInterface.StepMetric {
    /// The value of a field, as CSV; empty if it was not measured.
    fileprivate func text(_ field: StepField) -> String {
        switch field {
        case .step: "\(step)"
        case .epoch: "\(epoch)"
        case .loss: "\(loss)"
        case .learningRate: "\(learningRate)"
        case .gradientNorm: "\(gradientNorm)"
        case .tokens: "\(tokens)"
        case .tokensPerSecond: "\(tokensPerSecond)"
        case .mfu: mfu.map { "\($0)" } ?? ""
        }
    }
}

extension ManagerInterface.Evaluation {
    /// The value of a field, as CSV; empty if it was not measured.
    fileprivate func text(_ field: EvaluationField) -> String {
        switch field {
        case .step: "\(step)"
        case .loss: "\(loss)"
        case .perplexity: "\(perplexity)"
        case .accuracy: accuracy.map { "\($0)" } ?? ""
        case .bitsPerByte: bitsPerByte.map { "\($0)" } ?? ""
        }
    }
}
