import ArgumentParser
import Interface
import Varlink

struct Promote: ParsableCommand {
    static let configuration = CommandConfiguration(
        abstract: "Make a generation the one that serves: also the way back.")

    @Argument(help: ArgumentHelp("The model.", valueName: "model")) var name: String
    @Argument(help: "The number of the generation.") var generation: Int

    @OptionGroup var global: GlobalOptions

    func run() throws {
        let reply = try global.connect().call(
            ManagerInterface.Promote.self, .init(model: name, generation: generation))
        if global.json { return try Terminal.json(reply) }
        Terminal.paragraph("\(name) \(generation) serves")
    }
}

struct Cancel: ParsableCommand {
    static let configuration = CommandConfiguration(abstract: "Stop a run that waits or is under way.")

    @Argument(help: ArgumentHelp("The run.", valueName: "run")) var id: String

    @OptionGroup var global: GlobalOptions

    func run() throws {
        let reply = try global.connect().call(ManagerInterface.CancelRun.self, .init(run: id))
        if global.json { return try Terminal.json(reply) }
        Terminal.paragraph("\(id) is told to stop")
    }
}
