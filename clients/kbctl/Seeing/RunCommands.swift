import ArgumentParser
import FoundationEssentials
import Glibc
import Interface
import Varlink

struct Runs: ParsableCommand {
    static let configuration = CommandConfiguration(abstract: "List the training runs, the newest first.")

    @Option(help: ArgumentHelp("At most so many.", valueName: "n")) var limit: Int?

    @OptionGroup var model: ModelOption
    @OptionGroup var global: GlobalOptions

    func run() throws {
        let reply = try global.connect().call(
            ManagerInterface.ListRuns.self, .init(model: model.model, limit: limit))
        if global.json { return try Terminal.json(reply) }
        var table = Table(
            [
                ("RUN", .left), ("MODEL", .left), ("STATE", .left), ("STARTED", .left), ("STEP", .right),
                ("LOSS", .right), ("HELD OUT", .right), ("GENERATION", .right), ("REASON", .left),
            ], elastic: [0, 8], spare: [1, 3, 7, 5, 8, 6])
        for run in reply.runs {
            table.add([
                run.id, run.model, run.state.rawValue, Human.relative(run.started), "\(run.step)/\(run.totalSteps)",
                Human.number(run.loss, 4), Human.number(run.evaluationLoss, 4), Human.count(run.generation),
                run.reason ?? "",
            ])
        }
        table.print(empty: "no runs")
    }
}

struct RunDetails: ParsableCommand {
    static let configuration = CommandConfiguration(commandName: "run", abstract: "Show one run.")

    @Argument(help: ArgumentHelp("The run; else the newest.", valueName: "run")) var id: String?

    @OptionGroup var global: GlobalOptions

    func run() throws {
        let client = try global.connect()
        let run = try find(client)
        if global.json { return try Terminal.json(run) }
        let metrics = try client.call(ManagerInterface.GetMetrics.self, .init(run: run.id))
        var facts = [("state", run.state.rawValue + (run.reason.map { ": \($0)" } ?? ""))]
        facts.append(("model", run.model + (run.generation.map { ", generation \($0)" } ?? "")))
        facts.append(("started", Human.relative(run.started)))
        if let began = run.started.flatMap(Human.date), let ended = run.finished.flatMap(Human.date) {
            facts.append(("took", Human.duration(ended.timeIntervalSince(began))))
        }
        if let seconds = run.remainingSeconds { facts.append(("left", Human.duration(seconds))) }
        facts.append(
            ("steps", "\(Human.count(run.step)) of \(Human.count(run.totalSteps)), epoch \(Human.number(run.epoch, 2))")
        )
        if !metrics.steps.isEmpty {
            let tokens = metrics.steps.reduce(0) { $0 + $1.tokens }
            facts.append(("tokens", "\(Human.count(tokens)), \(speed(metrics.steps))"))
            facts.append(("loss", Human.number(run.loss, 4) + sparkline(metrics.steps.map(\.loss))))
        }
        if let best = metrics.evaluations.min(by: { $0.loss < $1.loss }) {
            facts.append(
                ("held out", Human.number(run.evaluationLoss, 4) + sparkline(metrics.evaluations.map(\.loss))))
            facts.append(
                (
                    "best",
                    "\(Human.number(best.loss, 4)) after step \(Human.count(best.step)), "
                        + "\(Human.number(best.bitsPerByte, 3)) bits a byte, \(Human.percent(best.accuracy)) right"
                ))
        }
        Terminal.line(Style.bold(run.id.cut(to: Terminal.columns ?? .max)))
        for (name, text) in facts { Terminal.paragraph(text, lead: name.padded(to: 10), indent: 10) }
    }

    private func find(_ client: VarlinkClient) throws -> ManagerInterface.Run {
        guard let id else { return try client.newestRun() }
        let runs = try client.call(ManagerInterface.ListRuns.self, .init()).runs
        guard let run = runs.first(where: { $0.id == id }) else { throw ManagerInterface.RunNotFound(run: id) }
        return run
    }

    /// The median: pauses and the first steps do not count.
    private func speed(_ steps: [ManagerInterface.StepMetric]) -> String {
        let speeds = steps.map(\.tokensPerSecond).sorted()
        let shares = steps.compactMap(\.mfu).sorted()
        let speed = "\(Human.count(Int(speeds[speeds.count / 2]))) a second"
        return shares.isEmpty ? speed : "\(speed), \(Human.percent(shares[shares.count / 2])) of the products' rate"
    }

    /// `  ▇▅▃▂▂▁▁▁`, of means; nothing for fewer than two.
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
