import TextReading

/// The header of a message or of a part (RFC 5322, RFC 2045): the fields that decide how it is read.
struct MailHeader {
    private(set) var subject: [UInt8]?
    private(set) var type: MailValue
    let disposition: MailValue
    let transferEncoding: String
    /// Whether the message was sent, as opposed to a saved web page.
    let wasSent: Bool
    /// Where the body is in the region.
    let body: Range<Int>

    /// - Parameter defaultType: the type of a part that declares none
    init(_ region: FileRegion, _ range: Range<Int>, defaultType: String = "text/plain") throws {
        var lines = MailLines(region, range)
        var fields = Fields()
        // A line that is not a field but lacks the indentation of a folded one, and the fields before it. Unless fields
        // of mail follow, it is the beginning of the text, because the blank line can be missing.
        var unfolded: (line: Int, before: Fields)?
        var isHeadAfterUnfolded = false
        var begin = range.upperBound
        while let line = try lines.next() {
            let bytes = lines.bytes(of: line)
            if bytes.isEmpty {
                begin = line.range.upperBound
                break
            }
            if fields.append(bytes) {
                isHeadAfterUnfolded = isHeadAfterUnfolded || unfolded != nil && fields.isLastOfMail
            } else if unfolded == nil, !fields.isEmpty, line.range.lowerBound - range.lowerBound < MailHead.bytes {
                unfolded = (line.range.lowerBound, fields)
                fields.continueLast(bytes)
            } else {
                // The blank line is missing.
                if unfolded == nil { begin = line.range.lowerBound }
                isHeadAfterUnfolded = false
                break
            }
        }
        if let unfolded, !isHeadAfterUnfolded { (begin, fields) = (unfolded.line, unfolded.before) }
        wasSent = fields.wasSent
        subject = fields["subject"]
        let type = fields["content-type"].map { MailValue($0) }
        self.type = type.flatMap { $0.value.isEmpty ? nil : $0 } ?? MailValue(Array(defaultType.utf8))
        disposition = MailValue(fields["content-disposition"] ?? [])
        transferEncoding = MailValue(fields["content-transfer-encoding"] ?? []).value
        body = begin..<range.upperBound
    }

    /// The same header, for a body whose declared type is wrong.
    func asPlainText() -> MailHeader {
        var header = self
        header.type = MailValue(Array("text/plain".utf8))
        return header
    }

    /// The values of the fields that are needed.
    private struct Fields {
        /// Longer values are truncated.
        private static let longest = 16 << 10
        private static let wanted: Set<String> = [
            "subject", "content-type", "content-disposition", "content-transfer-encoding",
        ]
        private static let others: Set<String> = [
            "from", "to", "cc", "bcc", "reply-to", "sender", "date", "message-id", "mime-version", "received",
            "return-path", "references", "in-reply-to", "content-id", "content-description",
        ]

        private var values: [String: [UInt8]] = [:]
        private var name = ""
        private(set) var wasSent = false
        private(set) var isEmpty = true
        /// Whether the field that was read last occurs in mail.
        private(set) var isLastOfMail = false

        subscript(name: String) -> [UInt8]? { values[name] }

        /// - Returns: false if the line is not part of a header field
        mutating func append(_ line: ArraySlice<UInt8>) -> Bool {
            if line.first?.isSpaceOrTab ?? false {
                continueLast(line)
            } else if let field = MailLine.field(line) {
                isEmpty = false
                name = field.name.lowercased()
                isLastOfMail = Self.wanted.contains(name) || Self.others.contains(name)
                if ["to", "received", "message-id"].contains(name) { wasSent = true }
                let isWanted = Self.wanted.contains(name) && values[name] == nil
                if isWanted { values[name] = Array(field.value.prefix(Self.longest)) } else { name = "" }
            } else {
                return MailLine.isQuotedPostmark(line)
            }
            return true
        }

        /// Adds a line to the field that was read last.
        mutating func continueLast(_ line: ArraySlice<UInt8>) {
            isLastOfMail = false
            guard let count = values[name]?.count else { return }
            if !(line.first?.isSpaceOrTab ?? true) { values[name]?.append(UInt8(ascii: " ")) }
            values[name]?.append(contentsOf: line.prefix(max(0, Self.longest - count)))
        }
    }
}

/// The value of a header field with its parameters, such as `text/plain; charset="utf-8"`.
struct MailValue {
    /// In lower case.
    private(set) var value = ""
    /// By name in lower case.
    private var parameters: [String: [UInt8]] = [:]

    init(_ field: [UInt8]) {
        var rest = field[...]
        value = Self.text(Self.token(&rest))
        while let semicolon = rest.firstIndex(of: UInt8(ascii: ";")) {
            rest = rest[(semicolon + 1)...]
            let name = Self.text(Self.token(&rest))
            guard rest.first == UInt8(ascii: "=") else { continue }
            rest = rest.dropFirst()
            add(name, Self.token(&rest))
        }
    }

    /// Adds a parameter, which may be one of several pieces with numbers, and may be encoded (RFC 2231): `a*0*=utf-8''%C3`.
    private mutating func add(_ name: String, _ value: [UInt8]) {
        let parts = name.split(separator: "*", omittingEmptySubsequences: false)
        let piece = parts.count > 1 ? Int(parts[1]) : nil
        var value = value[...]
        if parts.count > 1, parts.last == "" {
            if piece ?? 0 == 0 {
                value =
                    value.split(separator: UInt8(ascii: "'"), maxSplits: 2, omittingEmptySubsequences: false).last
                    ?? value
            }
            value = Self.withoutPercents(value)[...]
        }
        let name = String(parts[0])
        if let piece, piece > 0 {
            parameters[name]?.append(contentsOf: value)
        } else if parameters[name] == nil {
            parameters[name] = Array(value)
        }
    }

    private static func withoutPercents(_ value: ArraySlice<UInt8>) -> [UInt8] {
        var (output, rest): ([UInt8], ArraySlice<UInt8>) = ([], value)
        while let byte = rest.popFirst() {
            if byte == UInt8(ascii: "%"), let high = rest.first?.hexadecimalValue,
                let low = rest.dropFirst().first?.hexadecimalValue
            {
                output.append(high << 4 | low)
                rest = rest.dropFirst(2)
            } else {
                output.append(byte)
            }
        }
        return output
    }

    subscript(name: String) -> [UInt8]? { parameters[name] }

    /// Returns the value of a parameter as text in lower case.
    func word(_ name: String) -> String? { parameters[name].map(Self.text) }

    private static func text(_ bytes: [UInt8]) -> String { String(decoding: bytes, as: UTF8.self).lowercased() }

    /// Takes a word or a quoted string, and the white space around it.
    private static func token(_ rest: inout ArraySlice<UInt8>) -> [UInt8] {
        var token: [UInt8] = []
        rest = rest.drop { $0 <= 0x20 }
        if rest.first == UInt8(ascii: "\"") {
            rest = rest.dropFirst()
            while let byte = rest.popFirst(), byte != UInt8(ascii: "\"") {
                token.append(byte == UInt8(ascii: "\\") ? rest.popFirst() ?? byte : byte)
            }
        } else {
            token = Array(rest.prefix { $0 > 0x20 && $0 != UInt8(ascii: ";") && $0 != UInt8(ascii: "=") })
            rest = rest.dropFirst(token.count)
        }
        rest = rest.drop { $0 <= 0x20 }
        return token
    }
}
