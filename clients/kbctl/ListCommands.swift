import ArgumentParser
import Glibc
import Interface
import Varlink

struct Models: ParsableCommand {
    static let configuration = CommandConfiguration(abstract: "List the models.")

    @OptionGroup var global: GlobalOptions

    func run() throws {
        let reply = try global.connect().call(ManagerInterface.ListModels.self, .init())
        if global.json { return try Terminal.json(reply) }
        Table(models: reply.models).print()
    }
}

struct Corpora: ParsableCommand {
    static let configuration = CommandConfiguration(
        abstract: "List the texts that came in, and what became of them; take one out.",
        subcommands: [ListCorpora.self, RemoveCorpora.self], defaultSubcommand: ListCorpora.self)
}

struct RemoveCorpora: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "rm", abstract: "Take texts out of the next training.",
        discussion: "A run that has begun, and a model that has learned from them, keep what they have.")

    @Argument(help: ArgumentHelp("Their SHA-256, or its beginning; ‘kbctl corpora’ shows it.", valueName: "sha256"))
    var corpora: [String]

    @OptionGroup var global: GlobalOptions

    func run() throws {
        let client = try global.connect()
        let there = try client.call(ManagerInterface.ListCorpora.self, .init(state: "admitted")).corpora.map(\.sha256)
        // All are looked up before one is removed.
        let found = try corpora.map { beginning in
            let matches = there.filter { $0.hasPrefix(beginning.lowercased()) }
            guard matches.count < 2 else {
                throw Failure(
                    "‘\(beginning)’ is the beginning of \(matches.count) corpora: give more of it", status: EX_USAGE)
            }
            guard let match = matches.first, !beginning.isEmpty else {
                throw Failure(noCorpus: beginning)
            }
            return match
        }
        for sha256 in found { _ = try client.call(ManagerInterface.RemoveCorpus.self, .init(sha256: sha256)) }
        if global.json { try Terminal.json(found) }
    }
}

struct ListCorpora: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "list", abstract: "List the texts that came in, and what became of them.")

    @Option(help: ArgumentHelp("admitted, duplicate, rejected or removed.", valueName: "state")) var state: String?

    @OptionGroup var global: GlobalOptions

    func run() throws {
        let reply = try global.connect().call(ManagerInterface.ListCorpora.self, .init(state: state))
        if global.json { return try Terminal.json(reply) }
        var table = Table(
            [
                ("RECEIVED", .left), ("STATE", .left), ("SIZE", .right), ("DOCUMENTS", .right), ("MODELS", .left),
                ("SHA-256", .left), ("NAME", .left), ("REASON", .left),
            ], elastic: 7)
        for corpus in reply.corpora {
            table.add([
                Human.relative(corpus.received), corpus.state.rawValue, Human.bytes(corpus.bytes),
                Human.count(corpus.documents), corpus.models.joined(separator: " "),
                String(corpus.sha256.prefix(12)), corpus.name, corpus.reason ?? "",
            ])
        }
        table.print()
    }
}

struct Runs: ParsableCommand {
    static let configuration = CommandConfiguration(abstract: "List the training runs, the newest first.")

    @Option(help: ArgumentHelp("At most so many.", valueName: "n")) var limit: Int?

    @OptionGroup var model: ModelOption
    @OptionGroup var global: GlobalOptions

    func run() throws {
        let reply = try global.connect().call(
            ManagerInterface.ListRuns.self, .init(model: model.model, limit: limit))
        if global.json { return try Terminal.json(reply) }
        var table = Table(
            [
                ("RUN", .left), ("MODEL", .left), ("STATE", .left), ("STARTED", .left), ("STEP", .right),
                ("LOSS", .right), ("HELD OUT", .right), ("GENERATION", .right), ("REASON", .left),
            ], elastic: 8)
        for run in reply.runs {
            table.add([
                run.id, run.model, run.state.rawValue, Human.relative(run.started), "\(run.step)/\(run.totalSteps)",
                Human.number(run.loss, 4), Human.number(run.evaluationLoss, 4), Human.count(run.generation),
                run.reason ?? "",
            ])
        }
        table.print()
    }
}

extension Table {
    init(models: [ManagerInterface.Model]) {
        self.init(
            [
                ("MODEL", .left), ("OBJECTIVE", .left), ("STATE", .left), ("GENERATION", .right),
                ("PARAMETERS", .right), ("HELD-OUT LOSS", .right), ("BITS/BYTE", .right), ("NEXT TRAINING", .left),
            ])
        for model in models {
            add([
                model.name, model.objective.rawValue, model.state.rawValue, Human.count(model.generation),
                Human.count(model.parameters), Human.number(model.evaluationLoss, 4),
                Human.number(model.bitsPerByte, 3), Human.relative(model.nextTraining),
            ])
        }
    }
}
