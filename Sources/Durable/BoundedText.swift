extension String {
    /// Returns the text if it has at most `limit` bytes of UTF-8. Otherwise returns its beginning followed by `…`, cut
    /// between Unicode scalars, with at most `limit` bytes in total.
    ///
    /// Used for untrusted text that is recorded or displayed, such as reasons, names and messages.
    package func bounded(toBytes limit: Int) -> String {
        guard utf8.count > limit else { return self }
        return Self.prefix(of: self, bytes: limit - Self.ellipsis.utf8.count) + Self.ellipsis
    }

    /// Same as `bounded(toBytes:)`, but omits the middle. The end is often distinctive, such as the file name in a
    /// path.
    package func boundedInTheMiddle(toBytes limit: Int) -> String {
        guard utf8.count > limit else { return self }
        let rest = limit - Self.ellipsis.utf8.count
        let front = Self.prefix(of: self, bytes: rest / 3)
        var start = utf8.index(utf8.endIndex, offsetBy: front.utf8.count - rest)
        while start < endIndex, UTF8.isContinuation(utf8[start]) { start = utf8.index(after: start) }
        return front + Self.ellipsis + String(self[start...])
    }

    private static let ellipsis = "…"

    private static func prefix(of text: String, bytes: Int) -> String {
        guard bytes > 0 else { return "" }
        var end = text.utf8.index(text.startIndex, offsetBy: bytes)
        while end > text.startIndex, UTF8.isContinuation(text.utf8[end]) { end = text.utf8.index(before: end) }
        return String(text[..<end])
    }
}
