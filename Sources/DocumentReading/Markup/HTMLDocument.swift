/// Converts HTML documents to the text of one document.
package struct HTMLDocument {
    private var tokenizer = HTMLTokenizer()
    private var text: HTMLText

    package init(isXHTML: Bool) { self.init(writer: ParagraphWriter(), isXHTML: isXHTML) }

    /// - Parameter writer: the text before this document
    init(writer: ParagraphWriter, isXHTML: Bool) { text = HTMLText(writer: writer, isXHTML: isXHTML) }

    var writer: ParagraphWriter {
        get { text.writer }
        _modify { yield &text.writer }
    }

    /// Number of bytes that were left out, because a comment, a tag, a script, or an element that is not visible is not
    /// closed. Complete after `finish`.
    var bytesLeftOut: Int { tokenizer.bytesLeftOut + text.bytesLeftOut }
    /// Number of bytes that were read.
    var inputBytes: Int { tokenizer.inputBytes }

    /// Number of bytes of text that are held back.
    package var heldBytes: Int { text.writer.heldBytes }

    /// Reads a piece of UTF-8, which may be split anywhere, and passes finished text to `take`.
    package mutating func append(
        _ piece: UnsafeRawBufferPointer, _ take: (UnsafeRawBufferPointer) throws -> Void
    ) rethrows {
        tokenizer.append(piece, to: &text)
        try text.writer.takeOutput(take)
    }

    /// Reads a piece of HTML that is part of another document, whose text `writer` holds.
    mutating func append(_ piece: UnsafeBufferPointer<UInt8>, to writer: inout ParagraphWriter) {
        swap(&text.writer, &writer)
        tokenizer.append(UnsafeRawBufferPointer(piece), to: &text)
        swap(&text.writer, &writer)
    }

    /// Ends the HTML that is part of another document.
    mutating func finish(to writer: inout ParagraphWriter) {
        swap(&text.writer, &writer)
        finish()
        swap(&text.writer, &writer)
    }

    /// Number of parts that only Evernote can decrypt.
    var encryptedParts: Int { text.encryptedParts }

    /// Ends the document.
    mutating func finish() { tokenizer.finish(to: &text) }

    /// Ends the text and passes the rest of it to `take`.
    package mutating func finish(_ take: (UnsafeRawBufferPointer) throws -> Void) rethrows {
        finish()
        try text.writer.finish(take)
    }
}
