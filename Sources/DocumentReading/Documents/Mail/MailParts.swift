import TextReading

/// Finds the texts of a message in the tree of its parts (RFC 2046), one after the other.
///
/// Parts are ranges of the region, so that only their places are held in memory. What is before the first and after the
/// last part of a multipart is left out; it counts as lost unless it is the usual note for programs that do not know MIME.
struct MailParts {
    enum Text {
        /// The subject of the message, or of one inside it, with the encoding that the message declares.
        case subject([UInt8], charset: String?)
        case body(MailHeader, FileRegion)
        /// A message that is encoded as a whole, which MIME does not allow but programs write.
        case message(TransferEncoding?, FileRegion, depth: Int)
        /// The chosen form of a text, already converted because the choice required it.
        case converted([UInt8])
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
    private let texts: MailText
    /// Where another message begins after the last part of this one. Known after the last text.
    private(set) var followingMessage: Int?

    /// - Parameters:
    ///   - texts: converts forms of the same text, to choose one that is not blank
    ///   - depth: number of multiparts and messages around the message
    init(_ region: FileRegion, _ message: Range<Int>, _ texts: MailText, depth: Int = 0) {
        self.texts = texts
        items = [Item(region: region, range: message, depth: depth, isMessage: true)]
    }

    mutating func nextText(_ log: inout MailLog) throws -> Text? {
        if let text = afterSubject {
            afterSubject = nil
            return text
        }
        while let item = items.popLast() {
            let (header, body) = try Self.open(item)
            let type = header.type.value
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

    /// `text` alone predates MIME.
    private static func isText(_ type: String) -> Bool {
        type == "text" || isHTML(type) || type.hasPrefix("text/") && !data.contains(type)
    }

    private static func isMessage(_ type: String) -> Bool {
        ["message/rfc822", "message/global", "message/news"].contains(type)
    }

    /// Types that are called text, but are meant for programs.
    private static let data: Set<String> = [
        "text/calendar", "text/css", "text/csv", "text/directory", "text/ecmascript", "text/javascript",
        "text/rfc822-headers", "text/rtf", "text/tab-separated-values", "text/vcard", "text/x-amp-html", "text/x-vcard",
        "text/xml",
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
        let isOutermost = item.isMessage && item.depth == 0
        guard let division = try Self.divide(header, body, isOutermost: isOutermost, &log) else {
            return try Self.withoutBoundary(header, body, &log)
        }
        if let place = division.followingMessage { followingMessage = header.body.lowerBound + place }
        let parts = Self.items(header, body, division.parts, depth: item.depth + 1)
        if header.type.value == "multipart/alternative" { return try addOne(of: parts, &log) }
        items += parts.reversed()
        return nil
    }

    private static func items(
        _ header: MailHeader, _ body: FileRegion, _ parts: [Range<Int>], depth: Int
    ) -> [Item] {
        let isDigest = header.type.value == "multipart/digest"
        return parts.map {
            Item(region: body, range: $0, depth: depth, defaultType: isDigest ? "message/rfc822" : "text/plain")
        }
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

    private struct Division {
        var parts: [Range<Int>] = []
        /// Where another message begins after the last part.
        var followingMessage: Int?
    }

    /// Returns the parts between lines with the boundary; nil if there is no such line.
    private static func divide(
        _ header: MailHeader, _ body: FileRegion, isOutermost: Bool, _ log: inout MailLog
    ) throws -> Division? {
        guard let boundary = header.type["boundary"], !boundary.isEmpty else { return nil }
        let delimiter = Array("--".utf8) + boundary
        var found = Division()
        var begin: Int?
        var preamble = Preamble()
        var lines = MailLines(body, 0..<body.bytes)
        while let line = try lines.next() {
            let bytes = lines.bytes(of: line)
            guard let isLast = isLast(bytes, delimiter) else {
                if begin == nil { preamble.append(bytes) }
                continue
            }
            if let begin {
                found.parts.append(begin..<line.range.lowerBound)
            } else if preamble.isText {
                log.lose(.outsideParts, bytes: line.range.lowerBound)
            }
            begin = line.range.upperBound
            if isLast {
                found.followingMessage = try messageAfterParts(
                    &lines, body, delimiter, isOutermost: isOutermost, &log)
                return found
            }
            guard found.parts.count < mostParts else {
                log.lose(.tooManyParts, bytes: body.bytes - line.range.upperBound)
                return found
            }
        }
        guard let begin else { return nil }
        log.truncated += 1
        found.parts.append(begin..<body.bytes)
        return found
    }

    /// Returns whether a line with the boundary is the last one; nil if it is another line.
    private static func isLast(_ line: ArraySlice<UInt8>, _ delimiter: [UInt8]) -> Bool? {
        guard line.starts(with: delimiter) else { return nil }
        let rest = line.dropFirst(delimiter.count)
        let isLast = rest.starts(with: Array("--".utf8))
        return rest.dropFirst(isLast ? 2 : 0).allSatisfy(\.isSpaceOrTab) ? isLast : nil
    }

    /// The text before the first part of a multipart.
    private struct Preamble {
        private static let longestNote = 1024

        private var bytes = 0
        private var begin: [UInt8] = []

        mutating func append(_ line: ArraySlice<UInt8>) {
            guard !MailLine.isBlank(line) else { return }
            bytes += line.count
            begin.append(contentsOf: line.prefix(max(0, Self.longestNote - begin.count)))
        }

        /// Whether it is more than the note that the message is in MIME format.
        var isText: Bool {
            guard bytes > 0 else { return false }
            guard bytes <= Self.longestNote else { return true }
            let note = begin.map(\.asciiLowerCase)
            return !["mime", "multipart", "multi-part"].contains { note.contains(Array($0.utf8)) }
        }
    }

    /// Returns where another message begins after the last part of one, as in files of messages that were joined.
    /// Anything else is lost.
    private static func messageAfterParts(
        _ lines: inout MailLines, _ body: FileRegion, _ delimiter: [UInt8], isOutermost: Bool, _ log: inout MailLog
    ) throws -> Int? {
        while let line = try lines.next() {
            let bytes = lines.bytes(of: line)
            // Programs repeat the last boundary.
            if MailLine.isBlank(bytes) || isLast(bytes, delimiter) == true { continue }
            let begin = line.range.lowerBound
            let rest = FileRegion(
                descriptor: body.descriptor, offset: body.offset + begin, bytes: body.bytes - begin)
            if isOutermost, let head = try MailHead.find(rest.head) {
                return head.isMailbox ? line.range.upperBound : begin
            }
            log.lose(.outsideParts, bytes: rest.bytes)
            return nil
        }
        return nil
    }

    // MARK: Forms of the same text

    /// Chooses one of several forms of the same text: plain text, or else the last one, which is the best. Forms that are
    /// blank or cannot be decoded are not chosen.
    /// - Returns: the text if it is not divided further
    private mutating func addOne(of parts: [Item], _ log: inout MailLog) throws -> Text? {
        var forms: [(item: Item, header: MailHeader, body: FileRegion)] = []
        for part in parts {
            let (header, body) = try Self.open(part)
            let type = header.type.value
            let isReadable = Self.isText(type) || Self.isMessage(type) || type.hasPrefix("multipart/")
            if isReadable, header.disposition.value != "attachment" {
                forms.append((part, header, body))
            } else {
                log.leaveOut(type: type)
            }
        }
        func isPlain(_ index: Int) -> Bool { forms[index].header.type.value == "text/plain" }
        var blank: Set<Int> = []
        var failed: MailLog?
        for index in forms.indices.filter(isPlain) + forms.indices.reversed().filter({ !isPlain($0) }) {
            let form = forms[index]
            var text: [UInt8]?
            if Self.isText(form.header.type.value) {
                var trial = log
                text = try texts.text(.body(form.header, form.body), &trial)
                let isLost = trial.bytesLost > log.bytesLost
                guard text != nil else {
                    if !isLost { blank.insert(index) } else if failed == nil { failed = trial }
                    continue
                }
                log = trial
            } else if try Self.isBlank(form.body) {
                blank.insert(index)
                continue
            } else {
                items.append(form.item)
            }
            for other in forms.indices where other != index && !blank.contains(other) {
                if try !Self.isBlank(forms[other].body) { log.otherForms += 1 }
                try Self.leaveOutAttachments(in: forms[other].item, &log)
            }
            return text.map { .converted($0) }
        }
        if let failed { log = failed }
        return nil
    }

    private static func open(_ item: Item) throws -> (header: MailHeader, body: FileRegion) {
        let header = try MailHeader(item.region, item.range, defaultType: item.defaultType)
        let body = FileRegion(
            descriptor: item.region.descriptor, offset: item.region.offset + header.body.lowerBound,
            bytes: header.body.count)
        return (header, body)
    }

    /// Accounts for the attachments in a multipart that is not used.
    private static func leaveOutAttachments(in form: Item, _ log: inout MailLog) throws {
        var items = [form]
        while let item = items.popLast() {
            let (header, body) = try open(item)
            if header.type.value.hasPrefix("multipart/") {
                var unused = MailLog()
                guard item.depth < deepest, let division = try divide(header, body, isOutermost: false, &unused)
                else { continue }
                items += Self.items(header, body, division.parts, depth: item.depth + 1)
            } else if item.depth > form.depth,
                !isText(header.type.value) || header.disposition.value == "attachment"
            {
                log.leaveOut(type: header.type.value)
            }
        }
    }

    private static func isBlank(_ region: FileRegion) throws -> Bool {
        var lines = MailLines(region, 0..<region.bytes)
        while let line = try lines.next() {
            if !MailLine.isBlank(lines.bytes(of: line)) { return false }
        }
        return true
    }
}
