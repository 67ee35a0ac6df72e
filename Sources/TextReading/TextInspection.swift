/// Decides whether decoded text has content.
struct TextInspection {
    private var bytes = 0
    private var hasContent = false

    /// - Throws: `RejectionError` if the input contains NUL, which text never contains
    mutating func append(_ piece: UnsafeRawBufferPointer) throws {
        bytes += piece.count
        guard !piece.contains(0) else { throw RejectionError("is binary: it contains NUL characters") }
        // White space and ASCII control characters are not content; all non-ASCII bytes are.
        if !hasContent { hasContent = piece.contains { $0 > 0x20 && $0 != 0x7F } }
    }

    /// - Throws: `RejectionError` if there is no content
    func finish() throws {
        guard bytes > 0 else { throw RejectionError("is empty") }
        guard hasContent else { throw RejectionError("contains only white space") }
    }
}
