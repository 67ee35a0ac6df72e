import Durable
import TextReading

/// Reads documents that are zip archives of XML files: EPUB, DOCX and ODT.
package struct PackedDocument: Sendable {
    private enum Kind { case epub, word, openDocument }

    private let kind: Kind
    /// The member with the text of a DOCX file.
    private let wordPart: String

    /// Recognizes a document by the names of the archive's members; nil if it is an archive of files.
    package init?(memberNames names: [String]) {
        let all = Set(names)
        wordPart = names.filter(Self.isWordPart).min() ?? "word/document.xml"
        if all.contains("META-INF/container.xml") {
            kind = .epub
        } else if all.contains(wordPart) {
            kind = .word
        } else if all.contains("content.xml"), all.contains("mimetype") || all.contains("META-INF/manifest.xml") {
            kind = .openDocument
        } else {
            return nil
        }
    }

    /// Returns the names of the members that `read` needs, if there are such members.
    package func wantedMembers(_ names: [String]) -> Set<String> {
        switch kind {
        case .epub: Set(names.filter(EPUB.isWanted))
        case .word:
            Set(names).intersection([wordPart, "word/footnotes.xml", "word/endnotes.xml"])
                .union(names.filter(WordPartCounter.isWanted))
        case .openDocument: Set(names).intersection(["content.xml", "META-INF/manifest.xml", Self.openDocumentStyles])
        }
    }

    /// Whether the parts in a wanted member are only counted, so that the document can be read without it.
    package func isOptional(_ name: String) -> Bool {
        switch kind {
        case .epub: false
        case .word: WordPartCounter.isWanted(name)
        case .openDocument: name == Self.openDocumentStyles
        }
    }

    /// The headers and footers of pages.
    private static let openDocumentStyles = "styles.xml"

    /// Writes the text of the document.
    /// - Parameters:
    ///   - members: the unpacked members of `wantedMembers`
    ///   - configured: the encoding that the user configured, for the chapters of an EPUB. The parts of DOCX and ODT files
    ///     are always Unicode
    /// - Throws: `RejectionError`, and errors thrown by `reading`
    package func read(
        members: [String: FileRegion], configured: String?, into reading: inout CorpusReading
    ) throws {
        switch kind {
        case .epub: try EPUB(members: members, configured: configured).read(into: &reading)
        case .word: try readWord(members, into: &reading)
        case .openDocument: try readOpenDocument(members, into: &reading)
        }
    }

    /// Some programs number the part.
    private static func isWordPart(_ name: String) -> Bool {
        guard name.hasPrefix("word/document"), name.hasSuffix(".xml") else { return false }
        return name.dropFirst("word/document".count).dropLast(4).allSatisfy(\.isWholeNumber)
    }

    // MARK: DOCX

    private func readWord(_ members: [String: FileRegion], into reading: inout CorpusReading) throws {
        var notes = WordNotes()
        var (loss, cause) = (Loss(), String?.none)
        for (name, notePath) in [
            ("word/footnotes.xml", \WordNotes.footnotes), ("word/endnotes.xml", \WordNotes.endnotes),
        ] {
            guard let region = members[name] else { continue }
            let collector = WordNoteCollector()
            let parser = XMLParser(handler: collector)
            try parser.parse(region, into: &reading)
            loss.add(parser.loss)
            notes[keyPath: notePath] = collector.notes
            if let failure = parser.failure {
                cause = "in its notes, \(failure)"
                reading.warn("in its notes, \(failure): the notes from there on, \(parser.loss), were left out")
            }
            if collector.leftOut > 0 {
                loss.add(collector.leftOutBytes, of: 0)
                cause = "its notes have more than \(WordNoteCollector.mostBytes) bytes"
                reading.warn(
                    "\(collector.leftOut) notes were left out, because notes have more than "
                        + "\(WordNoteCollector.mostBytes) bytes")
            }
        }
        var leftOut = PartsLeftOut()
        for (_, region) in members.filter({ WordPartCounter.isWanted($0.key) }) {
            let counter = WordPartCounter()
            try parseOptional(region, counter)
            leftOut.add(counter.leftOut)
        }
        try read(
            members[wordPart], XMLText(WordText(notes: notes)), loss, cause: cause, leftOut: leftOut, into: &reading)
    }

    // MARK: ODT

    private func readOpenDocument(_ members: [String: FileRegion], into reading: inout CorpusReading) throws {
        if let manifest = members["META-INF/manifest.xml"] {
            let found = ElementSearch(name: "encryption-data")
            try XMLParser(handler: found).parse(manifest, into: &reading)
            if found.isFound {
                throw RejectionError("is an encrypted OpenDocument file: save it without a password")
            }
        }
        let styles = XMLText(OpenDocumentText())
        if let region = members[Self.openDocumentStyles] { try parseOptional(region, styles) }
        try read(members["content.xml"], XMLText(OpenDocumentText()), leftOut: styles.leftOut, into: &reading)
    }

    /// Parses a member that is only counted. It need not be readable to its end.
    private func parseOptional(_ region: FileRegion, _ handler: any XMLHandler) throws {
        do {
            _ = try XMLParser(handler: handler).parse(region)
        } catch is RejectionError {}
    }

    /// - Parameters:
    ///   - loss: what was left out of other parts of the document
    ///   - cause: why
    ///   - leftOut: contents of the other parts that are not in the text
    private func read(
        _ region: FileRegion?, _ text: XMLText, _ loss: Loss = Loss(), cause: String? = nil, leftOut: PartsLeftOut,
        into reading: inout CorpusReading
    ) throws {
        guard let region else { throw RejectionError("is \(text.format) without the part that holds its text") }
        let parser = XMLParser(handler: text)
        var replaced = Replacements()
        try reading.readDocument(.text) { take in
            replaced = try parser.parse(region) { try text.writer.takeOutput(take) }
            text.finish()
            guard text.writer.hasContent else { throw parser.rejection(of: text.format) }
            var loss = loss
            loss.add(parser.loss)
            if let cause = parser.failure ?? cause { try loss.check(cause) }
            try text.writer.finish(take)
        }
        reading.describe(format: text.format)
        reading.count(replaced)
        reading.warnOfEntities(parser.unknownEntities)
        var leftOut = leftOut
        leftOut.add(text.leftOut)
        reading.warn(of: leftOut)
        if let failure = parser.failure {
            reading.warn("\(failure): the text from there on, \(parser.loss), was left out; save the document again")
        }
    }
}

extension XMLParser {
    /// Parses a whole member in its declared encoding.
    func parse(_ region: FileRegion, _ parsed: () throws -> Void = {}) throws -> Replacements {
        let declared = Markup.declaredEncoding(try region.head(Markup.headBytes))
        let encoding = try TextEncoding.determine(region, declared: declared ?? "UTF-8", configured: nil)
        let replaced = try encoding.decode(region) { try append($0, parsed) }
        try finish()
        return replaced
    }

    func parse(_ region: FileRegion, into reading: inout CorpusReading) throws {
        reading.count(try parse(region))
    }
}

/// Finds out whether a document contains an element.
private final class ElementSearch: XMLHandler {
    private let name: String
    private(set) var isFound = false
    let heldBytes = 0

    init(name: String) { self.name = name }

    func start(_ element: XMLElement) { if element.name == name { isFound = true } }
    func end(_ name: String) {}
    func text(_ bytes: UnsafeBufferPointer<UInt8>) {}
}
