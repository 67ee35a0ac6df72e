import ArgumentParser
import Formatting
import Glibc

@main
struct Kbctl: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "kbctl",
        abstract: "Client of kantaibertd: queries its models and manages their training.",
        discussion: """
            The socket of the service is --socket, or else the first of $KANTAIBERT_SOCKET, \
            /run/kantaibert/io.kantaibert and ./var/io.kantaibert. The last is used only if you own ./var and nobody \
            else can write to it.

            Exit status, as in sysexits.h: 64 wrong usage, 65 unusable text or request, 66 no such model or run, 69 \
            the service is not available, 70 an error in the service, 71 a system error, 73 a file cannot be created, \
            74 an input or output error, 75 a temporary failure, try again later, 76 the service has another version, \
            77 permission denied, 78 not possible with the service's settings.
            """,
        version: Release.version,
        subcommands: [],
        groupedSubcommands: [
            CommandGroup(
                name: "Inference",
                subcommands: [
                    Ask.self, Chat.self, Fill.self, Trace.self, Find.self, Similar.self, Score.self, Review.self,
                    Embed.self, Tokenize.self,
                    Detokenize.self,
                ]),
            CommandGroup(
                name: "Inspect",
                subcommands: [
                    Status.self, Watch.self, Models.self, Generations.self, Inspect.self, Corpora.self, Runs.self,
                    RunDetails.self, Metrics.self, Plot.self, SettingsList.self, Logs.self, Doctor.self, Bench.self,
                ]),
            CommandGroup(
                name: "Manage",
                subcommands: [
                    Put.self, Train.self, Pause.self, Resume.self, Cancel.self, Promote.self, RemoveGeneration.self,
                    Import.self, Export.self,
                ]),
            CommandGroup(name: "Shell", subcommands: [Completion.self]),
        ])

    /// The options of every command. They may precede the name of the command as well as follow it.
    @OptionGroup var global: GlobalOptions

    static func main() {
        // A reader that exits, as in `kbctl watch | head`, is not an error.
        signal(SIGPIPE, SIG_DFL)
        do {
            var command = try parseAsRoot()
            try command.run()
        } catch {
            guard let failure = Failure(error) else { leave(error) }
            Terminal.printError("kbctl: \(failure.message)")
            Glibc.exit(failure.status)
        }
    }

    /// Prints ArgumentParser's message (help, or a usage error) and exits.
    private static func leave(_ error: any Error) -> Never {
        let status = exitCode(for: error)
        // Completion scripts and machine-readable descriptions must not be wrapped.
        let isForPrograms = CommandLine.arguments.contains {
            $0.hasPrefix("--experimental") || $0.hasPrefix("--generate") || $0.hasPrefix("---")
        }
        if isForPrograms { exit(withError: error) }
        if status == .success {
            Terminal.help(fullMessage(for: error, columns: Terminal.columns))
        } else {
            let message = unknownCommand.map { "Error: \($0)\n" } ?? fullMessage(for: error)
            if !message.isEmpty { Terminal.printError(usage: message) }
        }
        Glibc.exit(status.rawValue)
    }
}

extension Kbctl {
    /// What is wrong with the first word, if it should be the name of a command but is not.
    private static var unknownCommand: String? {
        let groups = configuration.groupedSubcommands.flatMap(\.subcommands)
        let known = groups.map { $0._commandName } + ["help"]
        var words = CommandLine.arguments.dropFirst()
        while let word = words.popFirst() {
            guard word.hasPrefix("-") else {
                guard !known.contains(word) else { return nil }
                let meant = Spelling.nearest(to: word, in: known).map { "did you mean ‘kbctl \($0)’?" }
                return "There is no command ‘\(word)’; \(meant ?? "‘kbctl --help’ lists them")"
            }
            if word == "--socket" { words = words.dropFirst() }
        }
        return nil
    }
}

/// Options of every command.
struct GlobalOptions: ParsableArguments {
    @Flag(name: .long, help: "Print the service's reply as JSON.")
    var json = false

    @Option(name: .long, help: ArgumentHelp("The socket of the service.", valueName: "path"), completion: .file())
    var socket: String?

    /// `Style` reads this flag from the command line itself, before a command is parsed.
    @Flag(name: .long, help: "Print without colors. Setting NO_COLOR does the same.")
    var noColor = false
}

/// The option of every command that queries one model.
struct ModelOption: ParsableArguments {
    @Option(
        name: .shortAndLong, help: ArgumentHelp("The model; by default the first suitable one.", valueName: "name"),
        completion: .models)
    var model: String?
}
