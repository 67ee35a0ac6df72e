/// The beginning of a file that is mail: a message, or a mailbox (mbox) with several.
///
/// Notes, bug reports, plays and lists of settings also have lines such as `From: x` or `Subject: y`, and a text that is
/// taken for mail loses them. So a block of header fields counts only if it ends with a blank line and has fields with
/// values that programs write: a message ID, the route it took, the version of MIME, or the addresses of two people. A
/// file whose name says that it is mail needs two fields, but not their values.
package struct MailHead: Sendable, Equatable {
    /// Number of bytes at the beginning of a file that decide.
    package static let bytes = 64 << 10

    /// Whether the file begins with the line before each message of a mailbox.
    package let isMailbox: Bool
    /// Number of bytes before the header fields, or before the line that precedes them in a mailbox.
    package let begin: Int

    /// Returns nil if the file is not mail.
    /// - Parameters:
    ///   - head: the first bytes of the file
    ///   - isNamed: whether the file's name or its folder's configuration says that it is mail
    package init?(_ head: some Sequence<UInt8>, isNamed: Bool = false) {
        let head = Array(head.prefix(Self.bytes))
        var rest = head[...]
        if rest.starts(with: [0xEF, 0xBB, 0xBF]) { rest = rest.dropFirst(3) }
        while isNamed, let end = MailLine.end(rest), MailLine.isBlank(rest[..<end]) { rest = rest[(end + 1)...] }
        begin = rest.startIndex
        isMailbox = MailLine.isPostmark(rest)
        var evidence: MailFields.Evidence = isNamed ? .name : .none
        if isMailbox {
            let end = MailLine.end(rest) ?? rest.endIndex
            if !isNamed, MailLine.isDatedPostmark(rest[..<end]) { evidence = .postmark }
            rest = rest[end...].dropFirst()
        }
        var fields = MailFields(evidence)
        var mayBeUnfolded = isNamed
        while let end = MailLine.end(rest) {
            let line = MailLine.content(rest[..<end])
            rest = rest[(end + 1)...]
            if line.isEmpty {
                guard fields.areOfMail else { return nil }
                return
            }
            if fields.append(line) || isMailbox && MailLine.isQuotedPostmark(line) { continue }
            guard mayBeUnfolded, !fields.isEmpty else { return nil }
            mayBeUnfolded = false
        }
        guard isNamed, rest.isEmpty || head.count == Self.bytes, fields.areOfMail else { return nil }
    }

    /// Recognizes mail that is not named so, reading no more than its head needs.
    /// - Parameter read: returns so many of the first bytes, or all if there are fewer
    package static func find(_ read: (_ count: Int) throws -> [UInt8]) rethrows -> MailHead? {
        var count = fewestBytes
        while true {
            let head = try read(count)
            if head.count < count || count >= bytes || hasBlankLine(head) { return MailHead(head) }
            count = min(bytes, 4 * count)
        }
    }

    private static let fewestBytes = 1 << 10

    /// Whether the bytes contain the end of the head.
    private static func hasBlankLine(_ head: [UInt8]) -> Bool {
        let lines = head.split(separator: UInt8(ascii: "\n"), omittingEmptySubsequences: false).dropLast()
        return lines.contains { MailLine.content($0).isEmpty }
    }

    /// Whether a file can be mail, judging by its first few bytes.
    static func isPossible(_ begin: some Sequence<UInt8>) -> Bool {
        let begin = Array(begin)[...]
        return MailLine.isPostmark(begin) || MailLine.field(begin) != nil
    }
}

/// Lines of mail, as RFC 5322 and RFC 4155 define them.
package enum MailLine {
    private static let longestName = 76
    private static let longestPostmark = 512
    private static let from = Array("From ".utf8)

    /// Returns the place of the line feed that ends the first line.
    static func end(_ bytes: ArraySlice<UInt8>) -> Int? { bytes.firstIndex(of: UInt8(ascii: "\n")) }

    /// Returns a line without the carriage return at its end.
    static func content(_ line: ArraySlice<UInt8>) -> ArraySlice<UInt8> {
        line.last == UInt8(ascii: "\r") ? line.dropLast() : line
    }

    /// Whether a line is nothing but white space.
    package static func isBlank(_ line: ArraySlice<UInt8>) -> Bool { line.allSatisfy { $0 <= 0x20 } }

    /// Returns the name and the value of a header field, or nil if the line does not begin one. White space before the
    /// colon is obsolete, but allowed.
    package static func field(_ line: ArraySlice<UInt8>) -> (name: String, value: ArraySlice<UInt8>)? {
        let name = line.prefix(longestName + 1).prefix { (0x21...0x7E).contains($0) && $0 != UInt8(ascii: ":") }
        let rest = line[name.endIndex...].drop { $0.isSpaceOrTab }
        guard !name.isEmpty, name.count <= longestName, rest.first == UInt8(ascii: ":") else { return nil }
        return (String(decoding: name, as: UTF8.self), rest.dropFirst())
    }

    /// Whether the line begins like the one before each message of a mailbox.
    package static func isPostmark(_ line: ArraySlice<UInt8>) -> Bool { line.starts(with: from) }

    /// Whether a line `From SENDER DATE` has a time and a year in the many forms in which programs write them, or a sender
    /// with an address and a date of ISO 8601.
    package static func isDatedPostmark(_ line: ArraySlice<UInt8>) -> Bool {
        let words = words(ofPostmark: line)
        let hasYear = words.contains { $0.count == 4 && $0.allSatisfy(isDigit) }
        let hasTime = words.contains { word in
            word.count >= 4 && word.contains(UInt8(ascii: ":"))
                && word.allSatisfy { isDigit($0) || $0 == UInt8(ascii: ":") }
        }
        return hasYear && hasTime || words.count > 1 && isAddress(words[0]) && isISODate(words[1])
    }

    /// Whether a line `From SENDER` has a sender with an address and nothing else.
    package static func isUndatedPostmark(_ line: ArraySlice<UInt8>) -> Bool {
        let words = words(ofPostmark: line)
        return words.count == 1 && isAddress(words[0])
    }

    /// Whether the line is in a message, and would otherwise look like the one before each message of a mailbox.
    package static func isQuotedPostmark(_ line: ArraySlice<UInt8>) -> Bool {
        line.first == UInt8(ascii: ">") && isPostmark(line.drop { $0 == UInt8(ascii: ">") })
    }

    /// Returns the words after `From`, or none if the line is not a postmark.
    private static func words(ofPostmark line: ArraySlice<UInt8>) -> [ArraySlice<UInt8>] {
        guard isPostmark(line) else { return [] }
        return line.prefix(longestPostmark).split { $0 <= 0x20 }.dropFirst().map { $0 }
    }

    private static func isAddress(_ word: ArraySlice<UInt8>) -> Bool {
        word.dropFirst().dropLast().contains(UInt8(ascii: "@"))
    }

    private static func isISODate(_ word: ArraySlice<UInt8>) -> Bool {
        word.count >= 10
            && word.prefix(10).enumerated().allSatisfy { place, byte in
                place == 4 || place == 7 ? byte == UInt8(ascii: "-") : isDigit(byte)
            }
    }

    private static func isDigit(_ byte: UInt8) -> Bool { (UInt8(ascii: "0")...UInt8(ascii: "9")).contains(byte) }
}

/// Collects the fields that show that a block of header fields is that of a message.
package struct MailFields {
    /// Other evidence that the block is the header of a message.
    package enum Evidence {
        case none
        /// The line that precedes a message in a mailbox.
        case postmark
        /// The name of the file, or its folder's configuration.
        case name
    }

    private static let longestValue = 1024
    private static let names: Set<String> = [
        "from", "to", "cc", "subject", "date", "message-id", "mime-version", "received",
    ]
    /// Fields that nothing but mail and news has.
    private static let decisive: Set<String> = ["message-id", "mime-version", "received"]
    private static let addresses: Set<String> = ["from", "to", "cc"]

    private let evidence: Evidence
    private var found: Set<String> = []
    private var hasParts = false
    private var current: (name: String, value: [UInt8])?
    package private(set) var isEmpty = true

    package init(_ evidence: Evidence) { self.evidence = evidence }

    /// - Returns: false if the line is not part of a header field
    package mutating func append(_ line: ArraySlice<UInt8>) -> Bool {
        if line.first?.isSpaceOrTab ?? false {
            guard let count = current?.value.count else { return false }
            current?.value.append(contentsOf: line.prefix(max(0, Self.longestValue - count)))
            return true
        }
        guard let (name, value) = MailLine.field(line) else { return false }
        judge()
        isEmpty = false
        // Programs capitalize names; settings and tables of other kinds often do not.
        let isCapitalized = name.first?.isUppercase ?? false
        current = (
            isCapitalized || evidence == .name ? name.lowercased() : "", Array(value.prefix(Self.longestValue))
        )
        return true
    }

    package var areOfMail: Bool {
        mutating get {
            judge()
            guard found.count >= 2 || hasParts && found.contains("mime-version") else { return false }
            return evidence != .none || !found.isDisjoint(with: Self.decisive)
                || found.intersection(Self.addresses).count >= 2 && !found.isDisjoint(with: ["date", "subject"])
        }
    }

    /// Judges the last field.
    private mutating func judge() {
        guard let (name, bytes) = current else { return }
        current = nil
        let value = String(decoding: bytes, as: UTF8.self)
        let words = value.split { $0.isWhitespace || $0 == "," }
        if name == "content-type" { hasParts = words.first?.lowercased().hasPrefix("multipart/") ?? false }
        guard Self.names.contains(name), evidence == .name || Self.isOfMail(value, words, name: name) else { return }
        found.insert(name)
    }

    private static func isOfMail(_ value: String, _ words: [Substring], name: String) -> Bool {
        switch name {
        case _ where addresses.contains(name): value.contains("@")
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
