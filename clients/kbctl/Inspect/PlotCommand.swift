import ArgumentParser
import FoundationEssentials
import Glibc
import Interface
import Varlink

struct Plot: ParsableCommand {
    static let configuration = CommandConfiguration(
        abstract: "Plot the losses of runs.",
        discussion: """
            Lines are training losses, diamonds held-out losses; several runs share one chart. In a long run, each \
            point of a line is the mean of several steps.
            """)

    @Argument(
        help: ArgumentHelp("The runs; by default the one in progress, or else the last.", valueName: "run"),
        completion: .runs)
    var runs: [String] = []
    @Option(help: ArgumentHelp("Write an SVG file.", valueName: "file"), completion: .file(extensions: ["svg"]))
    var svg: String?
    @Option(help: ArgumentHelp("Write a PNG file.", valueName: "file"), completion: .file(extensions: ["png"]))
    var png: String?

    @OptionGroup var global: GlobalOptions

    func run() throws {
        let client = try global.connect()
        let names = runs.isEmpty ? [try client.currentRun().id] : runs
        if global.json {
            let metrics = try names.map { name in
                var whole = ManagerInterface.GetMetrics.Reply(steps: [], evaluations: [])
                try client.pages(ManagerInterface.GetMetrics.self, .init(run: name)) { page in
                    whole.steps += page.steps
                    whole.evaluations += page.evaluations
                    return true
                }
                return whole
            }
            return try Terminal.json(Dictionary(zip(names, metrics), uniquingKeysWith: { first, _ in first }))
        }
        let curves = try names.map { try Curve(run: $0, client) }
        guard curves.contains(where: { !$0.training.isEmpty || !$0.heldOut.isEmpty }) else {
            throw Failure(
                "\(names.joined(separator: ", ")): no step has been completed yet; ‘kbctl runs’ lists all runs",
                status: EX_NOINPUT)
        }
        let chart = Chart(curves)
        if let svg { try save(Data(SVG.drawing(chart).file().utf8), to: svg) }
        if let png { try save(Data(Raster.drawing(chart).file()), to: png) }
        guard svg == nil, png == nil else { return }
        let size = Terminal.size ?? (100, 30)
        let rows = min(24, size.rows - curves.count - 4)
        for line in ScreenChart.lines(chart, columns: size.columns, rows: rows, hasColors: Style.isOn) {
            Terminal.line(line)
        }
    }

    private func save(_ data: Data, to path: String) throws {
        do {
            try data.write(to: URL(filePath: path), options: .atomic)
        } catch {
            throw Failure("\(path) cannot be written: \(Failure.reason(ofWriting: error))", status: EX_CANTCREAT)
        }
    }
}

extension VarlinkClient {
    /// Returns the run that is meant if none is named: the one in progress, else the newest that has made a step, else the
    /// newest.
    /// - Throws: `Failure` if there is no run
    func currentRun() throws -> ManagerInterface.Run {
        if let run = try call(ManagerInterface.GetStatus.self, .init()).run { return run }
        var newest: ManagerInterface.Run?
        var trained: ManagerInterface.Run?
        try pages(ManagerInterface.ListRuns.self, .init()) { page in
            if newest == nil { newest = page.runs.first }
            trained = page.runs.first { $0.step > 0 }
            return trained == nil
        }
        guard let run = trained ?? newest else { throw Failure("no model has been trained yet", status: EX_NOINPUT) }
        return run
    }
}
