import ArgumentParser
import Interface
import Varlink

struct Train: ParsableCommand {
    static let configuration = CommandConfiguration(
        abstract: "Start training now, regardless of the schedule.",
        discussion: "Without a name, every model that has new corpora is trained.")

    @Argument(help: "The model.") var model: String?

    @Flag(help: "Train even if there are no new corpora.") var force = false

    @OptionGroup var global: GlobalOptions

    func run() throws {
        let reply = try global.connect().call(
            ManagerInterface.Train.self, .init(model: model, force: force ? true : nil))
        if global.json { return try Terminal.json(reply) }
        for run in reply.runs { Terminal.paragraph(run) }
    }
}
