import TextReading

/// Finds the texts of a message in the tree of its parts (RFC 2046), one after the other.
///
/// Parts are ranges of the region, so that only their places are held in memory. What is before the first and after the
/// last part of a multipart is for programs that do not know MIME, and is left out.
struct MailParts {
    enum Text {
        /// The subject of the message, or of one inside it, with the encoding that the message declares.
        case subject([UInt8], charset: String?)
        case body(MailHeader, FileRegion)
        /// A message that is encoded as a whole, which MIME does not allow but programs write.
        case message(TransferEncoding?, FileRegion, depth: Int)
    }

    private struct Item {
        let region: FileRegion
        let range: Range<Int>
        /// Number of multiparts and messages around it.
        let depth: Int
        var isMessage = false
        var defaultType = "text/plain"
    }

    private static let deepest = 16
    private static let mostParts = 10_000

    /// What is still to be read; the next item is the last one.
    private var items: [Item]
    /// The body whose subject was returned last.
    private var afterSubject: Text?

    /// - Parameter depth: number of multiparts and messages around the message
    init(_ region: FileRegion, _ message: Range<Int>, depth: Int = 0) {
        items = [Item(region: region, range: message, depth: depth, isMessage: true)]
    }

    mutating func nextText(_ log: inout MailLog) throws -> Text? {
        if let text = afterSubject {
            afterSubject = nil
            return text
        }
        while let item = items.popLast() {
            let header = try MailHeader(item.region, item.range, defaultType: item.defaultType)
            let type = header.type.value
            let body = FileRegion(
                descriptor: item.region.descriptor, offset: item.region.offset + header.body.lowerBound,
                bytes: header.body.count)
            var text: Text?
            if type.hasPrefix("multipart/") {
                text = try addParts(of: header, body, item, &log)
            } else if Self.isMessage(type) {
                text = addMessage(in: header, body, item, &log)
            } else if Self.isText(type), header.disposition.value != "attachment" {
                text = .body(header, body)
            } else {
                log.leaveOut(type: type)
            }
            if item.isMessage, let subject = header.subject {
                afterSubject = text
                return .subject(subject, charset: header.type.word("charset"))
            }
            if let text { return text }
        }
        return nil
    }

    static func isHTML(_ type: String) -> Bool { type == "text/html" || type == "application/xhtml+xml" }

    private static func isText(_ type: String) -> Bool { texts.contains(type) || isHTML(type) }

    private static func isMessage(_ type: String) -> Bool {
        ["message/rfc822", "message/global", "message/news"].contains(type)
    }

    /// `text` alone is from before MIME.
    private static let texts: Set<String> = [
        "text", "text/plain", "text/markdown", "text/x-markdown", "text/x-diff", "text/x-patch",
    ]

    // MARK: Messages inside the message

    private mutating func addMessage(
        in header: MailHeader, _ body: FileRegion, _ item: Item, _ log: inout MailLog
    ) -> Text? {
        guard item.depth < Self.deepest else {
            log.lose(.tooDeep, bytes: body.bytes)
            return nil
        }
        let encoding = TransferEncoding(header.transferEncoding)
        guard encoding == .identity else { return .message(encoding, body, depth: item.depth + 1) }
        items.append(Item(region: body, range: 0..<body.bytes, depth: item.depth + 1, isMessage: true))
        return nil
    }

    // MARK: Multiparts

    /// - Returns: the body if it is not a multipart
    private mutating func addParts(
        of header: MailHeader, _ body: FileRegion, _ item: Item, _ log: inout MailLog
    ) throws -> Text? {
        guard item.depth < Self.deepest else {
            log.lose(.tooDeep, bytes: body.bytes)
            return nil
        }
        guard let ranges = try Self.parts(of: body, boundary: header.type["boundary"] ?? [], &log) else {
            return try Self.withoutBoundary(header, body, &log)
        }
        let isDigest = header.type.value == "multipart/digest"
        var parts = ranges.map {
            Item(
                region: body, range: $0, depth: item.depth + 1,
                defaultType: isDigest ? "message/rfc822" : "text/plain")
        }
        if header.type.value == "multipart/alternative" { parts = try Self.chosen(of: parts, &log) }
        items += parts.reversed()
        return nil
    }

    /// Returns the body of a multipart without its boundary as plain text if no part has a header in it: mailing lists
    /// and archives remove parts, but not the header of the message.
    private static func withoutBoundary(
        _ header: MailHeader, _ body: FileRegion, _ log: inout MailLog
    ) throws -> Text? {
        let field = Array("content-type:".utf8)
        var lines = MailLines(body, 0..<body.bytes)
        var isBlank = true
        while let line = try lines.next() {
            let bytes = lines.bytes(of: line)
            if bytes.prefix(field.count).map(\.asciiLowerCase) == field {
                log.lose(.noBoundary, bytes: body.bytes)
                return nil
            }
            if isBlank, bytes.contains(where: { $0 > 0x20 }) { isBlank = false }
        }
        guard !isBlank else { return nil }
        log.withoutBoundary += 1
        return .body(header.asPlainText(), body)
    }

    /// Returns the ranges of the parts between lines with the boundary; nil if there is no such line.
    private static func parts(
        of body: FileRegion, boundary: [UInt8], _ log: inout MailLog
    ) throws -> [Range<Int>]? {
        guard !boundary.isEmpty else { return nil }
        let delimiter = Array("--".utf8) + boundary
        var ranges: [Range<Int>] = []
        var begin: Int?
        var lines = MailLines(body, 0..<body.bytes)
        while let line = try lines.next() {
            let bytes = lines.bytes(of: line)
            guard bytes.starts(with: delimiter) else { continue }
            let rest = bytes.dropFirst(delimiter.count)
            let isLast = rest.starts(with: Array("--".utf8))
            guard rest.dropFirst(isLast ? 2 : 0).allSatisfy(\.isSpaceOrTab) else { continue }
            if let begin { ranges.append(begin..<line.range.lowerBound) }
            begin = line.range.upperBound
            if isLast { return ranges }
            guard ranges.count < mostParts else {
                log.lose(.tooManyParts, bytes: body.bytes - line.range.upperBound)
                return ranges
            }
        }
        guard let begin else { return nil }
        log.truncated += 1
        return ranges + [begin..<body.bytes]
    }

    /// Chooses one of several forms of the same text: plain text unless it is blank, or else the last one, which is the
    /// best.
    private static func chosen(of parts: [Item], _ log: inout MailLog) throws -> [Item] {
        var others: [(item: Item, type: String, isBlank: Bool)] = []
        for part in parts {
            let header = try MailHeader(part.region, part.range, defaultType: part.defaultType)
            let type = header.type.value
            let isReadable = isText(type) || isMessage(type) || type.hasPrefix("multipart/")
            guard isReadable, header.disposition.value != "attachment" else {
                log.leaveOut(type: type)
                continue
            }
            others.append((part, type, try isBlank(part.region, header.body)))
        }
        let index =
            others.firstIndex { $0.type == "text/plain" && !$0.isBlank } ?? others.lastIndex { !$0.isBlank }
            ?? others.indices.last
        guard let index else { return [] }
        log.otherForms += others.count { !$0.isBlank } - (others[index].isBlank ? 0 : 1)
        return [others[index].item]
    }

    private static func isBlank(_ region: FileRegion, _ range: Range<Int>) throws -> Bool {
        var lines = MailLines(region, range)
        while let line = try lines.next() {
            if lines.bytes(of: line).contains(where: { $0 > 0x20 }) { return false }
        }
        return true
    }
}
