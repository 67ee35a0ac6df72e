import Glibc
import Interface
import Varlink

extension VarlinkClient {
    /// Calls a method that searches the corpora, and repeats the call while they are being indexed. Shows how far that is.
    func search<M: VarlinkMethod>(
        _ method: M.Type, _ parameters: M.Parameters, while doing: String = "indexing the corpora"
    ) throws -> M.Reply {
        var line = StatusLine()
        defer { line.clear() }
        while true {
            do {
                return try call(M.self, parameters)
            } catch let error as InferenceInterface.IndexNotReady {
                line.show("\(doing): \(Format.bytes(error.bytes)) of \(Format.bytes(error.totalBytes))")
                usleep(UInt32(min(max(error.retryAfterMs, 10), 60_000)) * 1000)
            }
        }
    }
}

/// A line that is redrawn on standard error, if that is a terminal.
struct StatusLine {
    private let isShown = isatty(STDERR_FILENO) == 1
    private var isDrawn = false

    mutating func show(_ text: String) {
        guard isShown else { return }
        isDrawn = true
        Terminal.writeError("\r\u{1B}[K\(text.cut(to: (Terminal.columns ?? .max) - 1))")
    }

    mutating func clear() {
        if isDrawn { Terminal.writeError("\r\u{1B}[K") }
        isDrawn = false
    }
}

extension InferenceInterface.SearchedText {
    /// What was not searched and why, in sentences.
    var notes: [String] {
        var notes: [String] = []
        if removed > 0 {
            notes.append(
                "\(removed) of the corpora that the model was trained on \(removed == 1 ? "was" : "were") removed since: not searched"
            )
        }
        if !complete { notes.append("the search took too long and was ended: counts are lower bounds") }
        if omitted > 0 { notes.append("\(omitted) corpora were not searched: only the \(corpora) largest are") }
        return notes
    }
}

/// Prints the parts of a text that occur verbatim in the corpora, the longest and rarest first.
struct TraceReport {
    let text: String
    let reply: InferenceInterface.Trace.Reply

    func print() {
        let scalars = Array(text.unicodeScalars)
        let share = reply.words > 0 ? Double(reply.verbatimWords) / Double(reply.words) : 0
        let bytes = Format.bytes(reply.searched.bytes)
        Terminal.paragraph(
            reply.spans.isEmpty
                ? "nothing of it occurs verbatim in the text that \(reply.receipt.model) was trained on (\(bytes))"
                : "\(Format.percent(share)) of it (\(Format.count(reply.verbatimWords)) of \(Format.count(reply.words)) words) occurs verbatim in the text that \(reply.receipt.model) was trained on "
                    + "(\(bytes)); the rest is new")
        for span in reply.spans {
            let (start, end) = (
                min(max(span.offset, 0), scalars.count), span.offset.addingReportingOverflow(span.length)
            )
            let upper = end.overflow ? scalars.count : min(max(end.partialValue, start), scalars.count)
            let found = String(String.UnicodeScalarView(scalars[start..<upper]))
            Terminal.line("")
            Terminal.paragraph(
                "“\(Concordance.singleLine(found))”  \(Format.count(span.count))×", lead: Style.green("▌") + " ",
                indent: 2)
            Concordance(span.passages).print(indent: 2)
        }
        if reply.omittedSpans > 0 {
            Terminal.paragraph("and \(Format.count(reply.omittedSpans)) more, which are not shown")
        }
        for note in reply.searched.notes { Terminal.printError(note) }
    }
}
