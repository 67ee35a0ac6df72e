import TextReading

/// Finds the messages of a mailbox (mbox, RFC 4155) one after the other.
///
/// A message begins after a line `From SENDER DATE` that follows a blank line and precedes a header field. This also
/// handles mailboxes of programs that store the length of a message instead of quoting such lines in it. Where the
/// blank line or the date is missing, the whole head of a message has to follow.
struct Mailbox {
    private var lines: MailLines
    private let end: Int
    /// Where the next message begins.
    private var begin: Int?
    private var isAfterBlank = false

    /// - Parameters:
    ///   - region: contains the mailbox
    ///   - start: where the line before the first message is
    init(_ region: FileRegion, from start: Int) throws {
        lines = MailLines(region, min(start, region.bytes)..<region.bytes)
        end = region.bytes
        begin = try lines.next()?.range.upperBound
    }

    /// Returns the range of the next message, without the line before it.
    mutating func next() throws -> Range<Int>? {
        guard let begin else { return nil }
        var candidate: Candidate?
        while let line = try lines.next() {
            let bytes = lines.bytes(of: line)
            defer { isAfterBlank = bytes.isEmpty }
            switch candidate?.judge(bytes, end: line.range.upperBound) {
            case true?:
                self.begin = candidate?.next
                return begin..<(candidate?.end ?? end)
            case false?: candidate = nil
            case nil: if candidate != nil { continue }
            }
            candidate = Candidate(bytes, line.range, isAfterBlank: isAfterBlank)
        }
        self.begin = nil
        return begin..<end
    }

    /// A line that may be the one before a message.
    private struct Candidate {
        /// Where the message before it ends.
        let end: Int
        /// Where the message after it begins.
        let next: Int
        private let isUsual: Bool
        private var fields = MailFields(.postmark)

        init?(_ line: ArraySlice<UInt8>, _ range: Range<Int>, isAfterBlank: Bool) {
            guard MailLine.isPostmark(line) else { return nil }
            let isDated = MailLine.isDatedPostmark(line)
            guard isDated || MailLine.isUndatedPostmark(line) else { return nil }
            (end, next) = (range.lowerBound, range.upperBound)
            isUsual = isDated && isAfterBlank
        }

        /// Returns whether a message begins here, or nil if the next line decides.
        mutating func judge(_ line: ArraySlice<UInt8>, end: Int) -> Bool? {
            let isQuoted = MailLine.isQuotedPostmark(line)
            if isUsual { return MailLine.field(line) != nil || isQuoted }
            if line.isEmpty { return fields.areOfMail }
            return (isQuoted || fields.append(line)) && end - next <= MailHead.bytes ? nil : false
        }
    }
}
