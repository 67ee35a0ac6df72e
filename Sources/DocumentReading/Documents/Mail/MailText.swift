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
            }
        let trimmed = converted.withoutBlankLinesAround
        return trimmed.isEmpty ? nil : Array(trimmed)
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
        // Line ends are not part of it.
        return Array(text.split { $0 <= 0x20 || $0 == 0x7F }.joined(separator: [UInt8(ascii: " ")]))
    }

    private func body(_ header: MailHeader, _ region: FileRegion, _ log: inout MailLog) throws -> [UInt8] {
        guard let bytes = try contents(TransferEncoding(header.transferEncoding), region, &log) else { return [] }
        let isHTML = MailParts.isHTML(header.type.value)
        var charset = header.type.word("charset")
        if charset == nil, isHTML { charset = Markup.declaredEncoding(Array(bytes.prefix(Markup.headBytes))) }
        switch try decode(bytes, declared: charset, &log) {
        case .failure(let error):
            log.lose(.undecodable(error.reason.text), bytes: region.bytes)
            return []
        case .success(let text):
            log.use(bytes: region.bytes)
            if isHTML { return html(text, header.type.value, &log) }
            guard header.type.word("format") == "flowed" else { return text }
            return FlowedText(text, isSpaceDeleted: header.type.word("delsp") == "yes").text
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
        guard let bytes = try contents(encoding, region, &log) else { return [] }
        let mark = scratch.mark
        defer { scratch.release(to: mark) }
        let region = try scratch.store { append in try bytes.withUnsafeBytes(append) }
        var parts = MailParts(region, 0..<region.bytes, depth: depth)
        let inner = MailText(scratch: scratch, configured: configured, isMailbox: false)
        var texts: [[UInt8]] = []
        while let part = try parts.nextText(&log) {
            if let text = try inner.text(part, &log) { texts.append(text) }
        }
        return Array(texts.joined(separator: Array("\n\n".utf8)))
    }

    /// Returns the bytes that a part encodes, or nil if they are lost.
    private func contents(
        _ encoding: TransferEncoding?, _ region: FileRegion, _ log: inout MailLog
    ) throws -> [UInt8]? {
        guard region.bytes <= Self.mostBytes else {
            log.lose(.tooLarge, bytes: region.bytes)
            return nil
        }
        guard let encoding else {
            log.lose(.transferEncoding, bytes: region.bytes)
            return nil
        }
        let raw = try region.head(region.bytes)
        let (bytes, isDamaged) = encoding.decode(isMailbox ? raw.withoutPostmarkQuotes : raw)
        if isDamaged { log.damagedEncodings += 1 }
        return bytes
    }

    // MARK: Encodings

    private func decode(
        _ bytes: [UInt8], declared: String?, _ log: inout MailLog
    ) throws -> Result<[UInt8], RejectionError> {
        // The only encoding in use that looks like ASCII, but is not.
        let isUTF7 = declared == "utf-7" || declared == "unicode-1-1-utf-7"
        if !isUTF7, !bytes.contains(0), !bytes.contains(0x1B), bytes.isUTF8 {
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
                region, declared: declared ?? configured, configured: isUTF7 ? "UTF-7" : nil)
            log.replaced += try encoding.decode(region) { text.append(contentsOf: $0) }
            log.countEncoding(encoding.name)
        } catch let error as RejectionError {
            return .failure(error)
        }
        return .success(text)
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
