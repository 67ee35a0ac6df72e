import ArgumentParser
import Interface
import Varlink

struct Ask: ParsableCommand {
    static let configuration = CommandConfiguration(
        abstract: "Let a model go on with a text; prints as it is made.")

    @Argument(help: "How the text begins; - reads it from standard input.") var text: TextArgument

    @OptionGroup var sampling: SamplingOptions
    @OptionGroup var model: ModelOption
    @OptionGroup var global: GlobalOptions

    func run() throws {
        // Before there is a connection, which may not wait for ever.
        let prompt = try text.value
        let client = try global.connect()
        let parameters = InferenceInterface.Generate.Parameters(
            prompt: prompt, model: model.model, sampling: sampling.value)
        if global.json {
            return try Terminal.json(try client.call(InferenceInterface.Generate.self, parameters))
        }
        let replies = try client.callMore(InferenceInterface.Generate.self, parameters)
        var text = FlowingText()
        while let reply = try replies.next() { text.write(reply.text) }
        Terminal.write("\n")
    }
}

/// How the next token is chosen; what is not given is the service's to decide.
struct SamplingOptions: ParsableArguments {
    @Option(help: ArgumentHelp("Tokens to make at most.", valueName: "n")) var maxNewTokens: Int?
    @Option(help: ArgumentHelp("0 always takes the likeliest token.", valueName: "t")) var temperature: Double?
    @Option(help: ArgumentHelp("Choose among the k likeliest tokens.", valueName: "k")) var topK: Int?
    @Option(help: ArgumentHelp("Choose among the likeliest tokens that make up p.", valueName: "p")) var topP: Double?
    @Option(help: ArgumentHelp("Leave out tokens less likely than p times the likeliest.", valueName: "p"))
    var minP: Double?
    @Option(help: ArgumentHelp("Above 1 makes tokens that were used less likely.", valueName: "r"))
    var repetitionPenalty: Double?
    @Option(help: ArgumentHelp("End before this text; may be given again.", valueName: "text")) var stop: [String] = []
    @Option(help: ArgumentHelp("The same seed gives the same text.", valueName: "n")) var seed: Int?

    var value: InferenceInterface.Sampling? {
        let sampling = InferenceInterface.Sampling(
            maxNewTokens: maxNewTokens, temperature: temperature, topK: topK, topP: topP, minP: minP,
            repetitionPenalty: repetitionPenalty, stop: stop.isEmpty ? nil : stop, seed: seed)
        return sampling == .init() ? nil : sampling
    }
}
