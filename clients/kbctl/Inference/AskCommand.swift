import ArgumentParser
import Interface
import Varlink

struct Ask: ParsableCommand {
    static let configuration = CommandConfiguration(
        abstract: "Continue a text, printing it as it is generated.")

    @Argument(help: "The text to continue; - reads it from standard input.") var text: TextArgument

    @Flag(help: "Then show which parts of the answer occur verbatim in the corpora, and where.") var why = false
    @OptionGroup var sampling: SamplingArguments
    @OptionGroup var model: ModelOption
    @OptionGroup var global: GlobalOptions

    func run() throws {
        // Read before connecting: the service closes a connection that is idle for too long.
        let prompt = try text.value
        let client = try global.connect()
        let parameters = InferenceInterface.Generate.Parameters(
            prompt: prompt, model: model.model, sampling: sampling.value)
        try client.naming(model.model, needed: .clm) { client in
            if global.json {
                let reply = try client.call(InferenceInterface.Generate.self, parameters)
                try Terminal.json(reply)
                if why { try Terminal.json(try trace(reply.text, by: reply.receipt?.model, client)) }
                return
            }
            let replies = try client.callMore(InferenceInterface.Generate.self, parameters)
            var text = FlowingText()
            var (answer, answering) = ("", model.model)
            while let reply = try replies.next() {
                text.write(reply.text)
                answer += reply.text
                answering = reply.receipt?.model ?? answering
            }
            Terminal.write("\n")
            if why {
                Terminal.line("")
                TraceReport(text: answer, reply: try trace(answer, by: answering, client)).print()
            }
        }
    }

    private func trace(
        _ answer: String, by model: String?, _ client: VarlinkClient
    ) throws -> InferenceInterface.Trace.Reply {
        try client.search(InferenceInterface.Trace.self, .init(text: answer, model: model))
    }
}

/// Sampling options. The service's settings apply to options that are not given.
struct SamplingArguments: ParsableArguments {
    @Option(parsing: .unconditional, help: ArgumentHelp("Generate at most this many tokens.", valueName: "n"))
    var maxNewTokens: Int?
    @Option(parsing: .unconditional, help: ArgumentHelp("0 always picks the most likely token.", valueName: "t"))
    var temperature: Double?
    @Option(parsing: .unconditional, help: ArgumentHelp("Sample from the k most likely tokens.", valueName: "k"))
    var topK: Int?
    @Option(
        parsing: .unconditional,
        help: ArgumentHelp("Sample from the most likely tokens whose probabilities sum to p.", valueName: "p"))
    var topP: Double?
    @Option(
        parsing: .unconditional,
        help: ArgumentHelp("Exclude tokens less likely than p times the most likely one.", valueName: "p"))
    var minP: Double?
    @Option(
        parsing: .unconditional,
        help: ArgumentHelp("Above 1 makes tokens that already occurred less likely.", valueName: "r"))
    var repetitionPenalty: Double?
    @Option(help: ArgumentHelp("End before this text; can be repeated.", valueName: "text")) var stop: [String] = []
    @Option(parsing: .unconditional, help: ArgumentHelp("The same seed generates the same text.", valueName: "n"))
    var seed: Int?

    func validate() throws {
        // JSON has no such numbers.
        guard [temperature, topP, minP, repetitionPenalty].allSatisfy({ $0?.isFinite ?? true }) else {
            throw ValidationError("a sampling option is not a finite number")
        }
    }

    var value: InferenceInterface.Sampling? {
        let sampling = InferenceInterface.Sampling(
            maxNewTokens: maxNewTokens, temperature: temperature, topK: topK, topP: topP, minP: minP,
            repetitionPenalty: repetitionPenalty, stop: stop.isEmpty ? nil : stop, seed: seed)
        return sampling == .init() ? nil : sampling
    }
}
