import FoundationEssentials
import Interface
import Varlink

/// The output of `kbctl watch`: lines that scroll, and on a terminal a progress line below them that is redrawn.
struct WatchScreen {
    let isInteractive: Bool
    private var progress: ProgressLine?
    private var table = LossTable()
    /// The first step seen of the run, from which steps per second are computed.
    private var first: (step: Int, time: ContinuousClock.Instant)?
    /// The start time of a run that has not completed a step yet.
    private var began: Date?
    private var lastStepLine: ContinuousClock.Instant?
    private var isDrawn = false

    /// Interval between progress lines when output is not a terminal.
    private static let interval = Duration.seconds(5)
    /// Precedes samples of text, below the column of the steps.
    private static let sampleIndent = "          "

    init(isInteractive: Bool) {
        self.isInteractive = isInteractive
    }

    /// Shows a run in progress. Its past evaluations are added afterwards.
    mutating func begin(_ run: ManagerInterface.Run) {
        progress = ProgressLine(run)
    }

    /// Adds a page of the run's past steps and evaluations.
    mutating func add(_ metrics: ManagerInterface.GetMetrics.Reply, of run: ManagerInterface.Run) {
        var steps = metrics.steps[...]
        for evaluation in metrics.evaluations {
            let before = steps.prefix { $0.step <= evaluation.step }
            for step in before { table.note(loss: step.loss) }
            steps = steps.dropFirst(before.count)
            table.row(of: run.id, step: evaluation.step, validation: evaluation.loss).forEach(Terminal.line)
        }
        for step in steps { table.note(loss: step.loss) }
    }

    /// Prints, on a terminal, why there is no progress to show.
    func beginIdle(waiting: Int, inbox: Int, paused: [String]) {
        guard isInteractive else { return }
        defer {
            if !paused.isEmpty {
                Terminal.paragraph(
                    "the training of \(paused.joined(separator: ", ")) is paused; ‘kbctl resume’ continues it")
            }
        }
        let rest = [(waiting, "waiting"), (inbox, "in the inbox")].filter { $0.0 > 0 }.map { "\($0.0) \($0.1)" }
        Terminal.paragraph((["no run is in progress"] + rest).joined(separator: ", "))
    }

    mutating func show(_ event: ManagerInterface.Event) {
        if var line = ProgressLine(event) {
            line.started = progress?.run == line.run ? progress?.started : began
            line.stepsPerSecond = rate(line)
            progress = line
            line.loss.map { table.note(loss: $0) }
            guard !isInteractive, lastStepLine.map({ $0.duration(to: .now) >= Self.interval }) ?? true else { return }
            lastStepLine = .now
            return Terminal.line(line.text(columns: nil))
        }
        switch event.runState {
        case .running?:
            first = nil
            if progress?.run != event.run {
                progress = nil
                began = Format.date(event.time)
                table = LossTable()
            }
        case .interrupted?, .finished?, .failed?, .cancelled?:
            // A queued run can be cancelled while another is in progress.
            if progress?.run == event.run { progress = nil }
        case .queued?, nil: break
        }
        erase()
        if isInteractive, event.kind == "evaluation", let run = event.run, let step = event.fields["step"]?.number {
            return table.row(of: run, step: Int(step), validation: event.fields["loss"]?.number).forEach(Terminal.line)
        }
        if isInteractive, event.kind == "sample", case .string(let text)? = event.fields["text"] {
            // Belongs to the line of the evaluation above it. A sentence with masks is repeated with its masks filled in.
            var shown = text
            if case .string(let prompt)? = event.fields["prompt"], !prompt.contains("<mask>") { shown = prompt + text }
            return Terminal.paragraph(shown, lead: Self.sampleIndent, indent: Self.sampleIndent.count)
        }
        // Checkpoints come every minute and would break up the table of losses.
        guard !isInteractive || event.kind != "checkpoint" else { return }
        table.close()
        let time = Format.date(event.time).map(Format.timeOfDay) ?? event.time
        Terminal.paragraph(event.message, lead: "\(Style.dim(time)) ", indent: time.count + 1)
    }

    /// Redraws the progress line, on a terminal.
    mutating func draw() {
        guard isInteractive, let progress else { return }
        // One column less: a line as wide as the screen would scroll.
        Terminal.write("\r\u{1B}[2K" + progress.text(columns: Terminal.columns.map { $0 - 1 }))
        isDrawn = true
    }

    mutating func end() {
        erase()
    }

    private mutating func erase() {
        guard isDrawn else { return }
        Terminal.write("\r\u{1B}[2K")
        isDrawn = false
    }

    private mutating func rate(_ line: ProgressLine) -> Double? {
        guard let first, progress?.run == line.run, line.step > first.step else {
            first = (line.step, .now)
            return nil
        }
        let seconds = first.time.duration(to: .now) / .seconds(1)
        return seconds > 1 ? Double(line.step - first.step) / seconds : progress?.stepsPerSecond
    }
}

/// Losses, one line per evaluation. The headings are repeated after other lines were printed.
private struct LossTable {
    private var sum = 0.0
    private var count = 0
    private var isOpen = false

    private static let headings = ["step", "training loss", "validation loss"]

    /// Records a step's loss. A row shows the mean since the previous row.
    mutating func note(loss: Double) {
        sum += loss
        count += 1
    }

    /// - Returns: the lines to print
    mutating func row(of run: String, step: Int, validation: Double?) -> [String] {
        let training = count > 0 ? sum / Double(count) : nil
        (sum, count) = (0, 0)
        let cells = ["\(step)", Format.number(training, 4), Format.number(validation, 4)]
        let line = zip(cells, Self.headings).map { $0.padded(to: max(8, $1.count), .right) }.joined(separator: "  ")
        let heading = Self.headings.map { $0.padded(to: max(8, $0.count), .right) }.joined(separator: "  ")
        defer { isOpen = true }
        return (isOpen ? [line] : [Style.bold(heading), line]).map { text in
            Terminal.columns.map { Style.isOn ? text : text.cut(to: $0) } ?? text
        }
    }

    mutating func close() { isOpen = false }
}
