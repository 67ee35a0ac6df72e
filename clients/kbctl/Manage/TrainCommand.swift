import ArgumentParser
import Interface
import Varlink

struct Train: ParsableCommand {
    static let configuration = CommandConfiguration(
        abstract: "Start training now, regardless of the schedule.",
        discussion: "Without a name, every model that has new corpora is trained.")

    @Argument(help: "The model.", completion: .models) var model: String?

    @Flag(help: "Train even if there are no new corpora.") var force = false

    @Flag(help: "Only show what a run would choose, with the settings and for ten minutes, an hour and a night.")
    var plan = false

    @OptionGroup var global: GlobalOptions

    func run() throws {
        if plan { return try showPlans() }
        let reply = try global.connect().call(
            ManagerInterface.Train.self, .init(model: model, force: force ? true : nil))
        if global.json { return try Terminal.json(reply) }
        for run in reply.runs { Terminal.paragraph(run) }
    }

    private func showPlans() throws {
        let reply = try global.connect().call(ManagerInterface.PlanTraining.self, .init(model: model))
        if global.json { return try Terminal.json(reply) }
        var table = Table(
            [
                ("MODEL", .left), ("MAX TIME", .right), ("LAYERS", .right), ("HIDDEN", .right), ("PARAMETERS", .right),
                ("EPOCHS", .right), ("STEPS", .right), ("TIME", .right), ("MEMORY", .right), ("BITS/BYTE", .right),
            ], spare: [6, 8, 3, 2, 5, 4, 7])
        for plan in reply.plans {
            table.add(
                [
                    plan.model, plan.maxSeconds.map { Format.duration($0) } ?? "–", "\(plan.numHiddenLayers)",
                    "\(plan.hiddenSize)", Format.count(plan.parameters), Format.number(plan.numTrainEpochs, 1),
                    Format.count(plan.steps), Format.duration(plan.seconds), Format.bytes(plan.memoryBytes),
                    "\(Format.number(plan.bitsPerByte, 2)) ± \(Format.number(plan.uncertainty, 2))",
                ],
                warnings: plan.endsEarly
                    ? ["the time ends before all of the text has been read once: a longer max_time learns more"] : [])
        }
        table.printPage()
        Terminal.paragraph(
            "The first row of each model follows its settings. Times and bits per byte are estimates for prose on a "
                + "machine that does nothing else.")
    }
}
