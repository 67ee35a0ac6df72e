import ArgumentParser
import Formatting
import Interface
import Varlink

struct Tokenize: ParsableCommand {
    static let configuration = CommandConfiguration(abstract: "Split text into tokens.")

    @Argument(help: "The text; - reads it from standard input.") var text: TextArgument

    @OptionGroup var model: ModelOption
    @OptionGroup var global: GlobalOptions

    func run() throws {
        let text = try text.value
        let reply = try global.connect().call(
            InferenceInterface.Tokenize.self, .init(text: text, model: model.model))
        if global.json { return try Terminal.json(reply) }
        var table = Table([("ID", .right), ("TOKEN", .left)], elastic: [1])
        for (id, token) in zip(reply.ids, reply.tokens) { table.add(["\(id)", token]) }
        table.print()
        guard model.model == nil, let name = reply.model, let generation = reply.generation else { return }
        Terminal.printError("\(MessageFormat.count(reply.ids.count, "token")) of \(name), generation \(generation)")
    }
}

struct Detokenize: ParsableCommand {
    static let configuration = CommandConfiguration(abstract: "Convert token ids back to text.")

    @Argument(help: "The token ids.") var ids: [Int]

    @OptionGroup var model: ModelOption
    @OptionGroup var global: GlobalOptions

    func run() throws {
        let reply = try global.connect().call(
            InferenceInterface.Detokenize.self, .init(ids: ids, model: model.model))
        if global.json { return try Terminal.json(reply) }
        var text = FlowingText()
        text.write(reply.text)
        Terminal.write("\n")
    }
}
