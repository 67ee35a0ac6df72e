import ArgumentParser
import Glibc
import Interface
import Varlink

struct Promote: ParsableCommand {
    static let configuration = CommandConfiguration(
        abstract: "Serve this generation; also rolls back to an earlier one.")

    @Argument(help: ArgumentHelp("The model.", valueName: "model"), completion: .models) var name: String
    @Argument(help: "The generation's number.", completion: .generations) var generation: Int

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

    @Argument(help: ArgumentHelp("The run.", valueName: "run"), completion: .runs) var id: String

    @OptionGroup var global: GlobalOptions

    func run() throws {
        let client = try global.connect()
        let reply: ManagerInterface.CancelRun.Reply
        do {
            reply = try client.call(ManagerInterface.CancelRun.self, .init(run: id))
        } catch let error as ManagerInterface.RunNotFound {
            guard let run = try client.run(id) else { throw error }
            throw Failure("\(id) is not in progress: its state is \(run.state.rawValue)", status: EX_DATAERR)
        }
        if global.json { return try Terminal.json(reply) }
        Terminal.paragraph("\(id) is being cancelled")
    }
}
