import ArgumentParser
import Interface
import Varlink

struct Embed: ParsableCommand {
    static let configuration = CommandConfiguration(
        abstract: "Compute the embedding of a text, as JSON.",
        discussion: "The mean of the last layer's output over the tokens: the mean pooling of sentence-transformers.")

    @Argument(help: "The text; - reads it from standard input.") var text: TextArgument

    @OptionGroup var model: ModelOption
    @OptionGroup var global: GlobalOptions

    func run() throws {
        let text = try text.value
        try Terminal.json(
            try global.connect().call(InferenceInterface.Embed.self, .init(texts: [text], model: model.model)))
    }
}
