import ArgumentParser
import Glibc

@main
struct Kbctl: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "kbctl",
        abstract: "Talks to kantaibertd: asks its models, and watches how they are trained.",
        discussion: """
            The service is looked for at --socket, else at $KANTAIBERT_SOCKET, /run/kantaibert/io.kantaibert and \
            ./var/io.kantaibert, the last where ./var is your own and nobody else may write in it.

            The exit status is one of sysexits.h: 64 wrong usage, 65 the text or the request cannot be used, 66 no such \
            model or run, 69 no service, 70 an error inside the service, 71 an error of the system, 73 a file cannot be \
            made, 74 nobody reads what is printed, 75 try again later, 76 the service is another version, 77 not \
            permitted, 78 the settings do not allow it.
            """,
        subcommands: [],
        groupedSubcommands: [
            CommandGroup(
                name: "Ask the models",
                subcommands: [Ask.self, Chat.self, Fill.self, Score.self, Tokenize.self, Detokenize.self]),
            CommandGroup(
                name: "See what goes on",
                subcommands: [
                    Status.self, Watch.self, Models.self, Generations.self, Inspect.self, Corpora.self, Runs.self,
                    RunDetails.self, Metrics.self, Plot.self, Doctor.self,
                ]),
            CommandGroup(
                name: "Train and publish",
                subcommands: [Train.self, Cancel.self, Promote.self, Import.self, Export.self]),
            CommandGroup(name: "For the shell", subcommands: [Completion.self]),
        ])

    /// Those of every command, which may stand before its name as well as behind.
    @OptionGroup var global: GlobalOptions

    static func main() {
        // A reader that goes away, as in `kbctl watch | head`, is no error of ours.
        signal(SIGPIPE, SIG_DFL)
        do {
            var command = try parseAsRoot()
            try command.run()
        } catch {
            guard let failure = Failure(error) else { leave(error) }
            Terminal.complain("kbctl: \(failure.message)")
            Glibc.exit(failure.status)
        }
    }

    /// Ends with what ArgumentParser has to say: help, or what was wrong with the words given.
    private static func leave(_ error: any Error) -> Never {
        let status = exitCode(for: error)
        // Scripts for shells and descriptions for programs are as wide as they are.
        let isForPrograms = CommandLine.arguments.contains {
            $0.hasPrefix("--experimental") || $0.hasPrefix("--generate")
        }
        if isForPrograms { exit(withError: error) }
        if status == .success {
            Terminal.help(fullMessage(for: error, columns: Terminal.columns))
        } else {
            let message = fullMessage(for: error)
            if !message.isEmpty { Terminal.complain(usage: message) }
        }
        Glibc.exit(status.rawValue)
    }
}

/// What every command takes.
struct GlobalOptions: ParsableArguments {
    @Flag(name: .long, help: "Print JSON, with the fields of the service's interface.")
    var json = false

    @Option(name: .long, help: ArgumentHelp("The service's socket.", valueName: "path"), completion: .file())
    var socket: String?

    /// Read by `Style`, before a command is parsed.
    @Flag(name: .long, help: "Print without colours, as where NO_COLOR is set.")
    var noColor = false
}

/// What every command about one model takes.
struct ModelOption: ParsableArguments {
    @Option(name: .shortAndLong, help: ArgumentHelp("The model; else the first that can do it.", valueName: "name"))
    var model: String?
}
