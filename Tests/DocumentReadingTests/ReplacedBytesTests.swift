import Testing
import TextReading

@Suite("Warnings about replaced bytes") struct ReplacedBytesTests {
    private static let text = String(repeating: "Der Bäcker öffnet früh die Tür für die Gäste.\n", count: 100)

    @Test(arguments: [
        ("a.txt", "", ""), ("a.html", "<html><body><p>", "</p></body></html>"),
        ("a.xml", "<?xml version='1.0'?><a>", "</a>"),
    ])
    func warnsInEveryFormat(name: String, begin: String, end: String) throws {
        for (stray, warning) in [
            ([0xFF], "1 byte is not UTF-8, replaced by U+FFFD"),
            ([0xFF, 0x0A, 0xFE], "2 bytes are not UTF-8, replaced by U+FFFD"),
        ] as [([UInt8], String)] {
            let bytes = Array((begin + Self.text).utf8) + stray + Array(("\n" + Self.text + end).utf8)
            let report = try #require(try ReadDocument(name, bytes).report)
            #expect(report.replacedBytes == stray.count { $0 >= 0x80 })
            #expect(report.warnings == [warning])
        }
    }

    /// Plain text with NUL is rejected instead.
    @Test func countsNULInMarkup() throws {
        let begin = "<html><body><p>\(Self.text)", end = "\(Self.text)</p></body></html>"
        for (nuls, warning) in [
            (1, "1 NUL character, which text never contains, replaced by U+FFFD: check what wrote the file"),
            (3, "3 NUL characters, which text never contains, replaced by U+FFFD: check what wrote the file"),
        ] {
            let inside = [UInt8](repeating: 0, count: nuls)
            let read = try ReadDocument("a.html", Array(begin.utf8) + inside + Array(end.utf8))
            let report = try #require(read.report)
            #expect(report.warnings == [warning])
            #expect(report.replacedBytes == 0)
            #expect(read.text?.count { $0 == "\u{FFFD}" } == nuls)
        }
        let both = try ReadDocument("a.html", Array(begin.utf8) + [0, 0xFF, 0x0A] + Array(end.utf8))
        #expect(
            both.report?.warnings == [
                "1 NUL character, which text never contains, replaced by U+FFFD: check what wrote the file",
                "1 byte is not UTF-8, replaced by U+FFFD",
            ])
        let inArchive = try ReadDocument(
            "a.zip", ArchiveWriter.archive(.zip, [.file("a.html", Array(begin.utf8) + [0] + Array(end.utf8))]))
        #expect(
            inArchive.report?.warnings == [
                "‘a.html’: 1 NUL character, which text never contains, replaced by U+FFFD: check what wrote the file"
            ])
    }

    @Test func countsNULInWideCharacters() throws {
        let text = "\u{FEFF}" + Self.text + "\u{0}\n" + Self.text
        let report = try #require(try ReadDocument("a.txt", text.encoded("UTF-16LE")).report)
        #expect(
            report.warnings
                == ["1 NUL character, which text never contains, replaced by U+FFFD: check what wrote the file"])
    }

    /// The warning about the archive says how many and where.
    @Test func warnsOnceOfMembers() throws {
        let bytes = Array(Self.text.utf8) + [0xFF, 0x0A]
        let zip = try ArchiveWriter.archive(.zip, [.file("a.txt", bytes)])
        let report = try #require(try ReadDocument("a.zip", zip).report)
        #expect(report.replacedBytes == 1)
        #expect(
            report.warnings == ["1 byte in ‘a.txt’ is not valid in its encoding and was replaced by U+FFFD"])
    }
}
