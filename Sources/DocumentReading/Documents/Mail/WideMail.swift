import TextReading

/// Mail in UTF-16 or UTF-32, which programs write that save a message as text.
enum WideMail {
    /// Recognizes such mail by its beginning.
    /// - Returns: its encoding, or nil if the file is anything else
    static func encoding(of region: FileRegion, name: String, _ options: ReadingOptions) throws -> TextEncoding? {
        guard options.format == nil || options.format == .mail else { return nil }
        let head = try region.head(FileKind.headBytes)
        guard FileKind.beginsWithWideMark(head) || UnicodeForm.isUnmarked(head) else { return nil }
        do {
            let begin = FileRegion(
                descriptor: region.descriptor, offset: region.offset, bytes: min(region.bytes, 4 * MailHead.bytes))
            var text: [UInt8] = []
            _ = try determine(begin, options).decode(begin) { text.append(contentsOf: $0) }
            guard
                Mail(head: Array(text.prefix(MailHead.bytes)), name: name, isConfigured: options.format == .mail) != nil
            else { return nil }
            return try determine(region, options)
        } catch is RejectionError {
            // The reader of texts gives the reason.
            return nil
        }
    }

    private static func determine(_ region: FileRegion, _ options: ReadingOptions) throws -> TextEncoding {
        let configured = options.encoding.flatMap { EncodingName($0)?.unitBytes ?? 1 > 1 ? $0 : nil }
        return try TextEncoding.determine(region, declared: nil, configured: configured)
    }
}
