import ArgumentParser
import Glibc
import Interface
import Varlink

struct Review: ParsableCommand {
    static let configuration = CommandConfiguration(
        abstract: "List the lines of a corpus that a model finds most unexpected.",
        discussion: """
            They are often errors of character recognition or of the encoding. The model need not have been trained on the \
            corpus. Of a large corpus, a sample that is spread over it is read.
            """)

    @Argument(
        help: ArgumentHelp("SHA-256 digest, unique prefix, or name; see ‘kbctl corpora’.", valueName: "corpus"),
        completion: .corpora)
    var corpus: String

    @Option(name: [.short, .long], help: ArgumentHelp("Number of lines, at most 1000.", valueName: "n")) var limit = 20
    @OptionGroup var model: ModelOption
    @OptionGroup var global: GlobalOptions

    /// Number of characters that are shown before the unexpected ones.
    private static let lead = 16

    func run() throws {
        let client = try global.connect()
        let sha256 = try client.corpus(corpus)
        let replies = try client.callMore(
            InferenceInterface.Review.self, .init(corpus: sha256, model: model.model, limit: limit))
        var progress = StatusLine()
        defer { progress.clear() }
        while let reply = try replies.next() {
            guard let lines = reply.lines else {
                progress.show(
                    "\(Format.count(reply.scoredLines)) of \(Format.count(reply.sampledLines)) lines")
                continue
            }
            progress.clear()
            if global.json { return try Terminal.json(reply) }
            Self.show(lines, of: reply)
        }
    }

    private static func show(_ lines: [InferenceInterface.UnexpectedLine], of reply: InferenceInterface.Review.Reply) {
        var table = Table(
            [("LINE", .right), ("BITS", .right), ("BITS/BYTE", .right), ("UNEXPECTED", .left), ("TEXT", .left)],
            elastic: [3, 4], spare: [2])
        for line in lines {
            let excerpt = Self.excerpt(line)
            let (place, text) = (Concordance.singleLine(excerpt.place), Concordance.singleLine(excerpt.text))
            table.add([
                "\(line.line)", Format.number(line.bits, 1), Format.number(line.bitsPerByte, 2), place, text,
            ])
        }
        table.print(empty: "the corpus has no text")
        guard let receipt = reply.receipt else { return }
        let read =
            reply.isSample
            ? "a sample of \(Format.count(reply.sampledLines)) lines, spread over the corpus, was read; the others were not"
            : "all \(Format.count(reply.sampledLines)) lines were read"
        let mean = reply.bitsPerByte.map { "; on average \(Format.number($0, 2)) bits per byte" } ?? ""
        Terminal.line("")
        Terminal.paragraph("\(receipt.model) \(receipt.generation): \(read)\(mean)")
    }

    /// Returns the most unexpected part of a line, and the line from shortly before it.
    private static func excerpt(_ line: InferenceInterface.UnexpectedLine) -> (place: String, text: String) {
        let scalars = Array(line.text.unicodeScalars)
        guard let start = line.place, let length = line.length, start >= 0, length >= 0, start <= scalars.count,
            length <= scalars.count - start
        else { return ("", line.text) }
        func text(_ scalars: ArraySlice<Unicode.Scalar>) -> String {
            String(String.UnicodeScalarView(scalars))
        }
        let shown = start > lead ? "…" + text(scalars[(start - lead)...]) : line.text
        return (text(scalars[start..<start + length]), shown)
    }
}
