import ArgumentParser
import FoundationEssentials
import Glibc
import Interface
import Varlink

struct Watch: ParsableCommand {
    static let configuration = CommandConfiguration(
        abstract: "Show what the service does as it happens, with a bar for the run.",
        discussion: """
            Where standard output is no terminal, plain lines are printed. --exit-when-served is for scripts: it ends with \
            0 when every model serves and nothing is waiting or under way, and with 70 when a run has failed.
            """)

    @Argument(help: ArgumentHelp("Only this run.", valueName: "run")) var id: String?

    @Flag(help: "End when every model serves and nothing is left to do.") var exitWhenServed = false

    @OptionGroup var global: GlobalOptions

    func run() throws {
        let events = try global.connect()
        let replies = try events.callMore(ManagerInterface.Watch.self, .init(run: id))
        let client = try global.connect()
        var screen = WatchScreen(isInteractive: Terminal.isInteractive && !global.json)
        var status = try client.call(ManagerInterface.GetStatus.self, .init())
        if let current = status.run, id == nil || id == current.id { screen.progress = ProgressLine(current) }
        var asked = ContinuousClock.now
        defer { screen.end() }
        while true {
            if exitWhenServed, try isServed(status, client) { return }
            screen.draw()
            if try replies.wait(for: .seconds(1)) {
                guard let reply = try replies.next() else { return }
                if global.json {
                    try Terminal.json(reply.event)
                } else {
                    screen.show(reply.event)
                }
            }
            if exitWhenServed, asked.duration(to: .now) >= .seconds(1) {
                status = try client.call(ManagerInterface.GetStatus.self, .init())
                asked = .now
            }
        }
    }

    /// - Throws: `Failure` where nothing goes on any more and a model has failed.
    private func isServed(_ status: ManagerInterface.GetStatus.Reply, _ client: VarlinkClient) throws -> Bool {
        let isAtRest =
            status.run == nil && status.queued.isEmpty && status.inboxPending == 0
            && !status.models.contains { $0.state == .waiting || $0.state == .training }
        guard isAtRest else { return false }
        if let failed = status.models.first(where: { $0.state == .failed }) {
            let last = try client.call(ManagerInterface.ListRuns.self, .init(model: failed.name, limit: 1)).runs.first
            throw Failure(
                "training ‘\(failed.name)’ has failed: \(last?.reason ?? last?.id ?? "see the journal")",
                status: EX_SOFTWARE)
        }
        return status.models.allSatisfy { $0.generation != nil }
    }
}

/// Lines that stay, and under them, on a terminal, the line of the run that is drawn again and again.
struct WatchScreen {
    let isInteractive: Bool
    var progress: ProgressLine?
    /// Where the watching of the run began, for its steps a second.
    private var first: (step: Int, time: ContinuousClock.Instant)?
    private var lastStepLine: ContinuousClock.Instant?
    private var isDrawn = false

    /// Seconds between two lines about steps where each line stays.
    private static let interval = Duration.seconds(5)

    init(isInteractive: Bool) {
        self.isInteractive = isInteractive
    }

    mutating func show(_ event: ManagerInterface.Event) {
        if var line = ProgressLine(event) {
            line.started = progress?.run == line.run ? progress?.started : nil
            line.stepsPerSecond = rate(line)
            progress = line
            guard !isInteractive, lastStepLine.map({ $0.duration(to: .now) >= Self.interval }) ?? true else { return }
            lastStepLine = .now
            return Terminal.line(line.text(columns: nil))
        }
        switch event.kind {
        case "run_started":
            first = nil
            if let run = event.run, progress?.run != run { progress = nil }
        case "run_finished", "run_failed", "run_interrupted", "run_died", "run_cancelled":
            progress = nil
        default: break
        }
        erase()
        let time = Human.date(event.time).map(Self.timeOfDay) ?? event.time
        Terminal.line("\(time) \(Terminal.visible(event.message))")
    }

    /// Draws the run's line anew, on a terminal.
    mutating func draw() {
        guard isInteractive, let progress else { return }
        // One column less: a line as wide as the screen would scroll it.
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

    /// In the zone of whoever looks.
    private static func timeOfDay(_ date: Date) -> String {
        var seconds = time_t(date.timeIntervalSince1970)
        var local = tm()
        localtime_r(&seconds, &local)
        return [local.tm_hour, local.tm_min, local.tm_sec].map { $0 < 10 ? "0\($0)" : "\($0)" }.joined(separator: ":")
    }
}
