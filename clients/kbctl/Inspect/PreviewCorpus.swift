import ArgumentParser
import Durable
import Glibc
import PreviewOptions

struct PreviewCorpus: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "preview", abstract: "Show what would be learned from a file, before it is dropped.",
        discussion: """
            Runs ‘kantaibert-train preview’, which must be installed next to kbctl. It reads the file as the inbox \
            would, with the nearest .kbconfig.yaml, and needs no service.
            """)

    @Argument(help: "The file.", completion: .file())
    var file: String

    @OptionGroup var options: PreviewOptions
    @OptionGroup var global: GlobalOptions

    func run() throws {
        let program: String
        do {
            program = try OwnProgram.sibling("kantaibert-train")
        } catch {
            throw Failure("\(error)", status: EX_OSERR)
        }
        var words = [program, "preview"] + options.arguments
        if global.json { words.append("--json") }
        words += ["--", OwnProgram.path(ofArgument: file)]
        var arguments = words.map { $0.withRawPath { strdup($0) } } + [nil]
        defer { for argument in arguments { free(argument) } }
        execv(program, &arguments)
        throw Failure(
            "previews need kantaibert-train, which cannot be run as \(program): \(String(cString: strerror(errno))); "
                + "install it next to kbctl", status: EX_UNAVAILABLE)
    }
}
