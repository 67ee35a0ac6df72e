import Foundation
import TextReading
import Testing

@Suite struct FileKindTests {
    private static let zeros = [UInt8](repeating: 0, count: 600)

    @Test(arguments: [
        ("{\\rtf1\\ansi text}", "is an RTF document: convert it with: unrtf --text FILE > FILE.txt"),
        ("%!PS-Adobe-3.0\n/Times findfont", "is a PostScript document: convert it with: ps2ascii FILE FILE.txt"),
        (".\\\" comment\n.TH LS 1\n.SH NAME\n", "is a manual page: convert it with: man -l FILE | col -b > FILE.txt"),
        (".Dd May 1\n.Dt LS 1\n", "is a manual page: convert it with: man -l FILE | col -b > FILE.txt"),
        ("'\\\" t\n.PP\ntext", "is a troff document: convert it with: nroff FILE | col -b > FILE.txt"),
        (
            "{\n \"cells\": [\n  {\n   \"cell_type\": \"code\"",
            "is a Jupyter notebook: convert it with: jupyter nbconvert --to markdown FILE"
        ),
        (
            "version https://git-lfs.github.com/spec/v1\noid sha256:00\nsize 1\n",
            "is a Git LFS pointer instead of the file itself: run git lfs pull in the repository, and copy it again"
        ),
        (
            "-----BEGIN PGP MESSAGE-----\n\nhQEM",
            "is encrypted with OpenPGP: decrypt it with: gpg --decrypt FILE > FILE.txt"
        ),
        (
            "d8:announce35:udp://tracker",
            "is a BitTorrent file, which only tells where to download others: download them, and put them here"
        ),
    ])
    func namesKindsWrittenAsText(text: String, reason: String) throws {
        for name in ["a.txt", "a"] { #expect(try ReadDocument(name, text.utf8).reason == reason) }
        // A byte-order mark or an empty line may precede it.
        #expect(try ReadDocument("a.txt", "\n\(text)".utf8).reason == reason)
    }

    private static let comment = "<!-- \(String(repeating: "a license ", count: 1000))-->"
    private static let asText =
        "to learn it unmodified, set format: text in .kbconfig.yaml in the file's folder in the inbox and move the file back there"

    @Test(arguments: [
        ("a.svg", "<svg width='1'><text>a</text></svg>"), ("a", "<svg xmlns='http://www.w3.org/2000/svg'><g/></svg>"),
        ("a.txt", "\(comment)<s:svg\n xmlns:s='http://www.w3.org/2000/svg'/>"),
        ("a.xml", "<?xml version='1.0'?>\(comment)\n\(comment)<svg/>"),
        (
            "a.txt",
            "<!DOCTYPE svg PUBLIC '-//W3C//DTD SVG 1.1//EN' 'svg11.dtd' [<!ENTITY a 'b'>]><svg><text>a</text></svg>"
        ),
    ])
    func namesPicturesInXML(name: String, text: String) throws {
        #expect(try ReadDocument(name, text.utf8).reason == "is an SVG picture: \(Self.asText)")
        let wide: [UInt8] = [0xFF, 0xFE] + text.utf16.flatMap { [UInt8($0 & 0xFF), UInt8($0 >> 8)] }
        #expect(try ReadDocument(name, wide).reason == "is an SVG picture: \(Self.asText)")
        var options = ReadingOptions()
        options.format = .text
        #expect(try ReadDocument(name, text.utf8, options).text == text)
    }

    @Test(arguments: [
        (
            "strings.xml", "<?xml version='1.0'?><resources>\n<string name='app_name'>My app</string></resources>",
            "is an Android resource file, which has settings and labels of a program"
        ),
        (
            "Info.plist",
            "<?xml version='1.0'?>\n<!DOCTYPE plist PUBLIC '-//Apple//DTD PLIST 1.0//EN' 'x'><plist><dict><key>a</key></dict></plist>",
            "is a property list (plist), which has settings instead of text"
        ),
        (
            "feeds.opml", "<opml version='2.0'><head><title>t</title></head><body><outline text='a'/></body></opml>",
            "is an OPML outline, whose text is in attributes"
        ),
        (
            "sitemap.xml",
            "<urlset xmlns='http://www.sitemaps.org/schemas/sitemap/0.9'><url><loc>http://a</loc></url></urlset>",
            "is an XML sitemap, which lists addresses of pages"
        ),
        (
            "a", "<?xml version='1.0'?><sitemapindex><sitemap><loc>http://a</loc></sitemap></sitemapindex>",
            "is an XML sitemap, which lists addresses of pages"
        ),
    ])
    func namesXMLThatIsNotText(name: String, text: String, reason: String) throws {
        #expect(try ReadDocument(name, text.utf8).reason == "\(reason): \(Self.asText)")
        var options = ReadingOptions()
        options.format = .text
        #expect(try ReadDocument(name, text.utf8, options).text == text)
    }

    @Test func readsOtherXMLWithTheSameRoot() throws {
        let text = "<?xml version='1.0'?><resources><book>A book</book></resources>"
        #expect(try ReadDocument("a.xml", text.utf8).text == "A book\n")
    }

    /// The advice of a text that begins like markup.
    @Test(arguments: [
        ("<html>\n<script>", "is HTML without text"), ("<?xml version='1.0'?>\n<a b='c'/>", "is XML without text"),
        ("<?xml is how a declaration begins", "line 1 is not well-formed XML, and there is no text before it"),
        (
            "<!DOCTYPE note>\n<p>one</p></q>\(String(repeating: "text ", count: 100))",
            "line 2 is not well-formed XML, so "
        ),
    ])
    func saysHowToReadMarkupAsText(text: String, reason: String) throws {
        let found = try #require(try ReadDocument("a.txt", text.utf8).reason)
        #expect(found.hasPrefix(reason) && found.hasSuffix("; \(Self.asText)"), "\(found)")
        var options = ReadingOptions()
        options.format = .text
        #expect(try ReadDocument("a.txt", text.utf8, options).text == text)
    }

    @Test func readsJSONTextSequences() throws {
        let sequence = (0..<3).map { "\u{1E}{\"text\": \"record \($0)\"}\n" }.joined()
        for name in ["a.json-seq", "a.jsonl", "a.json", "a.txt", "a"] {
            let read = try ReadDocument(name, sequence.utf8)
            #expect(read.text == "record 0\nrecord 1\nrecord 2\n", "\(name): \(read)")
            #expect(read.report?.format == "JSON text sequence, 3 objects")
        }
        var options = ReadingOptions()
        options.format = .text
        #expect(try ReadDocument("a.jsonl", sequence.utf8, options).text == sequence)
        var check = PlainTextCheck()
        #expect(!Array(sequence.utf8).withUnsafeBytes { check.append($0) })
        check = PlainTextCheck()
        #expect(Array("\u{1E} a section\n".utf8).withUnsafeBytes { check.append($0) })
    }

    @Test func readsTextAroundPicturesInXML() throws {
        let picture = "<svg xmlns='http://www.w3.org/2000/svg'><g/></svg>"
        #expect(try ReadDocument("a.md", "\(picture)\n\n# Title\n".utf8).text == "\(picture)\n\n# Title\n")
        #expect(try ReadDocument("a.html", "\(picture)<p>Title".utf8).text == "Title\n")
        #expect(try ReadDocument("a.txt", "<svgs are pictures\n".utf8).text == "<svgs are pictures\n")
    }

    @Test func readsThemAsTheyAreWhereTheFolderSaysText() throws {
        var options = ReadingOptions()
        options.format = .text
        for text in ["{\\rtf1 text}", ".TH LS 1\n", "%!PS\n", "version https://git-lfs.github.com/spec/v1\n"] {
            #expect(try ReadDocument("a.txt", text.utf8, options).text == text)
        }
        let png: [UInt8] = [0x89, 0x50, 0x4E, 0x47, 0x0D, 0x0A, 0x1A, 0x0A] + Self.zeros
        #expect(try ReadDocument("a.txt", png, options).reason?.hasPrefix("is a PNG picture") == true)
    }

    @Test(arguments: [
        ".Then he left.\nAnd came back.", "...and so on\n", "'Tis the season\n", "BM is short for something",
        "LZIP compresses", "PAR1 is a name", "download this: d8:announce", "%percent", "{braces}", "GIF89a",
        "Rar! said the bear",
    ])
    func acceptsTextThatLooksAlike(text: String) throws {
        #expect(try ReadDocument("a.txt", text.utf8).text == text)
    }

    private struct Binary: Sendable, CustomTestStringConvertible {
        let beginning: [UInt8]
        let reason: String

        init(_ text: String, _ reason: String) { self.init(Array(text.utf8), reason) }

        init(_ beginning: [UInt8], _ reason: String) {
            self.beginning = beginning
            self.reason = reason
        }

        var testDescription: String { reason }
    }

    private static let known: [Binary] = [
        Binary(
            [0x89, 0x50, 0x4E, 0x47, 0x0D, 0x0A, 0x1A, 0x0A],
            "is a PNG picture: text in it is recognized with: tesseract"),
        Binary([0xFF, 0xD8, 0xFF, 0xE0, 0, 0x10], "is a JPEG picture"),
        Binary("SQLite format 3\0", "is an SQLite database: export a column of text with: sqlite3"),
        Binary("PAR1", "is a Parquet table: convert it with: python3 -c"),
        Binary(
            [0xD0, 0xCF, 0x11, 0xE0, 0xA1, 0xB1, 0x1A, 0xE1], "is a Microsoft Office document from before 2007"),
        Binary("OggS\0\u{2}", "is an audio recording or a video (Ogg): only text can be learned"),
        Binary("AT&TFORM", "is a DjVu document: convert it with: djvutxt FILE FILE.txt"),
        Binary([0xDE, 0x12, 0x04, 0x95], "is a compiled gettext catalog: convert it with: msgunfmt FILE > FILE.po"),
        Binary([0x52, 0x61, 0x72, 0x21, 0x1A, 0x07], "is a RAR archive: unpack it with: unar FILE"),
        Binary(String(repeating: "A", count: 60) + "BOOKMOBI", "is a Mobipocket or Kindle e-book"),
    ]

    @Test(arguments: known)
    private func namesBinaryKinds(file: Binary) throws {
        for name in ["a.txt", "a.csv", "a"] {
            let found = try ReadDocument(name, file.beginning + Self.zeros).reason
            #expect(found?.hasPrefix(file.reason) == true, "\(found ?? "accepted")")
        }
    }

    /// Kinds that only libmagic knows.
    private static let knownToLibmagic: [Binary] = [
        Binary("RIFF\u{24}\0\0\0WAVEfmt \u{10}\0\0\0\u{1}\0\u{1}\0", "is an audio recording ("),
        Binary([0x1A, 0x45, 0xDF, 0xA3, 0x93, 0x42, 0x82, 0x88] + Array("matroska".utf8), "is a video ("),
        Binary(Array("wOF2".utf8) + [0, 1, 0, 0], "is a font ("),
        Binary(
            [0x7F, 0x45, 0x4C, 0x46, 2, 1, 1, 0, 0, 0, 0, 0, 0, 0, 0, 0, 2, 0, 62, 0, 1], "is a program ("),
    ]

    @Test(arguments: knownToLibmagic)
    private func asksLibmagic(file: Binary) throws {
        let found = try ReadDocument("a.txt", file.beginning + Self.zeros).reason
        #expect(found?.hasPrefix(file.reason) == true, "\(found ?? "accepted")")
    }

    @Test func saysWhatUnknownBytesAreNot() throws {
        let noise = (0..<4000).map { UInt8(truncatingIfNeeded: $0 &* 2_654_435_761 >> 7) }
        let reason = try #require(try ReadDocument("a.txt", [0xB7, 0, 0x9D, 0xF4] + noise).reason)
        #expect(reason.hasPrefix("is not text (libmagic says: "), "\(reason)")
        #expect(!reason.contains("NUL bytes"))
    }

    @Test func saysHowToRemoveNULFromText() throws {
        let text = String(repeating: "a line of a log\n", count: 10) + "\0" + String(repeating: "more\n", count: 10)
        #expect(
            try ReadDocument("a.log", text.utf8).reason
                == "contains NUL characters, which text never contains: remove them with: tr -d '\\000' < FILE > NEW")
    }

    @Test("Wide characters are no other kind", arguments: ["UTF-32BE", "UTF-32LE", "UTF-16BE", "UTF-16LE"])
    func readsWideCharactersWithoutMark(encoding: String) throws {
        let text = String(repeating: "The old bridge leads over a quiet river.\n", count: 30)
        let read = try ReadDocument("wide.txt", text.encoded(encoding))
        #expect(read.text == text, "\(read)")
        #expect(read.report?.encoding == encoding)
    }

    @Test func rejectsEmptyFile() throws {
        for name in ["a.txt", "a.gz", "a.zip", "a.html", "a.pdf"] {
            #expect(try ReadDocument(name, []).reason == "is empty")
        }
    }
}
