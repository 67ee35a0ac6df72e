import Durable
import TextReading

/// Reads HTML, XHTML, TEI and other XML.
package enum Markup: Sendable {
    case html, xml, tei

    /// Number of bytes at the beginning of a file that determine its kind.
    package static let headBytes = 16 << 10

    /// Writes the text of a document.
    /// - Parameter configured: the encoding that the user configured
    /// - Throws: `RejectionError` if the document has no text, and errors thrown by `reading`
    package func read(_ region: FileRegion, configured: String?, into reading: inout CorpusReading) throws {
        let head = try region.head(Self.headBytes)
        let encoding = try TextEncoding.determine(
            region, declared: Self.declaredEncoding(head), configured: configured)
        switch self {
        case .html: try readHTML(region, encoding, isXHTML: MarkupHead(head).isXHTML, into: &reading)
        case .xml, .tei: try readXML(region, encoding, into: &reading)
        }
    }

    private func readHTML(
        _ region: FileRegion, _ encoding: TextEncoding, isXHTML: Bool, into reading: inout CorpusReading
    ) throws {
        var replaced = Replacements()
        var loss = Loss()
        try reading.readDocument(.text) { take in
            var document = HTMLDocument(writer: ParagraphWriter(), isXHTML: isXHTML)
            replaced = try encoding.decode(region) { try document.append($0, take) }
            document.finish()
            loss.add(document.bytesLeftOut, of: document.inputBytes)
            try RejectionError.orReadAsText {
                guard document.writer.hasContent else { throw RejectionError("is HTML without text") }
                try loss.checkUnclosed()
            }
            try document.writer.finish(take)
        }
        reading.describe(format: isXHTML ? "XHTML" : "HTML", encoding: encoding.name)
        reading.count(replaced)
        reading.warnOfUnclosed(loss)
    }

    private func readXML(_ region: FileRegion, _ encoding: TextEncoding, into reading: inout CorpusReading) throws {
        var replaced = Replacements()
        let text = XMLText()
        let parser = XMLParser(handler: text)
        try reading.readDocument(.text) { take in
            replaced = try encoding.decode(region) {
                try parser.append($0) { try text.writer.takeOutput(take) }
            }
            try parser.finish()
            text.finish()
            try RejectionError.orReadAsText {
                guard text.writer.hasContent else { throw parser.rejection(of: text.format) }
                if let failure = parser.failure { try parser.loss.check(failure) }
                try text.loss.checkUnclosed()
            }
            try text.writer.finish(take)
        }
        reading.describe(format: text.format, encoding: encoding.name)
        reading.count(replaced)
        reading.warnOfEntities(parser.unknownEntities)
        reading.warnOfUnclosed(text.loss)
        reading.warn(of: text.leftOut)
        if let failure = parser.failure {
            reading.warn(
                "\(failure): the text from there on, \(parser.loss), was left out; correct it and drop the file again")
        }
    }
}

extension Loss {
    /// Rejects HTML of which more than a fifth is in elements that are not closed.
    fileprivate func checkUnclosed() throws { try check(Self.unclosed) }

    static let unclosed = "a comment, a tag, a script or navigation is not closed"
}

extension RejectionError {
    /// Adds to a reason what to do if the file only looks like markup, or if its tags are to be learned.
    fileprivate static func orReadAsText(_ check: () throws -> Void) throws {
        do {
            try check()
        } catch let error as RejectionError {
            throw RejectionError("\(error.reason.text); \(ReadingAdvice.readAsText)")
        }
    }
}

extension CorpusReading {
    fileprivate mutating func warnOfUnclosed(_ loss: Loss) {
        guard !loss.isEmpty else { return }
        warn(
            "\(loss.part) bytes are in a comment, a tag, a script or navigation that is not closed and were left out: "
                + "check the document")
    }

    mutating func warn(of leftOut: PartsLeftOut) {
        if let sentence = leftOut.sentence { warn(sentence) }
    }

    mutating func warnOfEntities(_ count: Int) {
        guard count > 0 else { return }
        warn(
            "\(ReadingAdvice.count(count, "reference")) to entities whose text is in other files left out: expand them "
                + "(xmllint --noent --loaddtd) and drop the file again")
    }

    /// Accounts for what was replaced in decoded text.
    mutating func count(_ replaced: Replacements) {
        countReplaced(replaced.undecodable)
        guard replaced.nul > 0 else { return }
        warn(
            "\(ReadingAdvice.count(replaced.nul, "NUL character")), which text never contains, replaced by U+FFFD: "
                + "check what wrote the file")
    }
}
