import TextReading

/// Reads a file that is not packed: markup, PDF, mail, or text in any encoding.
struct ContentReader {
    let options: ReadingOptions
    let scratch: ScratchFile

    /// - Parameter name: the file's name, whose extension may determine its format
    /// - Throws: `RejectionError`, and errors that storing the text throws
    func read(_ region: FileRegion, name: String, into reading: inout CorpusReading) throws {
        guard region.bytes > 0 else { throw RejectionError("is empty") }
        let head = try region.head(FileKind.headBytes)
        let kind = FileKind(head: head, name: name)
        if let claimed = Packing(name: name) { throw misnamed(claimed, head, kind) }
        // The folder's configuration can request that text is read unmodified.
        let isConfigured = options.format != nil && options.format != .mail
        if let kind, !kind.isText || !isConfigured { throw kind.rejection }
        if Self.isPDF(head) { return try PDFText.read(region, into: &reading) }
        if !isConfigured, let mail = Mail(head: head, name: name, isConfigured: options.format == .mail) {
            return try mail.read(region, scratch: scratch, configured: options.encoding, into: &reading)
        }
        if options.format == .mail { throw Self.notMail }
        if options.format == nil, let markup = Markup.kind(ofHead: head, name: name) {
            return try markup.read(region, configured: options.encoding, into: &reading)
        }
        let isSequence = JSONSequence.isBeginning(head)
        try readText(
            region, head, format: options.format ?? (isSequence ? .jsonl : TextFormat.plain(name: name)) ?? .text,
            into: &reading)
        if options.format == nil, Mail.isNamed(name) { reading.warn(Self.notRecognizedAsMail) }
    }

    private func readText(
        _ region: FileRegion, _ head: [UInt8], format: TextFormat, into reading: inout CorpusReading
    ) throws {
        let looksBinary =
            FileKind.looksBinary(head) && !FileKind.beginsWithWideMark(head) && !JSONSequence.isBeginning(head)
        // libmagic mistakes text in UTF-16 and UTF-32 for other kinds.
        if looksBinary, options.encoding == nil, !UnicodeForm.isUnmarked(head), let kind = Magic.shared.kind(of: head) {
            throw kind.rejection
        }
        let encoding: TextEncoding
        do {
            encoding = try TextEncoding.determine(region, declared: nil, configured: options.encoding)
        } catch let error as RejectionError {
            throw looksBinary ? notText(head) : error
        }
        if try encoding.containsNUL(region) { throw Self.isMostlyText(head) ? Self.withNUL : notText(head) }
        var replaced = Replacements()
        try reading.readDocument(format) { take in replaced = try encoding.decode(region, take) }
        reading.describe(encoding: encoding.name)
        reading.count(replaced)
    }

    private static let notRecognizedAsMail =
        "named as mail, but read as plain text, because it does not begin with two header fields such as From and Subject: "
        + "if it is mail, remove what is before them or convert it to UTF-8, and drop it again"

    private func misnamed(_ claimed: Packing, _ head: [UInt8], _ kind: FileKind?) -> RejectionError {
        let found = kind ?? (FileKind.looksBinary(head) ? Magic.shared.kind(of: head) : nil)
        let what = found.map { "it is \($0.name)" + ($0.advice.map { ": \($0)" } ?? "") }
        return RejectionError(
            "its name says \(claimed.name), but "
                + (what
                    ?? (FileKind.looksBinary(head)
                        ? "it is something else, or damaged" : "it is not packed: rename it"))
        )
    }

    private func notText(_ head: [UInt8]) -> RejectionError {
        RejectionError("is not text (libmagic says: \(Magic.shared.type(of: head) ?? "nothing"))")
    }

    private static let notMail = RejectionError(
        "is not mail, although .kbconfig.yaml sets ‘format: mail’: it does not begin with header fields such as From, To, "
            + "Subject and Date; remove that line, or drop the file elsewhere")

    private static let withNUL = RejectionError(
        "contains NUL characters, which text never contains: remove them with: tr -d '\\000' < FILE > NEW")

    /// PDF may begin after other bytes, as old readers tolerated them.
    private static func isPDF(_ head: [UInt8]) -> Bool {
        let signature = Array("%PDF-".utf8)
        if head.starts(with: signature) { return true }
        guard FileKind.looksBinary(head) else { return false }
        return head.prefix(1024).indices.contains { head[$0...].starts(with: signature) }
    }

    private static func isMostlyText(_ head: [UInt8]) -> Bool {
        head.count { $0 < 0x20 && !(0x09...0x0D).contains($0) } * 20 < head.count
    }
}
