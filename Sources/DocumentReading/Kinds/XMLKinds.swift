import TextReading

extension FileKind {
    /// Recognizes kinds of XML that are not text, by the root element or the document type.
    static func xml(_ head: [UInt8], name: String) -> FileKind? {
        let markup = MarkupHead(head)
        guard let root = markup.rootOfXML(name: name) else { return nil }
        // Other vocabularies have a root of this name, too.
        if root == "resources" {
            return androidElements.contains { markup.contains("<\($0) ") } ? androidResources : nil
        }
        return xmlKinds[root]
    }

    private static let xmlKinds: [String: FileKind] = [
        "svg": xml("an SVG picture"),
        "plist": xml("a property list (plist), which has settings instead of text"),
        "opml": xml("an OPML outline, whose text is in attributes"),
        "urlset": sitemap, "sitemapindex": sitemap,
    ]
    private static let sitemap = xml("an XML sitemap, which lists addresses of pages")
    private static let androidResources = xml("an Android resource file, which has settings and labels of a program")
    private static let androidElements = [
        "string", "string-array", "plurals", "color", "dimen", "style", "bool", "integer",
    ]

    private static func xml(_ name: String) -> FileKind { FileKind(name, ReadingAdvice.readAsText, isText: true) }
}
