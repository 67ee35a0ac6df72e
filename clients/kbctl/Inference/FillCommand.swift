import ArgumentParser
import Interface
import Varlink

struct Fill: ParsableCommand {
    static let configuration = CommandConfiguration(abstract: "Predict the token for each <mask> in a text.")

    @Argument(help: "A text that contains <mask>; - reads it from standard input.") var text: TextArgument

    @Option(name: [.short, .long], help: ArgumentHelp("Predictions per mask.", valueName: "k")) var topK: Int?
    @Option(help: ArgumentHelp("Consider only this word; can be repeated.", valueName: "word"))
    var target: [String] = []

    @OptionGroup var model: ModelOption
    @OptionGroup var global: GlobalOptions

    func run() throws {
        let text = try text.value
        let reply = try global.connect().call(
            InferenceInterface.FillMask.self,
            .init(text: text, model: model.model, topK: topK, targets: target.isEmpty ? nil : target))
        if global.json { return try Terminal.json(reply) }
        for (index, mask) in reply.masks.enumerated() {
            if index > 0 { Terminal.line("") }
            var table = Table([("SCORE", .right), ("TOKEN", .left), ("TEXT", .left)], elastic: [1, 2])
            for filling in mask.fillings {
                table.add([Format.number(filling.score, 4), filling.tokenStr, filling.sequence])
            }
            table.print()
        }
        if let tokens = reply.windowTokens {
            Terminal.printError(
                "the text is longer than those that \(reply.receipt.model) was trained on: each mask was predicted from "
                    + "\(tokens - 2) tokens around it")
        }
    }
}
