import ArgumentParser
import FoundationEssentials
import Interface
import Varlink

struct Models: ParsableCommand {
    static let configuration = CommandConfiguration(abstract: "List the models.")

    @OptionGroup var global: GlobalOptions

    func run() throws {
        let client = try global.connect()
        let reply = try client.call(ManagerInterface.ListModels.self, .init())
        if global.json { return try Terminal.json(reply) }
        ModelList(reply.models, try client.generations(of: reply.models)).print()
    }
}

struct Corpora: ParsableCommand {
    static let configuration = CommandConfiguration(
        abstract: "List or remove corpora, the files that were received, or preview a file.",
        subcommands: [ListCorpora.self, RemoveCorpora.self, PreviewCorpus.self], defaultSubcommand: ListCorpora.self)
}

struct ListCorpora: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "list", abstract: "List the files that were received, with their state.")

    @Option(
        help: ArgumentHelp("Only admitted, duplicate, rejected, removed or set_aside.", valueName: "state"),
        completion: .list(["admitted", "duplicate", "rejected", "removed", "set_aside"]))
    var state: String?

    @OptionGroup var global: GlobalOptions

    func run() throws {
        let client = try global.connect()
        var table = Table(
            [
                ("RECEIVED", .left), ("STATE", .left), ("SIZE", .right), ("DOCUMENTS", .right), ("FORMAT", .left),
                ("MODELS", .left), ("SHA-256", .left), ("NAME", .left), ("REASON", .left),
            ], elastic: [4, 5, 7, 8], spare: [3, 5, 0, 4, 6, 2])
        var isFirst = true
        try client.pages(ManagerInterface.ListCorpora.self, .init(state: state)) { reply in
            defer { isFirst = false }
            if global.json {
                try Terminal.json(reply)
                return true
            }
            guard !reply.corpora.isEmpty else {
                if isFirst { Terminal.paragraph("no corpora") }
                return true
            }
            for corpus in reply.corpora {
                table.add(
                    [
                        Format.relative(corpus.received), corpus.state.rawValue, Format.bytes(corpus.bytes),
                        Format.count(corpus.documents),
                        [corpus.format, corpus.encoding].compactMap { $0 }.joined(separator: ", "),
                        corpus.models.joined(separator: " "), String(corpus.sha256.prefix(12)), corpus.name,
                        corpus.reason ?? "",
                    ], warnings: corpus.warnings ?? [])
            }
            table.printPage()
            return true
        }
    }
}
