import TextReading

extension FileKind {
    /// Recognizes kinds of XML that are not text, by the root element or the document type.
    static func xml(_ head: [UInt8], name: String) -> FileKind? {
        guard let root = MarkupHead(head).rootOfXML(name: name) else { return nil }
        return xmlKinds[root]
    }

    private static let xmlKinds: [String: FileKind] = [
        "svg": FileKind("an SVG picture", ReadingAdvice.readAsText, isText: true)
    ]
}
