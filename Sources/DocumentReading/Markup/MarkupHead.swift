import TextReading

extension Markup {
    /// Recognizes markup by the first bytes of a file and, where these allow several readings, by its name.
    package static func kind(ofHead head: [UInt8], name: String) -> Markup? { MarkupHead(head).kind(name: name) }

    /// Returns the encoding that a document declares for itself in an XML declaration or a `meta` element, or nil if
    /// there is none or it cannot be true.
    package static func declaredEncoding(_ head: [UInt8]) -> String? { MarkupHead(head).declaredEncoding }
}

/// The beginning of a file that may be markup, as ASCII.
struct MarkupHead {
    private let text: [UInt8]
    private let isWide: Bool

    private static let htmlExtensions: Set<String> = ["html", "htm", "xhtml", "xht", "shtml"]
    private static let xmlExtensions: Set<String> = [
        "xml", "tei", "rss", "atom", "enex", "fb2", "fodt", "dbk", "docbook", "svg", "opml", "plist",
    ]
    /// Extensions of texts that may begin with an element of XML.
    private static let textExtensions: Set<String> = ["md", "markdown", "mkd", "rst", "adoc"]
    /// Elements that only a whole HTML document begins with.
    private static let htmlBeginnings = ["html", "head", "body", "meta", "base", "link"]

    init(_ head: [UInt8]) {
        // In UTF-16 and UTF-32, every other byte of markup is NUL.
        let begin = head.prefix(4)
        isWide = begin.starts(with: [0xFE, 0xFF]) || begin.starts(with: [0xFF, 0xFE]) || begin.contains(0)
        var text = isWide ? head.filter { $0 != 0 && $0 < 0x80 } : head
        if text.starts(with: [0xEF, 0xBB, 0xBF]) { text.removeFirst(3) }
        self.text = text
    }

    var isXHTML: Bool { starts(at: afterSpace(0), with: "<?xml") }

    func kind(name: String) -> Markup? {
        let ending = ending(of: name)
        let hasDeclaration = starts(at: afterSpace(0), with: "<?xml")
        if let root {
            if root.isDocumentType && root.name == "html" { return .html }
            if Self.htmlBeginnings.contains(root.name), root.name == "html" || !hasDeclaration { return .html }
            if TEIText.isRoot(root.localName) { return .tei }
            if isXML(root, ending) { return .xml }
        } else if hasDeclaration {
            return .xml
        }
        return Self.htmlExtensions.contains(ending) && hasTags ? .html : nil
    }

    /// Returns the local name of the root element, in lower case, if the file is XML.
    func rootOfXML(name: String) -> String? {
        guard let root, isXML(root, ending(of: name)) else { return nil }
        return root.localName
    }

    /// Whether the beginning of the file contains a text, which is in lower case.
    func contains(_ wanted: String) -> Bool { find(wanted, from: 0) != nil }

    private func isXML(_ root: Root, _ ending: String) -> Bool {
        if starts(at: afterSpace(0), with: "<?xml") || root.isDocumentType { return true }
        if Self.xmlExtensions.contains(ending) { return true }
        return root.hasNamespace && !Self.htmlExtensions.contains(ending) && !Self.textExtensions.contains(ending)
    }

    var declaredEncoding: String? {
        guard !isWide else { return nil }
        let begin = afterSpace(0)
        var name: String?
        if starts(at: begin, with: "<?xml"), let end = find("?>", from: begin) {
            name = value(of: "encoding", in: begin..<end)
        }
        var index = begin
        while name == nil, let tag = find("<meta", from: index) {
            index = min(find(">", from: tag) ?? text.count, tag + 1024)
            name = value(of: "charset", in: tag..<index)
        }
        // The declaration itself could be read, so it is not in these.
        guard let name, !name.hasPrefix("utf-16"), !name.hasPrefix("utf-32"), !name.hasPrefix("ucs-") else {
            return nil
        }
        return name
    }

    // MARK: Scanning

    /// The document type declaration or the root element.
    private struct Root {
        /// The name in lower case.
        var name: String
        var isDocumentType = false
        /// Whether the element declares a namespace.
        var hasNamespace = false

        var localName: String { name.split(separator: ":").last.map(String.init) ?? name }
    }

    private var root: Root? {
        var index = 0
        while index < text.count {
            index = afterSpace(index)
            if starts(at: index, with: "<!--") {
                guard let end = find("-->", from: index + 4) else { return nil }
                index = end + 3
            } else if starts(at: index, with: "<?") {
                guard let end = find(">", from: index) else { return nil }
                index = end + 1
            } else if starts(at: index, with: "<!doctype") {
                return word(at: afterSpace(index + 9)).map { Root(name: $0, isDocumentType: true) }
            } else {
                guard starts(at: index, with: "<") else { return nil }
                let end = find(">", from: index) ?? text.count
                let hasNamespace = find("xmlns", from: index).map { $0 < end && text[$0 - 1] <= 0x20 } ?? false
                return word(at: index + 1).map { Root(name: $0, hasNamespace: hasNamespace) }
            }
        }
        return nil
    }

    /// Whether anything looks like a tag, a comment or a character reference.
    private var hasTags: Bool {
        for (index, byte) in text.enumerated() where index + 1 < text.count {
            let next = text[index + 1]
            if byte == UInt8(ascii: "<"), next.isASCIILetter || next == UInt8(ascii: "/") || next == UInt8(ascii: "!") {
                return true
            }
            if byte == UInt8(ascii: "&"), next.isASCIILetter || next == UInt8(ascii: "#") { return true }
        }
        return false
    }

    /// Returns the value of an attribute, in lower case.
    private func value(of attribute: String, in range: Range<Int>) -> String? {
        guard let name = find(attribute, from: range.lowerBound), name < range.upperBound else { return nil }
        var index = afterSpace(name + attribute.utf8.count)
        guard starts(at: index, with: "=") else { return nil }
        index = afterSpace(index + 1)
        if starts(at: index, with: "\"") || starts(at: index, with: "'") { index = afterSpace(index + 1) }
        return word(at: index)
    }

    /// Returns the letters, digits and `-_.:` at an index, in lower case.
    private func word(at begin: Int) -> String? {
        let word = text[min(begin, text.count)...].prefix(64).prefix { byte in
            byte.isASCIILetter || byte.isASCIIDigit || Array("-_.:".utf8).contains(byte)
        }
        guard let first = word.first, first.isASCIILetter else { return nil }
        return String(decoding: word, as: UTF8.self).lowercased()
    }

    private func afterSpace(_ begin: Int) -> Int {
        var index = begin
        while index < text.count, text[index] <= 0x20 { index += 1 }
        return index
    }

    private func starts(at index: Int, with expected: String) -> Bool {
        guard index + expected.utf8.count <= text.count else { return false }
        return zip(text[index...], expected.utf8).allSatisfy { $0.asciiLowerCase == $1 }
    }

    private func find(_ wanted: String, from begin: Int) -> Int? {
        guard let first = wanted.utf8.first, begin < text.count else { return nil }
        return text[begin...].indices.first { text[$0].asciiLowerCase == first && starts(at: $0, with: wanted) }
    }
}
