/// The text of news feeds and of exports from Evernote: XML in which some elements contain HTML, escaped or in a CDATA
/// section (RSS 2.0, `description`; RFC 4287, 3.1.1.2; ENEX, `content`).
struct EmbeddedHTMLText: XMLContent {
    private enum Vocabulary: String {
        case rss = "RSS"
        case rdf = "RDF"
        case atom = "Atom"
        case evernote = "ENEX"

        init?(root: XMLElement) {
            switch root.name {
            case "rss": self = .rss
            case "RDF": self = .rdf
            case "feed" where EmbeddedHTMLText.atomNamespaces.contains(root.namespace ?? ""),
                "entry" where EmbeddedHTMLText.atomNamespaces.contains(root.namespace ?? ""):
                self = .atom
            case "en-export": self = .evernote
            default: return nil
            }
        }
    }

    private static let atomNamespaces = ["http://www.w3.org/2005/Atom", "http://purl.org/atom/ns#"]
    private static let mediaNamespace = "http://search.yahoo.com/mrss/"
    private static let rdfNamespaces = ["http://purl.org/rss/1.0/", "http://purl.org/rss/1.0/modules/content/"]
    /// Elements of RSS and its modules that contain HTML unless they say otherwise.
    private static let htmlElements: Set<String> = ["description", "encoded", "summary"]
    /// Elements of Evernote that hold metadata of a note.
    private static let factsAboutNotes: Set<String> = ["created", "updated", "note-attributes"]

    let format: String
    private let vocabulary: Vocabulary
    private var outer: PlainXMLText
    /// The HTML in the current element.
    private var html: HTMLDocument?
    /// Number of open elements inside the one with HTML: tags that should have been escaped.
    private var depth = 0
    private(set) var leftOut = PartsLeftOut()
    private(set) var loss = Loss()

    /// Returns nil if the root is that of another kind of document.
    init?(root: XMLElement) {
        guard let vocabulary = Vocabulary(root: root) else { return nil }
        self.vocabulary = vocabulary
        format = vocabulary.rawValue
        outer = PlainXMLText(root: root.name)
    }

    mutating func start(_ element: XMLElement, _ writer: inout ParagraphWriter) -> Bool {
        if isAttachment(element) {
            leftOut[.attachment] += 1
            return false
        }
        if vocabulary == .evernote, Self.factsAboutNotes.contains(element.name) { return false }
        guard outer.start(element, &writer) else { return false }
        if html != nil {
            depth += 1
        } else if containsHTML(element) {
            writer.separate(.paragraph)
            html = HTMLDocument(isXHTML: vocabulary == .evernote)
        }
        return true
    }

    mutating func end(_ name: String, _ writer: inout ParagraphWriter) {
        if html != nil, depth == 0 { finish(&writer) } else if html != nil { depth -= 1 }
        outer.end(name, &writer)
    }

    mutating func text(_ bytes: UnsafeBufferPointer<UInt8>, _ writer: inout ParagraphWriter) {
        guard html != nil else { return outer.text(bytes, &writer) }
        outer.noteText(bytes)
        html?.append(bytes, to: &writer)
    }

    mutating func finish(_ writer: inout ParagraphWriter) {
        guard var document = html else { return }
        html = nil
        document.finish(to: &writer)
        writer.separate(.paragraph)
        loss.add(document.bytesLeftOut, of: document.inputBytes)
        leftOut[.encryptedPart] += document.encryptedParts
    }

    private func containsHTML(_ element: XMLElement) -> Bool {
        switch element["type"]?.lowercased() {
        case "html", "text/html": return vocabulary != .evernote
        case nil: break
        default: return false
        }
        switch vocabulary {
        case .rss: return Self.htmlElements.contains(element.name) && element.namespace != Self.mediaNamespace
        case .rdf:
            return Self.htmlElements.contains(element.name) && Self.rdfNamespaces.contains(element.namespace ?? "")
        case .atom: return false
        case .evernote: return element.name == "content"
        }
    }

    /// Whether an element contains a file in Base64.
    private func isAttachment(_ element: XMLElement) -> Bool {
        switch vocabulary {
        case .rss, .rdf: return false
        case .evernote: return element.name == "resource"
        case .atom:
            guard element.name == "content", element["src"] == nil, let type = element["type"]?.lowercased() else {
                return false
            }
            let isText = type.hasPrefix("text/") || type.hasSuffix("/xml") || type.hasSuffix("+xml")
            return type.contains("/") && !isText
        }
    }
}
