import TextReading

/// Finds the messages of a mailbox (mbox, RFC 4155) one after the other.
///
/// A message begins after a line `From SENDER DATE` that follows a blank line and precedes a header field. Programs that
/// count the length of a message instead of quoting such lines in it are thereby read as well.
struct Mailbox {
    private var lines: MailLines
    private let end: Int
    /// Where the next message begins.
    private var begin: Int?

    /// - Parameter region: begins with the line before the first message
    init(_ region: FileRegion) throws {
        lines = MailLines(region, 0..<region.bytes)
        end = region.bytes
        begin = try lines.next()?.range.upperBound
    }

    /// Returns the range of the next message, without the line before it.
    mutating func next() throws -> Range<Int>? {
        guard let begin else { return nil }
        var isAfterBlank = false
        var found: (end: Int, next: Int)?
        while let line = try lines.next() {
            let bytes = lines.bytes(of: line)
            if let found, MailLine.colon(bytes) != nil || MailLine.isQuotedPostmark(bytes) {
                self.begin = found.next
                return begin..<found.end
            }
            let isPostmark = isAfterBlank && MailLine.isPostmark(bytes) && Self.hasDate(bytes)
            found = isPostmark ? (line.range.lowerBound, line.range.upperBound) : nil
            isAfterBlank = bytes.isEmpty
        }
        self.begin = nil
        return begin..<end
    }

    /// Whether a line contains a time and a year, in the many forms in which programs write them.
    private static func hasDate(_ line: ArraySlice<UInt8>) -> Bool {
        let words = line.prefix(512).split(separator: UInt8(ascii: " "))
        return words.contains { $0.count == 4 && $0.allSatisfy(\.isASCIIDigit) }
            && words.contains { word in
                word.count >= 4 && word.contains(UInt8(ascii: ":"))
                    && word.allSatisfy { $0.isASCIIDigit || $0 == UInt8(ascii: ":") }
            }
    }
}
