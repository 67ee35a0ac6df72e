/// The beginning of a file that is mail: a message, or a mailbox (mbox) with several.
///
/// Letters, plays and lists of settings also have lines such as `From: x`, and a text that is taken for mail loses them.
/// So a block of header fields counts only if it ends with a blank line, and if two fields have values that programs
/// write. A file whose name says that it is mail needs the fields, but not their values.
package struct MailHead: Sendable, Equatable {
    /// Number of bytes at the beginning of a file that decide.
    package static let bytes = 64 << 10

    /// Whether the file begins with the line before each message of a mailbox.
    package let isMailbox: Bool

    /// Returns nil if the file is not mail.
    /// - Parameters:
    ///   - head: the first bytes of the file
    ///   - isNamed: whether the file's name or its folder's configuration says that it is mail
    package init?(_ head: some Sequence<UInt8>, isNamed: Bool = false) {
        let head = Array(head.prefix(Self.bytes))
        var rest = head[...]
        if rest.starts(with: [0xEF, 0xBB, 0xBF]) { rest = rest.dropFirst(3) }
        isMailbox = MailLine.isPostmark(rest)
        if isMailbox { rest = rest[(MailLine.end(rest) ?? rest.endIndex)...].dropFirst() }
        var fields = MailFields(areValuesChecked: !isNamed)
        while let end = MailLine.end(rest) {
            let line = MailLine.content(rest[..<end])
            rest = rest[(end + 1)...]
            if line.isEmpty {
                guard fields.areOfMail else { return nil }
                return
            }
            guard fields.append(line) || isMailbox && MailLine.isQuotedPostmark(line) else { return nil }
        }
        guard isNamed, rest.isEmpty || head.count == Self.bytes, fields.areOfMail else { return nil }
    }

    /// Whether a file can be mail, by its first few bytes.
    static func isPossible(_ begin: some Sequence<UInt8>) -> Bool {
        let begin = Array(begin)[...]
        return MailLine.isPostmark(begin) || MailLine.colon(begin) != nil
    }
}

/// Lines of mail, as RFC 5322 and RFC 4155 define them.
package enum MailLine {
    private static let longestName = 76
    private static let from = Array("From ".utf8)

    /// Returns the place of the line feed that ends the first line.
    static func end(_ bytes: ArraySlice<UInt8>) -> Int? { bytes.firstIndex(of: UInt8(ascii: "\n")) }

    /// Returns a line without the carriage return at its end.
    static func content(_ line: ArraySlice<UInt8>) -> ArraySlice<UInt8> {
        line.last == UInt8(ascii: "\r") ? line.dropLast() : line
    }

    /// Returns the place of the colon after the name of a header field, or nil if the line does not begin with a name.
    package static func colon(_ line: ArraySlice<UInt8>) -> Int? {
        let name = line.prefix(longestName + 1).prefix { byte in
            switch byte {
            case UInt8(ascii: "0")...UInt8(ascii: "9"), UInt8(ascii: "A")...UInt8(ascii: "Z"),
                UInt8(ascii: "a")...UInt8(ascii: "z"), UInt8(ascii: "-"), UInt8(ascii: "_"), UInt8(ascii: "."):
                true
            default: false
            }
        }
        guard !name.isEmpty, name.endIndex < line.endIndex, line[name.endIndex] == UInt8(ascii: ":") else {
            return nil
        }
        return name.endIndex
    }

    /// Whether the line begins like the one before each message of a mailbox.
    package static func isPostmark(_ line: ArraySlice<UInt8>) -> Bool { line.starts(with: from) }

    /// Whether the line is in a message, and would otherwise look like the one before each message of a mailbox.
    package static func isQuotedPostmark(_ line: ArraySlice<UInt8>) -> Bool {
        line.first == UInt8(ascii: ">") && isPostmark(line.drop { $0 == UInt8(ascii: ">") })
    }
}

/// Collects the fields that show that a block of header fields is that of a message.
private struct MailFields {
    private static let longestValue = 1024
    private static let names: Set<String> = [
        "from", "to", "subject", "date", "message-id", "mime-version", "received",
    ]

    let areValuesChecked: Bool
    private var found: Set<String> = []
    private var hasParts = false
    private var current: (name: String, value: [UInt8])?

    init(areValuesChecked: Bool) { self.areValuesChecked = areValuesChecked }

    /// - Returns: false if the line is not part of a header field
    mutating func append(_ line: ArraySlice<UInt8>) -> Bool {
        if line.first == UInt8(ascii: " ") || line.first == UInt8(ascii: "\t") {
            guard let count = current?.value.count else { return false }
            current?.value.append(contentsOf: line.prefix(max(0, Self.longestValue - count)))
            return true
        }
        guard let colon = MailLine.colon(line) else { return false }
        judge()
        // Programs capitalize names; settings and tables of other kinds often do not.
        let name = String(decoding: line[..<colon], as: UTF8.self)
        let isCapitalized = name.first?.isUppercase ?? false
        current = (
            isCapitalized || !areValuesChecked ? name.lowercased() : "",
            Array(line[(colon + 1)...].prefix(Self.longestValue))
        )
        return true
    }

    var areOfMail: Bool {
        mutating get {
            judge()
            return found.count >= 2 || hasParts && found.contains("mime-version")
        }
    }

    /// Judges the last field.
    private mutating func judge() {
        guard let (name, bytes) = current else { return }
        current = nil
        let value = String(decoding: bytes, as: UTF8.self)
        let words = value.split { $0.isWhitespace || $0 == "," }
        if name == "content-type" { hasParts = words.first?.lowercased().hasPrefix("multipart/") ?? false }
        guard Self.names.contains(name), !areValuesChecked || Self.isOfMail(value, words, name: name) else { return }
        found.insert(name)
    }

    private static func isOfMail(_ value: String, _ words: [Substring], name: String) -> Bool {
        switch name {
        case "from", "to": value.contains("@")
        case "message-id": (words.first?.hasPrefix("<") ?? false) && value.contains("@") && value.contains(">")
        case "mime-version": words.first?.hasPrefix("1.") ?? false
        case "received": value.contains(";") && words.contains { $0 == "from" || $0 == "by" }
        case "date": isDate(words)
        default: true
        }
    }

    private static let months: Set<String> = [
        "jan", "feb", "mar", "apr", "may", "jun", "jul", "aug", "sep", "oct", "nov", "dec",
    ]

    /// Whether the words contain those of a date in RFC 5322, such as `1 Jan 2024 12:00`.
    private static func isDate(_ words: [Substring]) -> Bool {
        words.indices.dropFirst().dropLast(2).contains { index in
            months.contains(words[index].lowercased()) && words[index - 1].count <= 2
                && words[index - 1].allSatisfy(\.isNumber) && words[index + 1].allSatisfy(\.isNumber)
                && words[index + 2].contains(":")
        }
    }
}
