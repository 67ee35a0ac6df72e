import TextReading

/// The header of a message or of a part (RFC 5322, RFC 2045): the fields that decide how it is read.
struct MailHeader {
    /// Fields that are longer are cut.
    private static let longestField = 16 << 10

    private(set) var subject: [UInt8]?
    let type: MailValue
    let disposition: MailValue
    let transferEncoding: String
    /// Whether the message was sent, and is not only a page that was saved.
    private(set) var wasSent = false
    /// Where the body is in the region.
    let body: Range<Int>

    /// - Parameter defaultType: the type of a part that states none
    init(_ region: FileRegion, _ range: Range<Int>, defaultType: String = "text/plain") throws {
        var lines = MailLines(region, range)
        var fields: [String: [UInt8]] = [:]
        var name = ""
        var begin = range.upperBound
        while let line = try lines.next() {
            let bytes = lines.bytes(of: line)
            if bytes.isEmpty {
                begin = line.range.upperBound
                break
            }
            if bytes.first == UInt8(ascii: " ") || bytes.first == UInt8(ascii: "\t") {
                let count = fields[name]?.count ?? 0
                fields[name]?.append(contentsOf: bytes.prefix(max(0, Self.longestField - count)))
            } else if let colon = MailLine.colon(bytes) {
                name = String(decoding: bytes[..<colon], as: UTF8.self).lowercased()
                if ["to", "received", "message-id"].contains(name) { wasSent = true }
                let isWanted = Self.wanted.contains(name) && fields[name] == nil
                if isWanted { fields[name] = Array(bytes[(colon + 1)...]) } else { name = "" }
            } else if !MailLine.isQuotedPostmark(bytes) {
                // The blank line is missing.
                begin = line.range.lowerBound
                break
            }
        }
        subject = fields["subject"]
        let type = fields["content-type"].map { MailValue($0) }
        self.type = type.flatMap { $0.value.isEmpty ? nil : $0 } ?? MailValue(Array(defaultType.utf8))
        disposition = MailValue(fields["content-disposition"] ?? [])
        transferEncoding = MailValue(fields["content-transfer-encoding"] ?? []).value
        body = begin..<range.upperBound
    }

    private static let wanted: Set<String> = [
        "subject", "content-type", "content-disposition", "content-transfer-encoding",
    ]
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
            let value = Self.token(&rest)
            if parameters[name] == nil { parameters[name] = value }
        }
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
