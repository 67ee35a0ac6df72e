/// The text of `word/document.xml`, or of the footnotes, in an Office Open XML file. Deleted and moved text in recorded
/// changes, instructions of fields, comments, headers and footers are left out.
struct WordText: XMLContent {
    private static let skipped: Set<String> = [
        "pPr", "rPr", "sectPr", "tblPr", "tblGrid", "trPr", "tcPr", "sdtPr", "sdtEndPr", "del", "moveFrom", "delText",
        "instrText", "delInstrText", "Fallback", "rt", "rubyPr",
    ]

    let format = "DOCX"
    /// The notes for which no reference has been found yet.
    private var notes: WordNotes
    private var cells = TableCells()
    private var runDepth = 0

    init(notes: WordNotes) { self.notes = notes }

    /// The notes for which the text contains no reference.
    var leftOut: PartsLeftOut {
        var parts = PartsLeftOut()
        parts[.footnote] = notes.footnotes.values.count { !$0.isEmpty }
        parts[.endnote] = notes.endnotes.values.count { !$0.isEmpty }
        return parts
    }

    mutating func start(_ element: XMLElement, _ writer: inout ParagraphWriter) -> Bool {
        switch element.name {
        case let name where Self.skipped.contains(name): return false
        case "t": runDepth += 1
        case "p": cells.beginParagraph(&writer)
        case "tab", "ptab": writer.addSpace()
        case "br" where element["type"] == "page" || element["type"] == "column": writer.addSpace()
        case "br", "cr": writer.newLine()
        case "noBreakHyphen": writer.text("\u{2011}")
        case "footnoteReference": add(element["id"].flatMap { notes.footnotes.removeValue(forKey: $0) }, to: &writer)
        case "endnoteReference": add(element["id"].flatMap { notes.endnotes.removeValue(forKey: $0) }, to: &writer)
        case "txbxContent":
            writer.beginNote()
            cells.beginNote()
        case let name: cells.start(name, &writer)
        }
        return true
    }

    mutating func end(_ name: String, _ writer: inout ParagraphWriter) {
        switch name {
        case "t": runDepth -= 1
        case "p": cells.endParagraph(&writer)
        case "txbxContent":
            writer.endNote()
            cells.endNote()
        default: cells.end(name, &writer)
        }
    }

    mutating func text(_ bytes: UnsafeBufferPointer<UInt8>, _ writer: inout ParagraphWriter) {
        if runDepth > 0 { writer.text(bytes) }
    }

    /// Adds a note after its first reference. More references, which no program writes, would multiply its text.
    private func add(_ note: [UInt8]?, to writer: inout ParagraphWriter) {
        guard let note, !note.isEmpty else { return }
        writer.beginNote()
        note.withUnsafeBufferPointer { writer.preformatted($0) }
        writer.endNote()
    }
}

/// The texts of footnotes and endnotes by their identifiers.
struct WordNotes {
    var footnotes: [String: [UInt8]] = [:]
    var endnotes: [String: [UInt8]] = [:]
}

/// Collects the notes in `word/footnotes.xml` or `word/endnotes.xml`.
final class WordNoteCollector: XMLHandler {
    /// Bytes of all notes together that are held in memory.
    static let mostBytes = 64 << 20

    private(set) var notes: [String: [UInt8]] = [:]
    /// Number of notes left out because notes exceed `mostBytes`.
    private(set) var leftOut = 0
    private(set) var leftOutBytes = 0
    private var bytes = 0
    private var id: String?
    private var text = XMLText(WordText(notes: WordNotes()))

    var heldBytes: Int { text.heldBytes }

    func start(_ element: XMLElement) {
        if element.name == "footnote" || element.name == "endnote" {
            // Notes of another type are separator lines between the text and the notes.
            id = element["type"].map { $0 == "normal" } ?? true ? element["id"] : nil
            text = XMLText(WordText(notes: WordNotes()))
        } else if id != nil {
            text.start(element)
        }
    }

    func end(_ name: String) {
        guard let id else { return }
        guard name == "footnote" || name == "endnote" else { return text.end(name) }
        self.id = nil
        var note: [UInt8] = []
        text.writer.finish { note.append(contentsOf: $0) }
        if note.last == UInt8(ascii: "\n") { note.removeLast() }
        bytes += note.count
        if bytes <= Self.mostBytes {
            notes[id] = note
        } else {
            leftOut += 1
            leftOutBytes += note.count
        }
    }

    func text(_ bytes: UnsafeBufferPointer<UInt8>) { if id != nil { text.text(bytes) } }
}

/// Counts the comments, headers and footers that contain words, in a part of a DOCX file other than its text.
final class WordPartCounter: XMLHandler {
    private static let parts: [String: PartsLeftOut.Part] = ["comment": .comment, "hdr": .header, "ftr": .footer]

    private(set) var leftOut = PartsLeftOut()
    private var current: PartsLeftOut.Part?
    private var isInRun = false
    let heldBytes = 0

    /// Whether the name is that of a part with comments, a header or a footer.
    static func isWanted(_ name: String) -> Bool {
        if name == "word/comments.xml" { return true }
        return ["word/header", "word/footer"].contains { begin in
            name.hasPrefix(begin) && name.hasSuffix(".xml")
                && name.dropFirst(begin.count).dropLast(4).allSatisfy(\.isNumber)
        }
    }

    func start(_ element: XMLElement) {
        if let part = Self.parts[element.name] { current = part }
        isInRun = element.name == "t"
    }

    func end(_ name: String) {
        if Self.parts[name] != nil { current = nil }
        isInRun = false
    }

    func text(_ bytes: UnsafeBufferPointer<UInt8>) {
        guard isInRun, let part = current, PartsLeftOut.hasWords(bytes) else { return }
        leftOut[part] += 1
        current = nil
    }
}
