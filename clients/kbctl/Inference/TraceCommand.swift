import ArgumentParser
import Durable
import Glibc
import Interface
import Varlink

struct Trace: ParsableCommand {
    static let configuration = CommandConfiguration(
        abstract: "Show which parts of a text occur verbatim in the corpora, and where.",
        discussion: """
            The corpora are those that the serving generation of the model was trained on. They are indexed at the first \
            question. ‘kbctl ask --why’ does the same with an answer.
            """)

    @Argument(help: "The file with the text; - reads it from standard input.", completion: .file()) var file: String

    @Option(help: ArgumentHelp("Places to show of each part, at most 20.", valueName: "n")) var passages: Int?
    @OptionGroup var model: ModelOption
    @OptionGroup var global: GlobalOptions

    /// Larger than any text that a service traces.
    private static let mostBytes = 64 << 20

    func run() throws {
        let text = try text()
        let reply = try global.connect().search(
            InferenceInterface.Trace.self, .init(text: text, model: model.model, passages: passages))
        if global.json { return try Terminal.json(reply) }
        TraceReport(text: text, reply: reply).print()
    }

    private func text() throws -> String {
        guard file != "-" else { return try TextArgument(argument: file).value }
        let bytes: [UInt8]
        do throws(DurableError) {
            bytes = try Durable.read(OwnProgram.path(ofArgument: file), atMost: Self.mostBytes)
        } catch {
            throw Failure("\(error)", status: error.errno == ENOENT ? EX_NOINPUT : EX_IOERR)
        }
        guard let text = String(validating: bytes, as: UTF8.self) else {
            throw Failure("\(file) is not UTF-8", status: EX_DATAERR)
        }
        return text
    }
}
