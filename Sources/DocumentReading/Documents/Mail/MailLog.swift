import TextReading

/// What became of the parts of all messages of a file.
struct MailLog {
    /// Why the text of a part was lost.
    enum Cause {
        /// With the reason of the first part, which names the setting that helps.
        case undecodable(String)
        case noBoundary, outsideParts, tooDeep, tooManyParts, transferEncoding, tooLarge
    }

    private static let mostTypes = 64
    private static let mostShownTypes = 5
    private static let longestType = 60
    /// The registered top-level types. Others may be words of the mail, which warnings must not contain.
    private static let topTypes: Set<String> = [
        "application", "audio", "font", "image", "message", "model", "multipart", "text", "video",
    ]

    /// Number of messages with text.
    var messages = 0
    var messagesWithoutText = 0
    /// Number of other forms of a text that was taken.
    var otherForms = 0
    /// Number of multiparts whose end is missing.
    var truncated = 0
    /// Number of multiparts without their boundary that were read as plain text.
    var withoutBoundary = 0
    /// Number of parts with damaged base64 or quoted-printable.
    var damagedEncodings = 0
    /// Number of words and subjects whose encoding is unknown or wrong.
    var undecodableWords = 0
    var replaced = Replacements()

    private var types: [String: Int] = [:]
    private var attachments = 0
    private var lost: [(what: String, advice: String?, parts: Int, bytes: Int)] = []
    private var loss = Loss()
    private var markupLoss = 0
    private var encodings: [String] = []

    /// Accounts for a part that is not text.
    mutating func leaveOut(type: String) {
        attachments += 1
        let parts = type.split(separator: "/")
        let isName =
            type.utf8.count <= Self.longestType && type.utf8.allSatisfy { $0 > 0x20 && $0 < 0x7F }
            && parts.count == 2 && Self.topTypes.contains(String(parts[0]))
        let name = isName ? type : "other"
        types[types[name] != nil || types.count < Self.mostTypes ? name : "other", default: 0] += 1
    }

    /// Accounts for text that is taken.
    mutating func use(bytes: Int) { loss.add(0, of: bytes) }

    /// Accounts for text that is lost.
    mutating func lose(_ cause: Cause, bytes: Int) {
        var advice: String?
        if case .undecodable(let reason) = cause { advice = reason }
        loss.add(bytes, of: bytes)
        if let index = lost.firstIndex(where: { $0.what == cause.description }) {
            lost[index].parts += 1
            lost[index].bytes += bytes
        } else {
            lost.append((cause.description, advice, 1, bytes))
        }
    }

    /// Number of bytes of text that are lost.
    var bytesLost: Int { loss.part }

    /// Accounts for text in HTML that is not closed.
    mutating func loseMarkup(bytes: Int) {
        markupLoss += bytes
        loss.add(bytes, of: 0)
    }

    mutating func countEncoding(_ name: String) {
        if encodings.count < 8, !encodings.contains(name) { encodings.append(name) }
    }

    /// Rejects a file without text, or of whose text more than a fifth is lost.
    func check(isMailbox: Bool) throws {
        let losses = lostParts + (markupLoss > 0 ? [Loss.unclosed] : [])
        if messages == 0 {
            let causes = losses + [attachmentsLeftOut].compactMap { $0 }
            let advice = attachments > 0 ? "save attachments that are text and drop them as files, or, " : ""
            throw RejectionError(
                "is mail without text" + (isMailbox ? " (\(ReadingAdvice.count(messagesWithoutText, "message")))" : "")
                    + (causes.isEmpty ? "" : ": " + causes.joined(separator: "; "))
                    + "; \(advice)\(ReadingAdvice.readAsText)")
        }
        try loss.check("is mail that can be read only in part: \(losses.joined(separator: "; "))")
    }

    /// Describes the file for its report.
    /// - Parameter format: such as `mbox with 3 messages`
    func describe(_ format: String, to reading: inout CorpusReading) {
        let note =
            otherForms == 0
            ? "" : " (\(ReadingAdvice.count(otherForms, "other form")) of the same text not used)"
        let shown = encodings.prefix(3) + (encodings.count > 3 ? ["…"] : [])
        reading.describe(
            format: format + note, encoding: encodings.isEmpty ? nil : shown.sorted().joined(separator: ", "))
        reading.count(replaced)
        lostParts.forEach { reading.warn($0) }
        if markupLoss > 0 {
            reading.warn(
                "\(markupLoss) bytes of HTML are in a comment, a tag, a script or navigation that is not closed and were "
                    + "left out")
        }
        if truncated > 0 {
            reading.warn(
                "\(ReadingAdvice.count(truncated, "message")) or part\(truncated == 1 ? " ends" : "s end") without the "
                    + "last boundary, so text may be missing")
        }
        if withoutBoundary > 0 {
            reading.warn(
                "\(ReadingAdvice.count(withoutBoundary, "message")) without the boundary of a multipart, and "
                    + "without parts, read as plain text")
        }
        if damagedEncodings > 0 {
            reading.warn(
                "\(damagedEncodings) part\(damagedEncodings == 1 ? " has" : "s have") damaged base64 or quoted-printable, "
                    + "decoded as far as possible")
        }
        if undecodableWords > 0 {
            reading.warn(
                "\(undecodableWords) subject\(undecodableWords == 1 ? " has" : "s have") words that cannot be decoded")
        }
        if messagesWithoutText > 0 {
            let isOne = messagesWithoutText == 1
            reading.warn(
                "\(messagesWithoutText) message\(isOne ? " has" : "s have") no text and w\(isOne ? "as" : "ere") left out"
            )
        }
        if let attachmentsLeftOut { reading.warn(attachmentsLeftOut) }
    }

    private var lostParts: [String] {
        lost.map { group in
            "\(ReadingAdvice.count(group.parts, "part")) (\(group.bytes) bytes) left out, because \(group.what)"
                + (group.advice.map { ": the first \($0)" } ?? "")
        }
    }

    private var attachmentsLeftOut: String? {
        guard attachments > 0 else { return nil }
        let sorted = types.sorted { ($1.value, $0.key) < ($0.value, $1.key) }
        var shown = sorted.prefix(Self.mostShownTypes).map { "\($0.value) \($0.key)" }
        let rest = sorted.dropFirst(Self.mostShownTypes).reduce(0) { $0 + $1.value }
        if rest > 0 { shown.append("\(rest) more") }
        return "\(ReadingAdvice.count(attachments, "attachment")) left out: \(shown.joined(separator: ", "))"
    }
}

extension MailLog.Cause: CustomStringConvertible {
    var description: String {
        switch self {
        case .undecodable: "their encoding is unknown or wrong"
        case .noBoundary: "the boundary of a multipart is missing"
        case .outsideParts: "they are before the first or after the last part of a multipart"
        case .tooDeep: "they are nested too deeply"
        case .tooManyParts: "a message has too many parts"
        case .transferEncoding: "their transfer encoding is unknown"
        case .tooLarge: "they are larger than \(MailText.mostBytes) bytes"
        }
    }
}
