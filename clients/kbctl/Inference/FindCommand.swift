import ArgumentParser
import Glibc
import Interface
import Varlink

struct Find: ParsableCommand {
    static let configuration = CommandConfiguration(
        abstract: "Find words in the corpora, each place with the text around it.",
        discussion: """
            The words are found one after the other, also across line ends. In a word, * stands for any characters, such as \
            reas*. Quote it, and the words of a regular expression, for the shell. The corpora are those that the serving generation of the \
            model was trained on; they are indexed at the first question.
            """)

    @Argument(help: "The words.") var words: [String]

    @Flag(help: "Each word is a regular expression, such as pure|practical, for a whole word.") var regex = false
    @Flag(name: .customLong("case"), help: "Upper and lower case differ.") var isCaseSensitive = false
    @Flag(help: "Letters with and without accents are the same.") var ignoreDiacritics = false
    @Option(name: [.short, .long], help: ArgumentHelp("Places to show; 20 if not given.", valueName: "n")) var limit:
        Int?
    @OptionGroup var model: ModelOption
    @OptionGroup var global: GlobalOptions

    private static let usualLimit = 20

    func validate() throws {
        if let limit, limit < 1 { throw ValidationError("--limit must be at least 1") }
    }

    func run() throws {
        let client = try global.connect()
        var left = limit ?? Self.usualLimit
        var parameters = InferenceInterface.Find.Parameters(
            query: words.joined(separator: " "), model: model.model, regex: regex ? true : nil,
            caseSensitive: isCaseSensitive ? true : nil, ignoreDiacritics: ignoreDiacritics ? true : nil)
        var shown = 0
        while true {
            parameters.limit = min(left, 1000)
            let reply = try client.search(InferenceInterface.Find.self, parameters)
            if global.json { try Terminal.json(reply) } else { Concordance(reply.passages).print() }
            left -= reply.passages.count
            shown += reply.passages.count
            guard left > 0, !reply.passages.isEmpty, let next = reply.next, next != parameters.after else {
                return global.json ? () : summarize(reply, shown: shown)
            }
            parameters.after = next
        }
    }

    private func summarize(_ reply: InferenceInterface.Find.Reply, shown: Int) {
        let corpora = reply.searched.corpora == 1 ? "1 corpus" : "\(Format.count(reply.searched.corpora)) corpora"
        let searched = "\(corpora), \(Format.bytes(reply.searched.bytes))"
        if shown > 0 { Terminal.printError("") }
        Terminal.printError(
            reply.total > shown
                ? "\(Format.count(shown)) of \(Format.count(reply.total)) places in \(searched); --limit shows more"
                : "\(Format.count(reply.total)) \(reply.total == 1 ? "place" : "places") in \(searched)")
        if reply.counts.count > 1 {
            for corpus in reply.counts {
                Terminal.printError(
                    "  \(Format.count(corpus.count))  \(Concordance.singleLine(corpus.name)), received "
                        + Format.relative(corpus.received))
            }
        }
        for note in reply.searched.notes { Terminal.printError(note) }
    }
}
