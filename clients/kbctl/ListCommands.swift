import ArgumentParser
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
    static let configuration = CommandConfiguration(abstract: "List the texts that came in, and what became of them.")

    @Option(help: ArgumentHelp("admitted, duplicate or rejected.", valueName: "state")) var state: String?

    @OptionGroup var global: GlobalOptions

    func run() throws {
        let reply = try global.connect().call(ManagerInterface.ListCorpora.self, .init(state: state))
        if global.json { return try Terminal.json(reply) }
        var table = Table(
            [
                ("RECEIVED", .left), ("STATE", .left), ("SIZE", .right), ("DOCUMENTS", .right), ("MODELS", .left),
                ("NAME", .left), ("REASON", .left),
            ], elastic: 6)
        for corpus in reply.corpora {
            table.add([
                Human.relative(corpus.received), corpus.state.rawValue, Human.bytes(corpus.bytes),
                Human.count(corpus.documents), corpus.models.joined(separator: " "), corpus.name, corpus.reason ?? "",
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
