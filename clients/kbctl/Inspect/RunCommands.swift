import ArgumentParser
import FoundationEssentials
import Glibc
import Interface
import Varlink

struct Runs: ParsableCommand {
    static let configuration = CommandConfiguration(abstract: "List training runs, newest first.")

    @Option(parsing: .unconditional, help: ArgumentHelp("List at most this many.", valueName: "n")) var limit: Int?

    @OptionGroup var model: ModelOption
    @OptionGroup var global: GlobalOptions

    func run() throws {
        let client = try global.connect()
        var table = Table(
            [
                ("RUN", .left), ("MODEL", .left), ("STATE", .left), ("STARTED", .left), ("STEP", .right),
                ("LOSS", .right), ("HELD OUT", .right), ("GENERATION", .right), ("REASON", .left),
            ], elastic: [8], spare: [1, 3, 7, 5, 8, 6], names: [0, 1])
        var left = limit ?? .max
        var isFirst = true
        try client.pages(ManagerInterface.ListRuns.self, .init(model: model.model, limit: limit)) { page in
            defer { isFirst = false }
            var reply = page
            reply.runs = Array(page.runs.prefix(left))
            left -= reply.runs.count
            if global.json {
                try Terminal.json(reply)
                return left > 0
            }
            guard !reply.runs.isEmpty else {
                if isFirst { Terminal.paragraph("no runs") }
                return left > 0
            }
            for run in reply.runs {
                table.add([
                    run.id, run.model, run.state.rawValue, Format.relative(run.started),
                    "\(run.step)/\(run.totalSteps)", Format.number(run.loss, 4), Format.number(run.evaluationLoss, 4),
                    Format.count(run.generation), run.reason ?? "",
                ])
            }
            table.printPage()
            return left > 0
        }
    }
}

struct RunDetails: ParsableCommand {
    static let configuration = CommandConfiguration(commandName: "run", abstract: "Show one run.")

    @Argument(
        help: ArgumentHelp("The run; by default the one in progress, or else the last.", valueName: "run"),
        completion: .runs)
    var id: String?

    @OptionGroup var global: GlobalOptions

    func run() throws {
        let client = try global.connect()
        let run = try find(client)
        if global.json { return try Terminal.json(run) }
        let history = try RunHistory(of: run.id, client)
        var facts = [("state", run.state.rawValue + (run.reason.map { ": \($0)" } ?? ""))]
        facts.append(("model", run.model + (run.generation.map { ", generation \($0)" } ?? "")))
        facts.append(("started", Format.relative(run.started)))
        if let began = run.started.flatMap(Format.date), let ended = run.finished.flatMap(Format.date) {
            facts.append(("took", Format.duration(ended.timeIntervalSince(began))))
        }
        if let seconds = run.remainingSeconds { facts.append(("left", Format.duration(seconds))) }
        facts.append(
            (
                "steps",
                "\(Format.count(run.step)) of \(Format.count(run.totalSteps)), epoch \(Format.number(run.epoch, 2))"
            )
        )
        if !history.losses.isEmpty {
            facts.append(("tokens", "\(Format.count(history.tokens)), \(speed(history))"))
            facts.append(("loss", Format.number(run.loss, 4) + sparkline(history.losses)))
        }
        if let best = history.best {
            facts.append(("held out", Format.number(run.evaluationLoss, 4) + sparkline(history.heldOut)))
            facts.append(
                (
                    "best",
                    "\(Format.number(best.loss, 4)) after step \(Format.count(best.step)), "
                        + "\(Format.number(best.bitsPerByte, 3)) bits per byte, \(Format.percent(best.accuracy)) correct"
                ))
        }
        Terminal.line(Style.bold(run.id.cut(to: Terminal.columns ?? .max)))
        for (name, text) in facts { Terminal.paragraph(text, lead: name.padded(to: 10), indent: 10) }
    }

    private func find(_ client: VarlinkClient) throws -> ManagerInterface.Run {
        guard let id else { return try client.currentRun() }
        guard let found = try client.run(id) else { throw ManagerInterface.RunNotFound(run: id) }
        return found
    }

    /// The median, so that pauses and the slow first steps have no effect.
    private func speed(_ history: RunHistory) -> String {
        let speeds = history.speeds.sorted()
        let shares = history.shares.sorted()
        let speed = "\(Format.count(Int(speeds[speeds.count / 2]))) per second"
        return shares.isEmpty ? speed : "\(speed), MFU \(Format.percent(shares[shares.count / 2]))"
    }

    /// Returns the means of the values as `  ▇▅▃▂▂▁▁▁`, or an empty string for fewer than two.
    private func sparkline(_ values: [Double]) -> String {
        guard values.count > 1 else { return "" }
        let count = min(32, values.count)
        let means = (0..<count).map { part in
            let range = values[part * values.count / count..<(part + 1) * values.count / count]
            return range.reduce(0, +) / Double(range.count)
        }
        guard let low = means.min(), let high = means.max(), high > low else { return "" }
        let blocks = Array("▁▂▃▄▅▆▇█")
        return "  " + String(means.map { blocks[min(7, Int(($0 - low) / (high - low) * 8))] })
    }
}

extension VarlinkClient {
    /// Returns the run with an id, or nil if there is none.
    func run(_ id: String) throws -> ManagerInterface.Run? {
        var found: ManagerInterface.Run?
        try pages(ManagerInterface.ListRuns.self, .init()) { page in
            found = page.runs.first { $0.id == id }
            return found == nil
        }
        return found
    }
}

/// The series that `kbctl run` summarizes. Nothing else of each step is kept in memory.
private struct RunHistory {
    private(set) var tokens = 0
    private(set) var losses: [Double] = []
    private(set) var speeds: [Double] = []
    private(set) var shares: [Double] = []
    private(set) var heldOut: [Double] = []
    private(set) var best: ManagerInterface.Evaluation?

    init(of run: String, _ client: VarlinkClient) throws {
        try client.pages(ManagerInterface.GetMetrics.self, .init(run: run)) { page in
            for step in page.steps {
                tokens += step.tokens
                losses.append(step.loss)
                speeds.append(step.tokensPerSecond)
                if let share = step.mfu { shares.append(share) }
            }
            for evaluation in page.evaluations {
                heldOut.append(evaluation.loss)
                if best.map({ evaluation.loss < $0.loss }) ?? true { best = evaluation }
            }
            return true
        }
    }
}
