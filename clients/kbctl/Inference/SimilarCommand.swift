import ArgumentParser
import Glibc
import Interface
import Varlink

struct Similar: ParsableCommand {
    static let configuration = CommandConfiguration(
        abstract: "List the passages of the corpora that are nearest to a text.",
        discussion: """
            By the model's own embedding, and by the words that they have in common. The corpora are those that the serving \
            generation of the model was trained on; their embeddings are computed at the first question.
            """)

    @Argument(help: "The text; - reads it from standard input.") var text: TextArgument

    @Option(name: [.short, .long], help: ArgumentHelp("Passages of each kind; 10 if not given.", valueName: "n"))
    var limit: Int?
    @OptionGroup var model: ModelOption
    @OptionGroup var global: GlobalOptions

    func run() throws {
        let text = try text.value
        let reply = try global.connect().search(
            InferenceInterface.Similar.self, .init(text: text, model: model.model, limit: limit),
            while: "computing the embeddings of the corpora")
        if global.json { return try Terminal.json(reply) }
        Self.show(reply.byEmbedding, "Nearest in the embedding of \(reply.receipt.model)", digits: 3)
        Terminal.line("")
        Self.show(reply.byWords, "Nearest by words", digits: 1)
        var notes = reply.searched.notes
        if reply.isSample {
            notes.append(
                "\(Format.count(reply.passages)) passages were compared, a sample that is spread over the corpora; "
                    + "the others were not")
        }
        if reply.isCut {
            notes.append(
                "the text is longer than those that \(reply.receipt.model) was trained on: only its beginning was compared "
                    + "by embedding")
        }
        for note in notes { Terminal.printError(note) }
    }

    private static func show(_ passages: [InferenceInterface.SimilarPassage], _ title: String, digits: Int) {
        Terminal.line(Style.bold(title.cut(to: Terminal.columns ?? .max)))
        if passages.isEmpty { Terminal.paragraph("none has a word in common with the text", lead: "  ", indent: 2) }
        for passage in passages {
            let place = "\(Concordance.singleLine(passage.name)):\(passage.line)"
            let heading = "\(Format.number(passage.score, digits))  \(place)"
            Terminal.line("  " + Style.dim(heading.cut(to: (Terminal.columns ?? .max) - 2)))
            Terminal.paragraph(Concordance.singleLine(passage.text), lead: "    ", indent: 4)
        }
    }
}
