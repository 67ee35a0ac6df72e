import ArgumentParser
import Glibc

struct PreviewCorpus: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "preview", abstract: "Show what would be learned from a file, before it is dropped.",
        discussion: """
            Runs ‘kantaibert-train preview’, which must be installed next to kbctl. It reads the file as the inbox \
            would, with the nearest .kbconfig.yaml, and needs no service.
            """)

    @Argument(help: "The file.", completion: .file())
    var file: String

    @Option(help: ArgumentHelp("Filters, separated by commas.", valueName: "names"))
    var filters: String?

    @Option(help: ArgumentHelp("The characters for the filter keep.", valueName: "characters"))
    var keep: String?

    @Option(help: ArgumentHelp("The number for the filter min_words.", valueName: "count"))
    var minWords: Int?

    @Option(help: ArgumentHelp("The number for the filter max_words.", valueName: "count"))
    var maxWords: Int?

    @Option(help: ArgumentHelp("auto, lines, paragraphs, records or packed.", valueName: "unit"))
    var samples: String?

    @Option(help: ArgumentHelp("Number of units to show.", valueName: "count"))
    var units: Int?

    @OptionGroup var global: GlobalOptions

    func run() throws {
        let program = try programBesideThis("kantaibert-train")
        var words: [String] = [program, "preview"]
        let options: [(String, String?)] = [
            ("filters", filters), ("keep", keep), ("min-words", minWords.map(String.init)),
            ("max-words", maxWords.map(String.init)), ("samples", samples), ("units", units.map(String.init)),
        ]
        for case (let name, let value?) in options { words.append("--\(name)=\(value)") }
        if global.json { words.append("--json") }
        words += ["--", file]
        var arguments = words.map { strdup($0) } + [nil]
        defer { for argument in arguments { free(argument) } }
        execv(program, &arguments)
        throw Failure(
            "previews need kantaibert-train, which cannot be run as \(program): \(String(cString: strerror(errno))); "
                + "install it next to kbctl", status: EX_UNAVAILABLE)
    }

    private func programBesideThis(_ name: String) throws -> String {
        var buffer = [UInt8](repeating: 0, count: Int(PATH_MAX))
        let length = readlink("/proc/self/exe", &buffer, buffer.count)
        guard length > 0 else { throw Failure("cannot read /proc/self/exe", status: EX_OSERR) }
        let own = String(decoding: buffer[..<length], as: UTF8.self)
        return own[..<(own.lastIndex(of: "/") ?? own.startIndex)] + "/\(name)"
    }
}
