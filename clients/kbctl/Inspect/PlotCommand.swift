import ArgumentParser
import FoundationEssentials
import Glibc
import Interface
import Varlink

struct Plot: ParsableCommand {
    static let configuration = CommandConfiguration(
        abstract: "Draw the loss curves of runs.",
        discussion: """
            Lines are training losses, diamonds what is held out; several runs are drawn over one another. On a long run \
            each point of a line is the mean of some steps.
            """)

    @Argument(help: ArgumentHelp("The runs; else the newest.", valueName: "run")) var runs: [String] = []
    @Option(help: ArgumentHelp("Draw into an SVG file.", valueName: "file"), completion: .file(extensions: ["svg"]))
    var svg: String?
    @Option(help: ArgumentHelp("Draw into a PNG file.", valueName: "file"), completion: .file(extensions: ["png"]))
    var png: String?

    @OptionGroup var global: GlobalOptions

    func run() throws {
        let client = try global.connect()
        let names = runs.isEmpty ? [try client.newestRun().id] : runs
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
            throw Failure("\(names.joined(separator: ", ")): no step has been made yet", status: EX_NOINPUT)
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
            throw Failure("\(path) cannot be written: \(error)", status: EX_CANTCREAT)
        }
    }
}

extension VarlinkClient {
    /// - Throws: `Failure` where there is none
    func newestRun() throws -> ManagerInterface.Run {
        guard let run = try call(ManagerInterface.ListRuns.self, .init(limit: 1)).runs.first else {
            throw Failure("nothing was trained yet", status: EX_NOINPUT)
        }
        return run
    }
}
