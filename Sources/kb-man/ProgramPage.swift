import Formatting
import Settings

/// The page of one program: its help, and sections that the help does not have.
struct ProgramPage {
    let name: String
    let section: Int
    let environment: [(String, String)]
    let files: [(String, String)]
    let seeAlso: [String]

    static let all = [
        ProgramPage(
            name: "kantaibertd", section: 8,
            environment: [
                ("KANTAIBERT_…", "Override settings: see kantaibert.yaml(5)."),
                (
                    "STATE_DIRECTORY, RUNTIME_DIRECTORY, NOTIFY_SOCKET, LISTEN_FDS, WATCHDOG_USEC",
                    "Set by systemd."
                ),
            ],
            files: [
                ("/etc/kantaibert/kantaibert.yaml", "Settings."),
                ("/var/lib/kantaibert/inbox/", "Text to train on; inbox/NAME/ is for the model NAME only."),
                ("/var/lib/kantaibert/inbox/.rejected/", "Rejected files, each with a FILE.reason beside it."),
                (
                    "/var/lib/kantaibert/models/NAME/current/",
                    "The serving generation, a Hugging Face model directory."
                ),
                (
                    "/var/lib/kantaibert/metrics.db",
                    "SQLite database of corpora, runs, steps and evaluations, for the service only."
                ),
                ("/run/kantaibert/io.kantaibert", "The Varlink socket."),
            ], seeAlso: ["kbctl(1)", "kantaibert.yaml(5)", "kantaibert-train(8)", "journalctl(1)", "systemctl(1)"]),
        ProgramPage(
            name: "kantaibert-train", section: 8, environment: [],
            files: [("/var/lib/kantaibert/runs/RUN/", "Job, tokenizer, token shards and checkpoints of a run.")],
            seeAlso: ["kantaibertd(8)", "kantaibert.yaml(5)"]),
        ProgramPage(
            name: "kantaibert-read", section: 8, environment: [], files: [],
            seeAlso: ["kantaibertd(8)", "pdftotext(1)"]),
        ProgramPage(
            name: "kbctl", section: 1,
            environment: [
                ("KANTAIBERT_SOCKET", "The service's socket, unless --socket is given."),
                ("KANTAIBERT_PYTHON", "A Python interpreter with transformers, for export --check."),
                ("NO_COLOR", "If set, output has no color."),
            ],
            files: [
                ("/run/kantaibert/io.kantaibert", "The service's socket."),
                ("./var/io.kantaibert", "The socket of kantaibertd --state-dir ./var."),
            ], seeAlso: ["kantaibertd(8)", "kantaibert.yaml(5)", "varlinkctl(1)"]),
        ProgramPage(
            name: "kantaibert-web", section: 8,
            environment: [("STATE_DIRECTORY, NOTIFY_SOCKET, LISTEN_FDS", "Set by systemd.")],
            files: [
                (
                    "/var/lib/kantaibert-web/token",
                    "Token required for requests that make changes; readable by the group kantaibert-admin."
                ),
                ("/etc/default/kantaibert-web", "Environment variables of the page under systemd."),
                ("/run/kantaibert/io.kantaibert", "The service's socket."),
            ], seeAlso: ["kantaibertd(8)", "kbctl(1)", "systemctl(1)"]),
    ]

    func text(_ help: HelpDump.Command) -> String {
        var page = Roff(
            name.uppercased(), section: section, version: "kantaibert \(Release.version)",
            manual: "Kantaibert")
        page.section("NAME")
        page.line("\(Roff.escaped(name)) \\- \(Roff.escaped(Self.sentence(help.abstract)))")
        let commands = Self.leaves(help.subcommands ?? [])
        page.section("SYNOPSIS")
        page.line(synopsis(help, commands))
        page.section("DESCRIPTION")
        let said = [help.abstract, help.discussion].compactMap(\.self).joined(separator: "\n\n").split(
            separator: "\n\n")
        let exit = said.filter { $0.lowercased().contains("exit status") }
        page.paragraphs(said.filter { !exit.contains($0) }.joined(separator: "\n\n"))
        let common = commands.count > 1 ? Self.common(commands) : []
        if !commands.isEmpty {
            page.section("COMMANDS")
            for command in commands {
                page.subsection("\(name) \(command.commandName)")
                page.line(usage("\(name) \(command.commandName)", command.arguments ?? [], leavingOut: common))
                page.paragraphs([command.abstract, command.discussion].compactMap(\.self).joined(separator: "\n\n"))
                add(command.arguments ?? [], to: &page, leavingOut: common)
            }
        }
        page.section("OPTIONS")
        let shared = commands.first?.arguments?.filter { common.contains(Self.key($0)) } ?? []
        add(shared + (help.arguments ?? []).filter { !common.contains(Self.key($0)) }, to: &page, leavingOut: [])
        if !exit.isEmpty {
            page.section("EXIT STATUS")
            page.paragraphs(exit.joined(separator: "\n\n"))
        }
        for (title, entries) in [("ENVIRONMENT", environment), ("FILES", files)] where !entries.isEmpty {
            page.section(title)
            for (name, meaning) in entries { page.item(Roff.bold(name), meaning) }
        }
        page.section("SEE ALSO")
        page.line(
            seeAlso.map { page in
                let parts = page.split(separator: "(")
                return Roff.bold(String(parts[0])) + "(" + parts[1]
            }.joined(separator: ", "))
        return page.text
    }

    private func synopsis(_ help: HelpDump.Command, _ commands: [HelpDump.Command]) -> String {
        commands.isEmpty
            ? usage(name, help.arguments ?? [], leavingOut: [])
            : "\(Roff.bold(name)) \(Roff.italic("command")) [\(Roff.italic("options"))]"
    }

    private func usage(_ name: String, _ arguments: [HelpDump.Argument], leavingOut common: Set<String>) -> String {
        let words = arguments.filter { $0.shouldDisplay && !common.contains(Self.key($0)) && !Self.isHelp($0) }.map {
            argument -> String in
            let term = Self.term(argument, names: argument.names?.suffix(1) ?? [])
            let repeated = argument.isRepeating ? " ..." : ""
            return argument.isOptional || argument.kind == .flag ? "[\(term)]\(repeated)" : "\(term)\(repeated)"
        }
        return ([Roff.bold(name)] + words).joined(separator: " ")
    }

    private func add(_ arguments: [HelpDump.Argument], to page: inout Roff, leavingOut common: Set<String>) {
        for argument in arguments where argument.shouldDisplay && !common.contains(Self.key(argument)) {
            page.item(Self.term(argument, names: argument.names?[...] ?? []), argument.abstract ?? "")
        }
    }

    private static func term(_ argument: HelpDump.Argument, names: ArraySlice<HelpDump.Argument.Name>) -> String {
        let value = Roff.italic(argument.valueName ?? "value")
        switch argument.kind {
        case .positional: return value
        case .flag: return names.map { Roff.bold($0.text) }.joined(separator: ", ")
        case .option: return names.map { Roff.bold($0.text) }.joined(separator: ", ") + " \(value)"
        }
    }

    /// The commands without subcommands, each under its full name: `corpora rm`, but not `corpora`.
    private static func leaves(_ commands: [HelpDump.Command]) -> [HelpDump.Command] {
        commands.filter { $0.shouldDisplay && $0.commandName != "help" }.flatMap { command -> [HelpDump.Command] in
            let inner = leaves(command.subcommands ?? [])
            guard !inner.isEmpty else { return [command] }
            return inner.map { leaf in
                var leaf = leaf
                leaf.commandName = "\(command.commandName) \(leaf.commandName)"
                return leaf
            }
        }
    }

    /// The options that all commands or all but one have; they are documented once.
    private static func common(_ commands: [HelpDump.Command]) -> Set<String> {
        var counts: [String: Int] = [:]
        for command in commands {
            for argument in command.arguments ?? [] where argument.kind != .positional {
                counts[key(argument), default: 0] += 1
            }
        }
        return Set(counts.filter { $0.value >= commands.count - 1 }.keys)
    }

    private static func key(_ argument: HelpDump.Argument) -> String {
        (argument.names?.map(\.text).joined() ?? argument.valueName ?? "") + (argument.abstract ?? "")
    }

    private static func isHelp(_ argument: HelpDump.Argument) -> Bool {
        argument.names?.contains { ["help", "version"].contains($0.name) } ?? false
    }

    /// The text for the section NAME, without capital letter and full stop.
    private static func sentence(_ text: String?) -> String {
        guard let text, let first = text.first else { return "" }
        let whole = first.lowercased() + text.dropFirst()
        return whole.hasSuffix(".") ? String(whole.dropLast()) : whole
    }
}
