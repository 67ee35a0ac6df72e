import ArgumentParser
import Glibc
import Interface
import Varlink

struct Metrics: ParsableCommand {
    static let configuration = CommandConfiguration(
        abstract: "Print a run's steps and evaluations.",
        discussion: "On a screen a long run is thinned out; --all and --json print every step.")

    /// Steps a table has where not all are asked for.
    private static let shown = 40

    @Argument(help: ArgumentHelp("The run; else the newest.", valueName: "run")) var id: String?
    @Option(help: ArgumentHelp("Only what came after this step.", valueName: "n")) var afterStep: Int?
    @Flag(help: "Every step.") var all = false

    @OptionGroup var global: GlobalOptions

    func run() throws {
        let client = try global.connect()
        let run = try id ?? newest(client)
        let reply = try client.call(ManagerInterface.GetMetrics.self, .init(run: run, afterStep: afterStep))
        if global.json { return try Terminal.json(reply) }
        let stride = all ? 1 : max(1, (reply.steps.count + Self.shown - 1) / Self.shown)
        let evaluations = Dictionary(reply.evaluations.map { ($0.step, $0) }, uniquingKeysWith: { _, last in last })
        var table = Table([
            ("STEP", .right), ("EPOCH", .right), ("LOSS", .right), ("HELD-OUT LOSS", .right), ("BITS/BYTE", .right),
            ("LEARNING RATE", .right), ("GRADIENT", .right), ("TOKENS/S", .right),
        ])
        for (index, step) in reply.steps.enumerated() {
            let evaluation = evaluations[step.step]
            guard evaluation != nil || index % stride == 0 || index == reply.steps.count - 1 else { continue }
            table.add([
                "\(step.step)", Human.number(step.epoch, 2), Human.number(step.loss, 4),
                Human.number(evaluation?.loss, 4), Human.number(evaluation?.bitsPerByte, 3),
                Human.scientific(step.learningRate), Human.number(step.gradientNorm, 3),
                Human.number(step.tokensPerSecond, 0),
            ])
        }
        table.print()
    }

    private func newest(_ client: VarlinkClient) throws -> String {
        guard let run = try client.call(ManagerInterface.ListRuns.self, .init(limit: 1)).runs.first else {
            throw Failure("nothing was trained yet", status: EX_NOINPUT)
        }
        return run.id
    }
}
