/// Selects the text of one kind of XML document and separates its paragraphs.
protocol XMLContent {
    /// What the document is, in words.
    var format: String { get }
    /// - Returns: whether the element contains text of the document. Otherwise, nothing in it is passed on
    mutating func start(_ element: XMLElement, _ writer: inout ParagraphWriter) -> Bool
    mutating func end(_ name: String, _ writer: inout ParagraphWriter)
    mutating func text(_ bytes: UnsafeBufferPointer<UInt8>, _ writer: inout ParagraphWriter)
    /// Ends the document, whose elements may still be open.
    mutating func finish(_ writer: inout ParagraphWriter)
    /// Parts of the document that could be read but are not in its text.
    var leftOut: PartsLeftOut { get }
    /// HTML in the document that is left out because an element is not closed.
    var loss: Loss { get }
}

extension XMLContent {
    mutating func text(_ bytes: UnsafeBufferPointer<UInt8>, _ writer: inout ParagraphWriter) { writer.text(bytes) }
    mutating func finish(_ writer: inout ParagraphWriter) {}
    var leftOut: PartsLeftOut { PartsLeftOut() }
    var loss: Loss { Loss() }
}

/// Writes the text of an XML document whose root element decides what kind of document it is.
final class XMLText: XMLHandler {
    var writer: ParagraphWriter
    private(set) var content: (any XMLContent)?
    /// Depth below the outermost element without text.
    private var skipDepth = 0

    /// - Parameter content: the kind of document, or nil if its root element decides
    init(_ content: (any XMLContent)? = nil, writer: ParagraphWriter = ParagraphWriter()) {
        self.content = content
        self.writer = writer
    }

    var format: String { content?.format ?? "XML" }
    var heldBytes: Int { writer.heldBytes }
    var leftOut: PartsLeftOut { content?.leftOut ?? PartsLeftOut() }
    /// HTML in the document that is left out.
    var loss: Loss { content?.loss ?? Loss() }

    /// Ends the document, whose elements may still be open.
    func finish() { content?.finish(&writer) }

    func start(_ element: XMLElement) {
        guard skipDepth == 0 else { return skipDepth += 1 }
        if content == nil { content = Self.content(ofRoot: element) }
        if content?.start(element, &writer) == false { skipDepth = 1 }
    }

    func end(_ name: String) {
        guard skipDepth == 0 else { return skipDepth -= 1 }
        content?.end(name, &writer)
        writer.boundNotes()
    }

    func text(_ bytes: UnsafeBufferPointer<UInt8>) {
        guard skipDepth == 0 else { return }
        content?.text(bytes, &writer)
        writer.boundNotes()
    }

    private static func content(ofRoot root: XMLElement) -> any XMLContent {
        // Older editions have no namespace.
        if TEIText.isRoot(root.name) { return TEIText() }
        if let embedding = EmbeddedHTMLText(root: root) { return embedding }
        return OpenDocumentText.isRoot(root) ? OpenDocumentText() : PlainXMLText(root: root.name)
    }
}

/// The text of XML whose vocabulary is not known, with a paragraph for each element that does not stand within text.
struct PlainXMLText: XMLContent {
    private enum Role { case unknown, paragraph, skipped }

    private struct Level {
        var role: Role
        /// Whether there is text directly in the element.
        var hasText = false
    }

    private static let roles: [String: Role] = {
        var roles: [String: Role] = [:]
        for name in [
            "p", "para", "simpara", "title", "subtitle", "head", "h1", "h2", "h3", "h4", "h5", "h6", "li", "section",
            "div", "item", "entry", "tr", "row",
        ] { roles[name] = .paragraph }
        // Pictures in FictionBook, facts about the document in DocBook.
        for name in ["binary", "bookinfo", "articleinfo", "info", "script", "style", "indexterm"] {
            roles[name] = .skipped
        }
        return roles
    }()

    let format: String
    private let isFictionBook: Bool
    private var levels: [Level] = []

    init(root: String) {
        isFictionBook = root == "FictionBook"
        format = isFictionBook ? "FictionBook" : "XML"
    }

    mutating func start(_ element: XMLElement, _ writer: inout ParagraphWriter) -> Bool {
        let role = Self.roles[element.name] ?? .unknown
        guard role != .skipped, !(isFictionBook && element.name == "description") else { return false }
        let continuesText = role != .paragraph && levels.last?.hasText ?? false
        if !continuesText { writer.separate(.paragraph) }
        levels.append(Level(role: role))
        return true
    }

    mutating func end(_ name: String, _ writer: inout ParagraphWriter) {
        guard let level = levels.popLast() else { return }
        if level.role == .paragraph { writer.separate(.paragraph) }
    }

    mutating func text(_ bytes: UnsafeBufferPointer<UInt8>, _ writer: inout ParagraphWriter) {
        noteText(bytes)
        writer.text(bytes)
    }

    /// Accounts for text of the current element that is written by others.
    mutating func noteText(_ bytes: UnsafeBufferPointer<UInt8>) {
        if !levels.isEmpty, bytes.contains(where: { $0 > 0x20 }) { levels[levels.count - 1].hasText = true }
    }
}
