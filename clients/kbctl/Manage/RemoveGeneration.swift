import ArgumentParser
import Glibc
import Interface
import Varlink

struct RemoveGeneration: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "rm", abstract: "Delete a generation that does not serve.",
        discussion: """
            For administrators. The files of the generation are deleted and cannot be restored. The one that serves, the \
            newest one, and those that a run needs are not deleted. kbctl corpora rm excludes corpora from training.
            """)

    @Argument(help: ArgumentHelp("The model.", valueName: "model"), completion: .models) var name: String
    @Argument(help: "The generation's number.", completion: .generations) var generation: Int
    @Flag(name: .shortAndLong, help: "Do not ask.") var yes = false

    @OptionGroup var global: GlobalOptions

    func run() throws {
        let client = try global.connect()
        if !yes, try !isConfirmed(client) {
            throw Failure("nothing was removed", status: EX_TEMPFAIL)
        }
        let reply = try client.call(
            ManagerInterface.RemoveGeneration.self, .init(model: name, generation: generation))
        if global.json { return try Terminal.json(reply) }
        Terminal.paragraph("generation \(generation) of \(name) is removed")
    }

    private func isConfirmed(_ client: VarlinkClient) throws -> Bool {
        let all = try client.all(ManagerInterface.ListGenerations.self, .init(model: name), \.generations)
        guard let found = all.first(where: { $0.number == generation }) else {
            throw ManagerInterface.GenerationNotFound(model: name, generation: generation)
        }
        guard isatty(STDIN_FILENO) == 1 else {
            throw Failure("removing a generation cannot be undone; confirm it with --yes", status: EX_USAGE)
        }
        let quality = found.bitsPerByte.map { ", \(Format.number($0, 3)) bits per byte" } ?? ""
        Terminal.paragraph(
            "generation \(generation) of \(name): \(found.state.rawValue), created \(Format.relative(found.created))\(quality)"
        )
        Terminal.write("Remove its files for good? [y/N] ")
        return ["y", "yes"].contains(readLine()?.lowercased() ?? "")
    }
}
