import ArgumentParser
import Interface
import Varlink

struct Promote: ParsableCommand {
    static let configuration = CommandConfiguration(
        abstract: "Serve this generation; also rolls back to an earlier one.")

    @Argument(help: ArgumentHelp("The model.", valueName: "model")) var name: String
    @Argument(help: "The generation's number.") var generation: Int

    @OptionGroup var global: GlobalOptions

    func run() throws {
        let reply = try global.connect().call(
            ManagerInterface.Promote.self, .init(model: name, generation: generation))
        if global.json { return try Terminal.json(reply) }
        Terminal.paragraph("\(name) now serves generation \(generation)")
    }
}

struct Cancel: ParsableCommand {
    static let configuration = CommandConfiguration(abstract: "Cancel a run that is queued or in progress.")

    @Argument(help: ArgumentHelp("The run.", valueName: "run")) var id: String

    @OptionGroup var global: GlobalOptions

    func run() throws {
        let reply = try global.connect().call(ManagerInterface.CancelRun.self, .init(run: id))
        if global.json { return try Terminal.json(reply) }
        Terminal.paragraph("\(id) is being cancelled")
    }
}
