/// Decides whether the contents of a file are usable text.
struct TextInspection {
    private var bytes = 0
    private var hasNUL = false
    private var hasContent = false
    private var first: [UInt8] = []

    mutating func append(_ piece: UnsafeRawBufferPointer) {
        bytes += piece.count
        if first.count < 2 { first.append(contentsOf: piece.prefix(2 - first.count)) }
        if !hasNUL { hasNUL = piece.contains(0) }
        // White space and ASCII control characters are not content; all non-ASCII bytes are.
        if !hasContent { hasContent = piece.contains { $0 > 0x20 && $0 != 0x7F } }
    }

    /// The reason for rejecting a binary file. Available as soon as a NUL byte was seen.
    var binaryReason: String? {
        guard hasNUL else { return nil }
        if first == [0xFF, 0xFE] || first == [0xFE, 0xFF] {
            return "is UTF-16, not UTF-8: convert it with iconv -f UTF-16 -t UTF-8"
        }
        return "is binary: it contains NUL bytes"
    }

    /// The reason for rejecting a file without content. Valid after the last piece.
    var emptyReason: String? {
        if bytes == 0 { return "is empty" }
        return hasContent ? nil : "contains only white space"
    }

    /// The reason for rejecting a file in another encoding. Text in a legacy encoding of the Latin alphabet mostly
    /// consists of valid bytes; text in another alphabet, or binary data, does not.
    /// - Parameter replacedBytes: number of input bytes that were replaced
    func encodingReason(replacedBytes: Int) -> String? {
        guard replacedBytes > bytes / 4 else { return nil }
        return "is not UTF-8: \(replacedBytes) of \(bytes) bytes are invalid; "
            + "convert it with iconv -f ENCODING -t UTF-8"
    }
}
