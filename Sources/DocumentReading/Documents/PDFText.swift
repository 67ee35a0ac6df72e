import Durable
import Glibc
import TextReading

/// Reads the text layer of a PDF with `pdftotext` of poppler-utils, which runs as a child of this confined process and
/// inherits its limits, except for CPU time.
package enum PDFText {
    /// CPU time for a document, in seconds, to which a second is added for each megabyte of its size.
    package static let seconds = 20

    /// Writes the text of a document.
    /// - Throws: `RejectionError`, and errors thrown by `reading`
    package static func read(
        _ region: FileRegion, program: String = "/usr/bin/pdftotext", seconds: Int = PDFText.seconds,
        into reading: inout CorpusReading
    ) throws {
        guard access(program, X_OK) == 0 else {
            throw RejectionError(
                "is a PDF: install poppler-utils (apt-get install poppler-utils) so that its text can be read, or convert "
                    + "it with pdftotext elsewhere")
        }
        let left = ChildProcess.secondsLeft() ?? .max
        guard left > 0 else {
            throw RejectionError(
                "is a PDF for which no time is left, because others in the same file took too long: drop it by itself")
        }
        let most = min(left, seconds + region.bytes / 1_000_000)
        var (pages, isDamaged) = (0, false)
        try reading.readDocument(.text) { take in
            var text = PageText()
            let child = try ChildProcess(
                program, arguments: ["-enc", "UTF-8", "-", "-"], seconds: most)
            let end = try child.run(input: region) { try text.append($0, take) }
            pages = text.pages
            isDamaged = end.messages.contains("Error")
            try check(end, seconds: most, hasContent: text.hasContent, pages: pages)
        }
        if isDamaged { reading.warn("pdftotext found errors in the PDF, so parts of its text may be missing") }
        reading.describe(format: "PDF with \(ReadingAdvice.count(pages, "page"))")
    }

    private static func check(_ end: ChildProcess.End, seconds: Int, hasContent: Bool, pages: Int) throws {
        switch end.status {
        case .exited(0): break
        case .exited where end.messages.contains("Incorrect password"):
            throw RejectionError(
                "is a PDF that is encrypted with a password: remove it (qpdf --decrypt --password=… IN OUT) and drop the "
                    + "result")
        case .exited(let code): throw RejectionError("is a PDF that pdftotext cannot read (exit status \(code))")
        case .signaled(SIGXCPU):
            throw RejectionError("is a PDF that pdftotext cannot read within \(seconds) seconds of CPU time")
        case .signaled(SIGKILL):
            throw RejectionError("is a PDF that pdftotext cannot read within the limits for time and memory")
        case .signaled(let signal): throw RejectionError("is a PDF that makes pdftotext crash (signal \(signal))")
        case .silent:
            throw RejectionError("is a PDF of which pdftotext wrote no text for \(ChildProcess.idleSeconds) seconds")
        }
        guard hasContent else {
            throw RejectionError(
                "is a PDF with \(ReadingAdvice.count(pages, "page")) but without text, probably a scan: recognize its text "
                    + "(ocrmypdf IN OUT) and drop the result")
        }
    }
}

/// Separates pages by blank lines, which `pdftotext` ends with form feeds.
private struct PageText {
    private(set) var pages = 0
    private(set) var hasContent = false

    mutating func append(
        _ piece: UnsafeRawBufferPointer, _ take: (UnsafeRawBufferPointer) throws -> Void
    ) throws {
        var text: [UInt8] = []
        text.reserveCapacity(piece.count)
        for byte in piece {
            switch byte {
            case 0x0C:
                pages += 1
                text.append(UInt8(ascii: "\n"))
            // Not a character of text, but a font can map a glyph to it.
            case 0: break
            default:
                if byte > 0x20 { hasContent = true }
                text.append(byte)
            }
        }
        try text.withUnsafeBytes(take)
    }
}
