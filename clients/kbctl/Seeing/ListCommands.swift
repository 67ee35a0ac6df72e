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
        Table(models: reply.models, ages: try client.ages(of: reply.models)).print()
    }
}

struct Corpora: ParsableCommand {
    static let configuration = CommandConfiguration(
        abstract: "List the texts that came in, and what became of them; take one out.",
        subcommands: [ListCorpora.self, RemoveCorpora.self], defaultSubcommand: ListCorpora.self)
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
            ], elastic: 7, spare: [3, 4, 0])
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

struct Generations: ParsableCommand {
    static let configuration = CommandConfiguration(abstract: "List a model's generations, the newest first.")

    @Argument(help: ArgumentHelp("The model.", valueName: "model")) var name: String

    @OptionGroup var global: GlobalOptions

    func run() throws {
        let reply = try global.connect().call(ManagerInterface.ListGenerations.self, .init(model: name))
        if global.json { return try Terminal.json(reply) }
        var table = Table(
            [
                ("GENERATION", .right), ("STATE", .left), ("HELD OUT", .right), ("BITS/BYTE", .right),
                ("CREATED", .left), ("RUN", .left), ("SHA-256", .left),
            ], elastic: 6, spare: [6])
        for generation in reply.generations {
            table.add([
                "\(generation.number)", generation.state.rawValue, Human.number(generation.evaluationLoss, 4),
                Human.number(generation.bitsPerByte, 3), Human.relative(generation.created), generation.run,
                generation.modelSha256,
            ])
        }
        table.print()
    }
}

extension Table {
    /// - Parameter ages: when what serves was made, by model
    init(models: [ManagerInterface.Model], ages: [String: String] = [:]) {
        self.init(
            [
                ("MODEL", .left), ("KIND", .left), ("STATE", .left), ("GENERATION", .right), ("AGE", .left),
                ("BITS/BYTE", .right), ("HELD OUT", .right), ("PARAMETERS", .right), ("NEXT TRAINING", .left),
            ], spare: [7, 6, 8, 1])
        for model in models {
            add([
                model.name, model.objective.rawValue, model.state.rawValue, Human.count(model.generation),
                ages[model.name].flatMap(Human.date).map { Human.duration(-$0.timeIntervalSinceNow) } ?? "–",
                Human.number(model.bitsPerByte, 3), Human.number(model.evaluationLoss, 4),
                Human.count(model.parameters), Human.relative(model.nextTraining),
            ])
        }
    }
}

extension VarlinkClient {
    /// When what serves was made, by model.
    func ages(of models: [ManagerInterface.Model]) throws -> [String: String] {
        var ages: [String: String] = [:]
        for model in models where model.generation != nil {
            let all = try call(ManagerInterface.ListGenerations.self, .init(model: model.name)).generations
            ages[model.name] = all.first { $0.number == model.generation }?.created
        }
        return ages
    }
}
