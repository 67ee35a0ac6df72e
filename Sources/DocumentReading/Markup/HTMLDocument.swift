/// Converts HTML documents to the text of one document.
package struct HTMLDocument {
    private var tokenizer = HTMLTokenizer()
    private var text: HTMLText
    /// Number of bytes at the end that are in a comment, a tag or a script that is not closed.
    private(set) var bytesLeftOut = 0

    package init(isXHTML: Bool) { self.init(writer: ParagraphWriter(), isXHTML: isXHTML) }

    /// - Parameter writer: the text before this document
    init(writer: ParagraphWriter, isXHTML: Bool) { text = HTMLText(writer: writer, isXHTML: isXHTML) }

    var writer: ParagraphWriter {
        get { text.writer }
        _modify { yield &text.writer }
    }

    /// Number of bytes of text that are held back.
    package var heldBytes: Int { text.writer.heldBytes }

    /// Reads a piece of UTF-8, which may be split anywhere, and passes finished text to `take`.
    package mutating func append(
        _ piece: UnsafeRawBufferPointer, _ take: (UnsafeRawBufferPointer) throws -> Void
    ) rethrows {
        tokenizer.append(piece, to: &text)
        try text.writer.takeOutput(take)
    }

    /// Ends the document.
    mutating func finish() {
        if tokenizer.isUnfinished { bytesLeftOut = tokenizer.bytesLeftOut }
        tokenizer.finish(to: &text)
    }

    /// Ends the text and passes the rest of it to `take`.
    package mutating func finish(_ take: (UnsafeRawBufferPointer) throws -> Void) rethrows {
        finish()
        try text.writer.finish(take)
    }
}
