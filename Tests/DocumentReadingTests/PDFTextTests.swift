import DocumentReading
import Glibc
import Testing
import TextReading

@Suite struct PDFTextTests {
    /// A document with one line of text on each page, or with none.
    private func pdf(pages: [String]) -> [UInt8] {
        var objects: [String] = ["<</Type/Catalog/Pages 2 0 R>>", ""]
        var kids: [String] = []
        for text in pages {
            let stream = text.isEmpty ? "" : "BT /F1 12 Tf 72 700 Td (\(text)) Tj ET"
            kids.append("\(objects.count + 1) 0 R")
            objects.append(
                "<</Type/Page/Parent 2 0 R/MediaBox[0 0 612 792]/Contents \(objects.count + 2) 0 R/Resources<</Font<</F1"
                    + "<</Type/Font/Subtype/Type1/BaseFont/Helvetica>>>>>>>>")
            objects.append("<</Length \(stream.utf8.count)>>stream\n\(stream)\nendstream")
        }
        objects[1] = "<</Type/Pages/Count \(pages.count)/Kids[\(kids.joined(separator: " "))]>>"
        var file = "%PDF-1.4\n"
        var places: [Int] = []
        for (index, object) in objects.enumerated() {
            places.append(file.utf8.count)
            file += "\(index + 1) 0 obj\(object)endobj\n"
        }
        let table = file.utf8.count
        file += "xref\n0 \(objects.count + 1)\n0000000000 65535 f \n"
        for place in places {
            let digits = String(place)
            file += String(repeating: "0", count: 10 - digits.count) + digits + " 00000 n \n"
        }
        file += "trailer<</Size \(objects.count + 1)/Root 1 0 R>>\nstartxref\n\(table)\n%%EOF\n"
        return Array(file.utf8)
    }

    private func read(
        _ bytes: [UInt8], program: String = "/usr/bin/pdftotext", seconds: Int = PDFText.seconds
    ) throws -> ConvertedDocument {
        let file = DocumentFile()
        _ = file.region("before")
        let region = file.region(bytes)
        return try ConvertedDocument { try PDFText.read(region, program: program, seconds: seconds, into: &$0) }
    }

    private static let hasProgram = access("/usr/bin/pdftotext", X_OK) == 0

    @Test(.enabled(if: hasProgram, "pdftotext is not installed"))
    func readsPages() throws {
        let document = try read(pdf(pages: ["First page", "Second page"]))
        #expect(document.text.split(separator: "\n") == ["First page", "Second page"])
        #expect(document.report.format == "PDF with 2 pages")
    }

    @Test(.enabled(if: hasProgram, "pdftotext is not installed"))
    func namesScansAndDamagedFiles() throws {
        #expect(try rejection { try read(pdf(pages: ["", ""])) }?.contains("ocrmypdf") == true)
        #expect(try rejection { try read(Array("%PDF-1.4\nnothing".utf8)) }?.contains("pdftotext cannot read") == true)
    }

    @Test func namesThePackageToInstall() throws {
        let reason = try rejection { try read(pdf(pages: ["a"]), program: "/nonexistent/pdftotext") }
        #expect(reason?.contains("apt-get install poppler-utils") == true)
    }

    /// A program that reads nothing must not block the writer, and its exit status counts.
    @Test func reportsProgramsThatFail() throws {
        let large = [UInt8](repeating: 0x20, count: 1 << 20)
        #expect(try rejection { try read(large, program: "/bin/false") }?.contains("exit status 1") == true)
    }

    /// Returns what `getrlimit` says of the CPU time of this process.
    private func limit() -> [UInt64] {
        var limit = rlimit()
        getrlimit(__rlimit_resource_t(RLIMIT_CPU.rawValue), &limit)
        return [UInt64(limit.rlim_cur), UInt64(limit.rlim_max)]
    }

    @Test func endsProgramsThatHangByTheirOwnLimit() throws {
        var path = Array("/tmp/pdftotext-XXXXXX".utf8CString)
        let file = mkstemp(&path)
        try #require(file >= 0 && fcntl(file, F_SETFD, FD_CLOEXEC) == 0)
        defer { unlink(path) }
        let script = Array("#!/bin/sh\ncase $(ulimit -t) in 1) while :; do :; done ;; esac\necho text\n".utf8)
        #expect(write(file, script, script.count) == script.count)
        fchmod(file, 0o700)
        close(file)
        let program = path.withUnsafeBufferPointer { String(cString: $0.baseAddress!) }
        let before = limit()
        let reason = try rejection { try read(Array("%PDF-".utf8), program: program, seconds: 1) }
        #expect(reason?.contains("within 1 seconds of CPU time") == true)
        #expect(limit() == before)
        // The limit grows with the document.
        let megabyte = [UInt8](repeating: 0x20, count: 1_000_000)
        #expect(try read(megabyte, program: program, seconds: 1).text == "text\n")
    }
}
