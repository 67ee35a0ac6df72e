import TextReading

/// Converts the texts of messages to UTF-8. One part at a time is held in memory.
struct MailText {
    /// Maximum size of a part. Larger texts are data that programs sent.
    static let mostBytes = 32 << 20

    /// Used only while a text is converted, because its owner may store the converted texts in it.
    let scratch: ScratchFile
    /// The encoding that the user configured, for parts that declare none and are not UTF-8.
    let configured: String?
    let isMailbox: Bool

    /// Returns the text without blank lines around it, or nil if there is none.
    func text(_ text: MailParts.Text, _ log: inout MailLog) throws -> [UInt8]? {
        let converted =
            switch text {
            case .subject(let field, let charset): try subject(field, charset, &log)
            case .body(let header, let region): try body(header, region, &log)
            case .message(let encoding, let region, let depth): try message(encoding, region, depth, &log)
            case .converted(let text): text
            }
        let trimmed = converted.withoutBlankLinesAround
        return trimmed.isInvisible ? nil : Array(trimmed)
    }

    private func subject(_ field: [UInt8], _ charset: String?, _ log: inout MailLog) throws -> [UInt8] {
        let words = EncodedWords(field)
        log.undecodableWords += words.undecodable
        var text = words.text
        if !text.isUTF8 {
            switch try decode(text, declared: charset, &log) {
            case .success(let decoded): text = decoded
            case .failure:
                text = Array(String(decoding: text, as: UTF8.self).utf8)
                log.undecodableWords += 1
            }
        }
        // A subject contains no line ends.
        return Array(text.split { $0 <= 0x20 || $0 == 0x7F }.joined(separator: [UInt8(ascii: " ")]))
    }

    private func body(_ header: MailHeader, _ region: FileRegion, _ log: inout MailLog) throws -> [UInt8] {
        guard let contents = try contents(TransferEncoding(header.transferEncoding), region, &log) else { return [] }
        let isHTML = MailParts.isHTML(header.type.value)
        var charset = header.type.word("charset")
        if charset == nil, isHTML {
            charset = Markup.declaredEncoding(Array(contents.bytes.prefix(Markup.headBytes)))
        }
        let size = region.bytes - contents.footer.count
        var text: [UInt8] = []
        switch try decode(contents.bytes, declared: charset, &log) {
        case .failure(let error): log.lose(.undecodable(error.reason.text), bytes: size)
        case .success(let decoded):
            log.use(bytes: size)
            let type = header.type.value
            if isHTML {
                text = html(decoded, type, &log)
            } else if type == "text/enriched" || type == "text/richtext" {
                text = EnrichedText(decoded, isRichtext: type == "text/richtext").text
            } else if header.type.word("format") == "flowed" {
                text = FlowedText(decoded, isSpaceDeleted: header.type.word("delsp") == "yes").text
            } else {
                text = decoded
            }
        }
        return try join(text, footer: contents.footer, &log)
    }

    /// Adds the text that follows an encoded one without being encoded.
    private func join(_ text: [UInt8], footer: [UInt8], _ log: inout MailLog) throws -> [UInt8] {
        guard !footer.isEmpty else { return text }
        switch try decode(footer, declared: nil, &log) {
        case .failure(let error):
            log.lose(.undecodable(error.reason.text), bytes: footer.count)
            return text
        case .success(let footer):
            log.use(bytes: footer.count)
            return Array(
                [text, footer].map(\.withoutBlankLinesAround).filter { !$0.isEmpty }
                    .joined(separator: Array("\n\n".utf8)))
        }
    }

    private func html(_ text: [UInt8], _ type: String, _ log: inout MailLog) -> [UInt8] {
        var document = HTMLDocument(isXHTML: type == "application/xhtml+xml")
        var output: [UInt8] = []
        text.withUnsafeBytes { document.append($0) { output.append(contentsOf: $0) } }
        document.finish { output.append(contentsOf: $0) }
        log.loseMarkup(bytes: document.bytesLeftOut)
        return output
    }

    /// Returns the texts of a message. At most `MailParts.deepest` are inside each other.
    private func message(
        _ encoding: TransferEncoding?, _ region: FileRegion, _ depth: Int, _ log: inout MailLog
    ) throws -> [UInt8] {
        guard let contents = try contents(encoding, region, &log) else { return [] }
        let mark = scratch.mark
        defer { scratch.release(to: mark) }
        let region = try scratch.store { append in try contents.bytes.withUnsafeBytes(append) }
        let inner = MailText(scratch: scratch, configured: configured, isMailbox: false)
        var parts = MailParts(region, 0..<region.bytes, inner, depth: depth)
        var texts: [[UInt8]] = []
        while let part = try parts.nextText(&log) {
            if let text = try inner.text(part, &log) { texts.append(text) }
        }
        return try join(Array(texts.joined(separator: Array("\n\n".utf8))), footer: contents.footer, &log)
    }

    /// Returns the bytes that a part encodes and those after them that are not encoded, or nil if they are lost.
    private func contents(
        _ encoding: TransferEncoding?, _ region: FileRegion, _ log: inout MailLog
    ) throws -> (bytes: [UInt8], footer: [UInt8])? {
        guard region.bytes <= Self.mostBytes else {
            log.lose(.tooLarge, bytes: region.bytes)
            return nil
        }
        guard let encoding else {
            log.lose(.transferEncoding, bytes: region.bytes)
            return nil
        }
        let raw = try region.head(region.bytes)
        let lines = isMailbox ? raw.withoutPostmarkQuotes : raw
        let end = encoding.end(lines)
        let (bytes, isDamaged) = encoding.decode(end == lines.count ? lines : Array(lines[..<end]))
        if isDamaged { log.damagedEncodings += 1 }
        return (bytes, Array(lines[end...]))
    }

    // MARK: Encodings

    private func decode(
        _ bytes: [UInt8], declared: String?, _ log: inout MailLog
    ) throws -> Result<[UInt8], RejectionError> {
        let sevenBit = declared.flatMap { Self.sevenBitEncoding($0, of: bytes) }
        if sevenBit == nil, !bytes.contains(0), !bytes.contains(0x1B), bytes.isUTF8 {
            log.countEncoding("UTF-8")
            return .success(bytes.starts(with: [0xEF, 0xBB, 0xBF]) ? Array(bytes.dropFirst(3)) : bytes)
        }
        let mark = scratch.mark
        defer { scratch.release(to: mark) }
        let region = try scratch.store { append in try bytes.withUnsafeBytes(append) }
        var text: [UInt8] = []
        text.reserveCapacity(bytes.count)
        do {
            let encoding = try TextEncoding.determine(
                region, declared: declared ?? configured, configured: sevenBit)
            log.replaced += try encoding.decode(region) { text.append(contentsOf: $0) }
            log.countEncoding(encoding.name)
        } catch let error as RejectionError {
            return .failure(error)
        }
        return .success(text)
    }

    /// Returns the declared encoding if it is one that looks like ASCII, but is not.
    private static func sevenBitEncoding(_ declared: String, of bytes: [UInt8]) -> String? {
        if declared == "utf-7" || declared == "unicode-1-1-utf-7" { return "UTF-7" }
        let hz = EncodingName.known("HZ-GB-2312")
        // A text without its escape sequences is ASCII, which a single `~` does not make undecodable.
        guard EncodingName(declared) == hz, bytes.contains([UInt8(ascii: "~"), UInt8(ascii: "{")]) else { return nil }
        return hz.name
    }
}

extension ArraySlice<UInt8> {
    /// Whether the text has nothing but white space, byte-order marks and other invisible characters.
    fileprivate var isInvisible: Bool {
        var (decoder, bytes) = (UTF8(), makeIterator())
        while true {
            switch decoder.decode(&bytes) {
            case .emptyInput: return true
            case .error: return false
            case .scalarValue(let scalar):
                let isBlank = scalar.value <= 0x20 || scalar.value == 0x7F || scalar.properties.isWhitespace
                if !isBlank, !scalar.properties.isDefaultIgnorableCodePoint { return false }
            }
        }
    }
}

extension [UInt8] {
    /// The text without blank lines at its beginning and white space at its end.
    fileprivate var withoutBlankLinesAround: ArraySlice<UInt8> {
        guard let last = lastIndex(where: { $0 > 0x20 && $0 != 0x7F }),
            let first = firstIndex(where: { $0 > 0x20 && $0 != 0x7F })
        else { return [] }
        let begin = self[..<first].lastIndex { $0 == UInt8(ascii: "\n") || $0 == UInt8(ascii: "\r") }
        return self[(begin.map { $0 + 1 } ?? 0)...last]
    }
}
