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
