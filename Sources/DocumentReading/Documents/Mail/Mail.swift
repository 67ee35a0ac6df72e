import TextReading

/// Reads mail: a message (RFC 5322 and MIME), a web page saved as one (MHTML, RFC 2557), or a mailbox (mbox, RFC 4155).
///
/// The subject and the text of each message become one document. The parser is our own, because the one
/// library of Debian for it, GMime, would bring GLib and GnuPG into the confined process, which is started for each file;
/// those for Swift hold a whole message as a string. Memory does not grow with the file: parts are ranges of it, and one
/// part at a time is held.
package struct Mail: Sendable {
    private static let mostMessages = 5_000_000

    private let isMailbox: Bool
    /// Where the first message is or, in a mailbox, the line before it.
    private let begin: Int
    /// Where the message ends, if the file says so.
    private let end: Int?

    /// Whether a file's name says that it is mail.
    static func isNamed(_ name: String) -> Bool { TextFormat.mail.extensions.contains(ending(of: name)) }

    /// Recognizes mail by the first bytes of a file; nil if it is anything else.
    /// - Parameter isConfigured: whether the folder's configuration says that it is mail
    package init?(head: [UInt8], name: String, isConfigured: Bool = false) {
        let isNamed = Self.isNamed(name)
        let counted = ending(of: name) == "emlx" ? Self.countedMessage(head) : nil
        let before = counted?.lowerBound ?? 0
        // Tables and JSON are recognized by their names.
        guard isConfigured || isNamed || TextFormat.plain(name: name) == .text,
            let found = MailHead(head.dropFirst(before), isNamed: isConfigured || isNamed)
        else { return nil }
        isMailbox = found.isMailbox
        begin = before + found.begin
        end = counted?.upperBound
    }

    /// Returns where the message is in a file of Apple Mail: after a line with the number of its bytes, and before
    /// properties in XML.
    private static func countedMessage(_ head: [UInt8]) -> Range<Int>? {
        guard let lineEnd = head.prefix(32).firstIndex(of: UInt8(ascii: "\n")),
            let word = head[..<lineEnd].split(whereSeparator: { $0 <= 0x20 }).first,
            let bytes = Int(String(decoding: word, as: UTF8.self)), (0...Int(Int32.max)).contains(bytes)
        else { return nil }
        return lineEnd + 1..<lineEnd + 1 + bytes
    }

    /// Writes the text of all messages.
    /// - Parameters:
    ///   - scratch: space for parts whose encoding has to be detected
    ///   - configured: the encoding that the user configured, for parts that declare none and are not UTF-8
    /// - Throws: `RejectionError`, and errors thrown by `reading`
    package func read(
        _ region: FileRegion, scratch: ScratchFile, configured: String?, into reading: inout CorpusReading
    ) throws {
        let texts = MailText(scratch: scratch, configured: configured, isMailbox: isMailbox)
        var log = MailLog()
        var isPage = false
        if isMailbox {
            var mailbox = try Mailbox(region, from: begin)
            while let message = try mailbox.next() { try read(region, message, texts, &log, into: &reading) }
        } else {
            let end = min(end ?? region.bytes, region.bytes)
            let message = min(begin, end)..<end
            let header = try MailHeader(region, message)
            isPage = header.type.value == "multipart/related" && !header.wasSent
            try read(region, message, texts, &log, into: &reading)
        }
        try log.check(isMailbox: isMailbox)
        let count = log.messages
        let messages = ReadingAdvice.count(count, "message")
        let format = isMailbox ? "mbox with \(messages)" : count > 1 ? "mail with \(messages)" : "mail message"
        log.describe(isPage ? "web page (MHTML)" : format, to: &reading)
    }

    /// Reads a message, and others that follow its end.
    private func read(
        _ region: FileRegion, _ range: Range<Int>, _ texts: MailText, _ log: inout MailLog,
        into reading: inout CorpusReading
    ) throws {
        var message: Range<Int>? = range
        while let range = message {
            guard log.messages + log.messagesWithoutText < Self.mostMessages else {
                throw RejectionError(
                    "has more than \(Self.mostMessages) messages, which is the maximum: split the file")
            }
            var parts = MailParts(region, range, texts)
            try read(&parts, texts, &log, into: &reading)
            message = parts.followingMessage.map { $0..<range.upperBound }
        }
    }

    private func read(
        _ parts: inout MailParts, _ texts: MailText, _ log: inout MailLog, into reading: inout CorpusReading
    ) throws {
        func next() throws -> [UInt8]? {
            while let part = try parts.nextText(&log) {
                if let text = try texts.text(part, &log) { return text }
            }
            return nil
        }
        guard let first = try next() else {
            log.messagesWithoutText += 1
            return
        }
        log.messages += 1
        try reading.readDocument(.text) { take in
            try first.withUnsafeBytes(take)
            while let text = try next() {
                try Array("\n\n".utf8).withUnsafeBytes(take)
                try text.withUnsafeBytes(take)
            }
            try [UInt8(ascii: "\n")].withUnsafeBytes(take)
        }
    }
}
