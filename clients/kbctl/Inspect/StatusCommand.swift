import ArgumentParser
import Interface
import Varlink

struct Status: ParsableCommand {
    static let configuration = CommandConfiguration(abstract: "Show the models and what the service is doing.")

    @OptionGroup var global: GlobalOptions

    func run() throws {
        let client = try global.connect()
        let status = try client.call(ManagerInterface.GetStatus.self, .init())
        if global.json { return try Terminal.json(status) }
        Terminal.line("\(Style.bold("kantaibertd \(status.version)")), up \(Format.duration(status.uptimeSeconds))")
        Terminal.line("")
        ModelList(status.models, try client.generations(of: status.models)).print()
        Terminal.line("")
        if let run = status.run {
            Terminal.line(ProgressLine(run).text(columns: Terminal.columns))
        } else {
            Terminal.line("no training in progress")
        }
        if !status.queued.isEmpty {
            Terminal.paragraph("queued: \(status.queued.map(\.id).joined(separator: ", "))")
        }
        let files = status.inboxPending
        Terminal.paragraph(
            files == 0 ? "the inbox is empty" : "\(files) file\(files == 1 ? "" : "s") in the inbox")
    }
}
