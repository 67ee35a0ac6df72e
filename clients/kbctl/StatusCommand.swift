import ArgumentParser
import Interface
import Varlink

struct Status: ParsableCommand {
    static let configuration = CommandConfiguration(abstract: "Show the models and what the service is doing.")

    @OptionGroup var global: GlobalOptions

    func run() throws {
        let status = try global.connect().call(ManagerInterface.GetStatus.self, .init())
        if global.json { return try Terminal.json(status) }
        Terminal.line("kantaibertd \(status.version), up \(Human.duration(status.uptimeSeconds))")
        Terminal.line("")
        Table(models: status.models).print()
        Terminal.line("")
        if let run = status.run {
            Terminal.line(ProgressLine(run).text(columns: Terminal.columns))
        } else {
            Terminal.line("no training under way")
        }
        if !status.queued.isEmpty {
            Terminal.line("queued: \(status.queued.map(\.model).joined(separator: ", "))")
        }
        let files = status.inboxPending
        Terminal.line(files == 0 ? "nothing waits in the inbox" : "\(files) file\(files == 1 ? "" : "s") in the inbox")
    }
}
