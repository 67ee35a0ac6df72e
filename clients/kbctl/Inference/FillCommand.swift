import ArgumentParser
import Interface
import Varlink

struct Fill: ParsableCommand {
    static let configuration = CommandConfiguration(abstract: "Predict the token for each <mask> in a text.")

    @Argument(help: "A text that contains <mask>; - reads it from standard input.") var text: TextArgument

    @Option(
        name: [.short, .long], parsing: .unconditional, help: ArgumentHelp("Predictions per mask.", valueName: "k"))
    var topK: Int?
    @Option(help: ArgumentHelp("Consider only this word; can be repeated.", valueName: "word"))
    var target: [String] = []
    @Flag(help: "Also show how often the corpora have each prediction in the place of the mask, and where.")
    var contexts = false

    @OptionGroup var model: ModelOption
    @OptionGroup var global: GlobalOptions

    func run() throws {
        let text = try text.value
        let client = try global.connect()
        let reply = try client.naming(model.model, needed: .mlm) {
            try $0.call(
                InferenceInterface.FillMask.self,
                .init(
                    text: text, model: model.model, topK: topK ?? (target.isEmpty ? nil : target.count),
                    targets: target.isEmpty ? nil : target))
        }
        let found = contexts ? try self.contexts(of: reply, in: text, client) : []
        if global.json {
            try Terminal.json(reply)
            return try found.forEach(Terminal.json)
        }
        for (index, mask) in reply.masks.enumerated() {
            if index > 0 { Terminal.line("") }
            var table = Table([("SCORE", .right), ("TOKEN", .left), ("TEXT", .left)], elastic: [1, 2])
            for filling in mask.fillings {
                table.add([Format.number(filling.score, 4), filling.tokenStr, Self.text(filling.sequence)])
            }
            table.print()
            if contexts { Self.show(found[index]) }
        }
        for note in found.first?.searched.notes ?? [] { Terminal.printError(note) }
        if topK == nil { noteTargets(without: reply) }
        if let tokens = reply.windowTokens {
            Terminal.printError(
                "the text is longer than those that \(reply.receipt.model) was trained on: each mask was predicted from "
                    + "\(tokens - 2) tokens around it")
        }
    }

    /// Returns the occurrences of the predictions for each mask.
    private func contexts(
        of reply: InferenceInterface.FillMask.Reply, in text: String, _ client: VarlinkClient
    ) throws -> [InferenceInterface.FillContexts.Reply] {
        try reply.masks.enumerated().map { index, mask in
            try client.search(
                InferenceInterface.FillContexts.self,
                .init(
                    text: text, candidates: mask.fillings.prefix(Self.mostContexts).map(\.tokenStr), mask: index,
                    model: reply.receipt.model))
        }
    }

    /// The service takes no more candidates.
    private static let mostContexts = 100

    private static func show(_ reply: InferenceInterface.FillContexts.Reply) {
        for context in reply.candidates {
            Terminal.line("")
            let words = [reply.before, context.candidate, reply.after].map(Concordance.singleLine).joined(separator: "")
            let wider =
                context.widestCount > 0 && context.widestCount != context.count
                ? "; \(Format.count(context.widestCount))× with \(context.widestLeft) words before and "
                    + "\(context.widestRight) after it" : ""
            Terminal.paragraph(
                "“\(words)” \(Format.count(context.count))×\(wider)", lead: Style.green("▌") + " ", indent: 2)
            Concordance(context.passages).print(indent: 2)
        }
    }

    /// Says which targets are not tokens, given a reply that lists all targets.
    private func noteTargets(without reply: InferenceInterface.FillMask.Reply) {
        let tokens = Set(reply.masks.flatMap(\.fillings).map(\.tokenStr))
        for word in target where !tokens.contains(word) && !tokens.contains(" \(word.dropFirst())") {
            Terminal.printError(
                "‘\(word)’ is not a token of \(reply.receipt.model): its score is that of its first token. Most words "
                    + "are tokens with the space before them: --target ' \(word)'")
        }
    }

    /// The text without `<s>` and `</s>`, which it contains if it has further masks.
    private static func text(_ sequence: String) -> String {
        guard sequence.hasPrefix("<s>"), sequence.hasSuffix("</s>") else { return sequence }
        return String(sequence.dropFirst(3).dropLast(4))
    }
}
