import DocumentReading
import Testing
import TextReading

@Suite struct NotesTests {
    /// Notes are held back until their paragraph ends, so the pieces that are written show how much was held.
    private func longestPiece(_ body: String) throws -> (longest: Int, text: String) {
        let file = DocumentFile()
        let region = file.region("<TEI><text><body>\(body)</body></text></TEI>")
        var (longest, text): (Int, [UInt8]) = (0, [])
        var reading = CorpusReading(options: ReadingOptions()) {
            longest = max(longest, $0.count)
            text.append(contentsOf: $0)
        }
        try Markup.tei.read(region, configured: nil, into: &reading)
        return (longest, String(decoding: text, as: UTF8.self))
    }

    /// Each note alone is short enough to be held back.
    private static let words = String(repeating: "word ", count: 100_000)
    private static let mostHeld = 3 << 20

    @Test func boundsNotesInANote() throws {
        let inner = String(repeating: "<note>\(Self.words)</note>", count: 20)
        let read = try longestPiece("<p>a<note>b\(inner)c</note>d</p>")
        #expect(read.longest < Self.mostHeld)
        #expect(read.text.utf8.count >= 20 * Self.words.utf8.count)
    }

    @Test func boundsNotesAroundANote() throws {
        let depth = 20
        let open = String(repeating: "<note>\(Self.words)", count: depth)
        let read = try longestPiece("<p>a\(open)\(String(repeating: "</note>", count: depth))d</p>")
        #expect(read.longest < Self.mostHeld)
        #expect(read.text.utf8.count >= depth * (Self.words.utf8.count - 1))
    }

    @Test func keepsShortNotesInsideNotes() throws {
        let read = try longestPiece("<p>a<note>b<note>c</note>d</note>e</p><p>f</p>")
        #expect(read.text == "ae\n\nc\n\nbd\n\nf\n")
    }
}
