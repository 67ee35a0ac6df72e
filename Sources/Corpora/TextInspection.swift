/// Decides whether bytes are text to learn from.
struct TextInspection {
    private var bytes = 0
    private var hasNUL = false
    private var hasContent = false
    private var first: [UInt8] = []

    mutating func append(_ piece: UnsafeRawBufferPointer) {
        bytes += piece.count
        if first.count < 2 { first.append(contentsOf: piece.prefix(2 - first.count)) }
        if !hasNUL { hasNUL = piece.contains(0) }
        // Space and the control characters say nothing; what is not ASCII counts as text.
        if !hasContent { hasContent = piece.contains { $0 > 0x20 && $0 != 0x7F } }
    }

    /// Known as soon as the first NUL is seen.
    var binaryReason: String? {
        guard hasNUL else { return nil }
        if first == [0xFF, 0xFE] || first == [0xFE, 0xFF] {
            return "is UTF-16, not UTF-8: convert it with iconv -f UTF-16 -t UTF-8"
        }
        return "is binary: it holds NUL bytes, text does not"
    }

    /// Known at the end.
    var emptyReason: String? {
        if bytes == 0 { return "is empty" }
        return hasContent ? nil : "holds nothing but white space"
    }

    /// A text in another encoding of Latin letters keeps most of itself; one in another alphabet, or no text, does not.
    /// - Parameter replacedBytes: of those that came
    func encodingReason(replacedBytes: Int) -> String? {
        guard replacedBytes > bytes / 4 else { return nil }
        return "is not UTF-8: \(replacedBytes) of its \(bytes) bytes are not part of any character; "
            + "convert it with iconv -f ENCODING -t UTF-8"
    }
}
