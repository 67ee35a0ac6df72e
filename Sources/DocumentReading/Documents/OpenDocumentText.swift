/// The text of `content.xml` in an OpenDocument file, or of one that is a single XML file. Deleted text in recorded
/// changes, comments, and the headers and footers of pages are left out.
struct OpenDocumentText: XMLContent {
    private static let skipped: Set<String> = [
        "tracked-changes", "annotation", "forms", "note-citation", "ruby-text", "automatic-styles", "styles",
        "font-face-decls", "meta", "settings", "scripts", "title", "desc", "binary-data",
        "shape-id", "sequence-decls", "variable-decls",
    ]

    /// Fields that show a property of the document, and text that is annotated. Elsewhere, elements with these names
    /// are about the document or a drawing.
    private static let visibleInText: Set<String> = ["title", "meta"]
    private static let textNamespaces = [
        "urn:oasis:names:tc:opendocument:xmlns:text:1.0", "http://openoffice.org/2000/text",
    ]
    private static let officeNamespaces = [
        "urn:oasis:names:tc:opendocument:xmlns:office:1.0", "http://openoffice.org/2000/office",
    ]

    /// Whether an element is the root of an OpenDocument file. Other formats use the same local names.
    static func isRoot(_ element: XMLElement) -> Bool {
        guard element.name == "document" || element.name == "document-content" else { return false }
        return element.namespace.map(officeNamespaces.contains) ?? false
    }

    let format = "OpenDocument text"
    private var cells = TableCells()
    /// The elements of `style:master-page` that are headers and footers of a page.
    private static let margins: [String: PartsLeftOut.Part] = [
        "header": .header, "header-left": .header, "header-first": .header, "footer": .footer, "footer-left": .footer,
        "footer-first": .footer,
    ]
    private static let mathNamespace = "http://www.w3.org/1998/Math/MathML"

    private(set) var leftOut = PartsLeftOut()
    /// Number of open elements, counted from `master-styles`.
    private var masterDepth = 0
    /// The header or footer around the current place, until words are found in it.
    private var margin: PartsLeftOut.Part?
    /// Number of open paragraphs; text outside of them is white space or not part of the document.
    private var paragraphDepth = 0

    mutating func start(_ element: XMLElement, _ writer: inout ParagraphWriter) -> Bool {
        if masterDepth > 0 || element.name == "master-styles" {
            masterDepth += 1
            if let part = Self.margins[element.name] { margin = part }
            return true
        }
        if element.name == "annotation", element.namespace != Self.mathNamespace { leftOut[.comment] += 1 }
        switch element.name {
        case let name where Self.skipped.contains(name):
            return Self.visibleInText.contains(name) && element.namespace.map(Self.textNamespaces.contains) ?? false
        case "p", "h":
            paragraphDepth += 1
            cells.beginParagraph(&writer)
        case "s", "tab": writer.addSpace()
        case "line-break": writer.newLine()
        case "list-item", "list-header": writer.beginItem(.line)
        case "list": if !writer.isAtItemStart { writer.separate(.line) }
        case "note", "text-box":
            writer.beginNote()
            cells.beginNote()
        case let name: cells.start(name, &writer)
        }
        return true
    }

    mutating func end(_ name: String, _ writer: inout ParagraphWriter) {
        if masterDepth > 0 {
            masterDepth -= 1
            if Self.margins[name] != nil { margin = nil }
            return
        }
        switch name {
        case "p", "h":
            paragraphDepth -= 1
            cells.endParagraph(&writer)
        case "list-item", "list-header": writer.endItem(.line)
        case "list": writer.separate(.paragraph)
        case "note", "text-box":
            writer.endNote()
            cells.endNote()
        default: cells.end(name, &writer)
        }
    }

    mutating func text(_ bytes: UnsafeBufferPointer<UInt8>, _ writer: inout ParagraphWriter) {
        if let part = margin, PartsLeftOut.hasWords(bytes) {
            leftOut[part] += 1
            margin = nil
        }
        if paragraphDepth > 0, masterDepth == 0 { writer.text(bytes) }
    }
}

/// Tables whose cells contain paragraphs: a line for each row, with a tab between cells.
struct TableCells {
    /// Number of tables around the current place, and around the notes around it.
    private var depth = 0
    private var outerDepths: [Int] = []

    mutating func start(_ name: String, _ writer: inout ParagraphWriter) {
        switch name {
        case "tbl", "table":
            if depth == 0 { writer.separate(.paragraph) }
            depth += 1
        case "tr", "table-row": if depth == 1 { writer.separate(.line) }
        case "tc", "table-cell": writer.beginItem(depth == 1 ? .tab : .line)
        default: break
        }
    }

    mutating func end(_ name: String, _ writer: inout ParagraphWriter) {
        switch name {
        case "tbl", "table":
            depth -= 1
            writer.separate(depth == 0 ? .paragraph : .line)
        case "tr", "table-row": writer.separate(.line)
        case "tc", "table-cell": writer.endItem(depth == 1 ? .tab : .line)
        default: break
        }
    }

    func beginParagraph(_ writer: inout ParagraphWriter) {
        if !writer.isAtItemStart { writer.separate(depth == 0 ? .paragraph : .line) }
    }

    func endParagraph(_ writer: inout ParagraphWriter) {
        writer.separate(depth == 0 ? .paragraph : .line)
    }

    mutating func beginNote() {
        outerDepths.append(depth)
        depth = 0
    }

    mutating func endNote() { depth = outerDepths.popLast() ?? 0 }
}
