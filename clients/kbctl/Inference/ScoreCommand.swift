import ArgumentParser
import Glibc
import Interface
import Varlink

struct Score: ParsableCommand {
    static let configuration = CommandConfiguration(abstract: "Compute the log-likelihood of a text.")

    @Argument(help: "The text; - reads it from standard input.") var text: TextArgument

    @Flag(
        help: """
            Also show how unexpected each token is: on a terminal by colors, otherwise as a table of bits (−log2 of the \
            probability).
            """) var tokens = false
    @OptionGroup var model: ModelOption
    @OptionGroup var global: GlobalOptions

    func run() throws {
        let text = try text.value
        guard !text.isEmpty else { throw Failure("the text is empty: there is nothing to score", status: EX_DATAERR) }
        let reply = try global.connect().call(
            InferenceInterface.Score.self, .init(text: text, model: model.model, tokens: tokens ? true : nil))
        if global.json { return try Terminal.json(reply) }
        guard reply.tokens > 0 else {
            throw Failure(
                "nothing is left of the text after the filters of \(reply.receipt.model): there is nothing to score",
                status: EX_DATAERR)
        }
        if let scores = reply.tokenScores {
            Style.isOn ? Self.color(scores) : Self.list(scores)
            Terminal.line("")
        }
        Terminal.line("model           \(reply.receipt.model), generation \(reply.receipt.generation)")
        Terminal.line("log-likelihood  \(Format.number(reply.logLikelihood, 3)) nats")
        Terminal.line("tokens          \(Format.count(reply.tokens))")
        Terminal.line("bits per byte   \(Format.number(reply.bitsPerByte, 3))")
    }

    private static func list(_ scores: [InferenceInterface.ScoredToken]) {
        var table = Table([("BITS", .right), ("ID", .right), ("TOKEN", .left)], elastic: [2])
        for score in scores { table.add([Format.number(score.bits, 2), "\(score.id)", score.token]) }
        table.print()
    }

    private static func color(_ scores: [InferenceInterface.ScoredToken]) {
        let end = scores.last.flatMap { $0.token == "</s>" ? $0 : nil }
        for line in SurpriseText(end == nil ? scores[...] : scores.dropLast()).lines(columns: Terminal.columns ?? 80) {
            Terminal.line(line)
        }
        Terminal.line("")
        Terminal.line(SurpriseText.legend)
        if let bits = end?.bits { Terminal.line("end of text     \(Format.number(bits, 2)) bits") }
    }
}
