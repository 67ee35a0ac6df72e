extension FileKind {
    /// Recognizes documents and programs that are zip files, but cannot be read.
    /// - Parameters:
    ///   - head: the first bytes of the file, which can contain its media type
    ///   - names: the names of the members
    static func ofZip(head: [UInt8], names: some Collection<String>) -> FileKind? {
        // The first member of OpenDocument files and EPUB is stored, and has this name and no extra field.
        let declared =
            FileSignature("mimetype", at: 30, FileKind("")).matches(head)
            ? String(decoding: head.dropFirst(38).prefix(80).prefix { $0 > 0x20 && $0 < 0x7F }, as: UTF8.self) : ""
        if let found = mediaTypes.first(where: { declared.hasPrefix($0.type) }) { return found.kind }
        return members.first { member in
            names.contains { member.isFolder ? $0.hasPrefix(member.name) : $0 == member.name }
        }?.kind
    }

    private static let openDocument = "application/vnd.oasis.opendocument."
    private static let mediaTypes: [(type: String, kind: FileKind)] = [
        (openDocument + "spreadsheet", spreadsheet("an OpenDocument")),
        (openDocument + "presentation", presentation("an OpenDocument")),
        (openDocument + "graphics", FileKind("an OpenDocument drawing", pdfAdvice)),
        (openDocument + "formula", FileKind("an OpenDocument formula", pdfAdvice)),
        (openDocument + "database", FileKind("a LibreOffice database", "export its tables as CSV")),
    ]

    /// Members that occur only in files of one kind.
    private static let members: [(name: String, isFolder: Bool, kind: FileKind)] = [
        ("xl/workbook.xml", false, spreadsheet("an Excel")),
        ("xl/workbook.bin", false, spreadsheet("an Excel")),
        ("ppt/presentation.xml", false, presentation("a PowerPoint")),
        ("visio/document.xml", false, FileKind("a Visio drawing", pdfAdvice)),
        ("Index/Document.iwa", false, FileKind("an Apple iWork document", "export it as DOCX, CSV or PDF")),
        ("Index.zip", false, FileKind("an Apple iWork document", "export it as DOCX, CSV or PDF")),
        ("AndroidManifest.xml", false, FileKind("an Android program")),
        ("META-INF/MANIFEST.MF", false, FileKind("a Java program")),
        ("Payload/", true, FileKind("an iOS program")),
    ]

    private static let pdfAdvice = "convert it with: libreoffice --headless --convert-to pdf FILE"

    private static func spreadsheet(_ program: String) -> FileKind {
        FileKind("\(program) spreadsheet", "convert it with: libreoffice --headless --convert-to csv FILE")
    }

    private static func presentation(_ program: String) -> FileKind {
        FileKind("\(program) presentation", pdfAdvice)
    }
}
