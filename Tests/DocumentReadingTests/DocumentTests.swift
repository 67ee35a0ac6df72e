import DocumentReading
import Testing
import TextReading

@Suite struct DocumentTests {
    // MARK: EPUB

    private func book(
        _ manifest: String, _ spine: String, _ others: [String: String]
    ) -> [String: String] {
        others.merging([
            "mimetype": "application/epub+zip",
            "META-INF/container.xml":
                "<container><rootfiles><rootfile full-path='OEBPS/p.opf'/></rootfiles></container>",
            "OEBPS/p.opf": "<package><metadata/><manifest>\(manifest)</manifest><spine>\(spine)</spine></package>",
        ]) { first, _ in first }
    }

    private func item(_ id: String, _ path: String, _ more: String = "") -> String {
        "<item id='\(id)' href='\(path)' media-type='application/xhtml+xml' \(more)/>"
    }

    @Test func readsChaptersInTheOrderOfTheSpine() throws {
        let read = try ConvertedDocument(
            packed: book(
                item("a", "text/a%20one.xhtml") + item("b", "../b.xhtml#x") + item("n", "nav.xhtml", "properties='nav'")
                    + item("c", "./c.xhtml") + "<item id='i' href='i.svg' media-type='image/svg+xml'/>",
                "<itemref idref='n'/><itemref idref='c' linear='no'/><itemref idref='b'/><itemref idref='i'/>"
                    + "<itemref idref='a'/><itemref idref='b'/><itemref idref='missing'/>",
                [
                    "OEBPS/text/a one.xhtml":
                        "<html><head><title/></head><body><h1>A</h1><p>caf&eacute;</p></body></html>",
                    "b.xhtml": "<html><body><p>unclosed <b>B</p></body></html>",
                    "OEBPS/c.xhtml": "<html><body><p>C</p></body></html>",
                    "OEBPS/nav.xhtml": "<html><body><p>Contents</p></body></html>",
                ]))
        #expect(read.text == "unclosed B\n\nA\n\ncafé\n\nC\n")
        #expect(read.report.format == "EPUB")
        #expect(read.report.documents == 1)
        #expect(read.report.warnings == [])
    }

    @Test func warnsOfMissingChapters() throws {
        let read = try ConvertedDocument(
            packed: book(
                item("b", "b.xhtml") + Self.letters.map { item($0, "\($0).xhtml") }.joined(),
                "<itemref idref='b'/>" + Self.letters.map { "<itemref idref='\($0)'/>" }.joined(),
                chapters(Self.letters)))
        #expect(read.text == "v\n\nw\n\nx\n\ny\n\nz\n")
        #expect(read.report.warnings == ["1 of 6 chapters are missing in the EPUB"])
    }

    private static let letters = ["v", "w", "x", "y", "z"]

    private func chapters(_ names: [String]) -> [String: String] {
        Dictionary(uniqueKeysWithValues: names.map { ("OEBPS/\($0).xhtml", "<p>\($0)</p>") })
    }

    private func bookOfLetters(_ chapters: [String: [UInt8]]) -> [String: [UInt8]] {
        book(
            Self.letters.map { item($0, "\($0).xhtml") }.joined(),
            Self.letters.map { "<itemref idref='\($0)'/>" }.joined(), self.chapters(Self.letters)
        ).mapValues { Array($0.utf8) }.merging(chapters) { $1 }
    }

    @Test func rejectsBooksOfWhichAFifthIsMissing() throws {
        let members = book(
            item("a", "a.xhtml") + item("b", "b.xhtml"), "<itemref idref='a'/><itemref idref='b'/>",
            ["OEBPS/a.xhtml": "<p>A</p>"])
        #expect(try rejection { try ConvertedDocument(packed: members) }?.contains("1 of 2 chapters") == true)
    }

    @Test func warnsOfChaptersThatCannotBeRead() throws {
        var state: UInt64 = 1
        let noise = (0..<4096).map { _ in
            state = state &* 6_364_136_223_846_793_005 &+ 1_442_695_040_888_963_407
            return UInt8(state >> 56)
        }
        let read = try ConvertedDocument(packed: bookOfLetters(["OEBPS/w.xhtml": noise]), configured: nil)
        #expect(read.text == "v\n\nx\n\ny\n\nz\n")
        #expect(read.report.warnings.count == 1)
        #expect(read.report.warnings.first?.hasPrefix("1 of 5 chapters cannot be read") == true)
        #expect(read.report.warnings.first?.contains("‘OEBPS/w.xhtml’ is not text") == true)
        let reason = try rejection {
            try ConvertedDocument(
                packed: bookOfLetters(["OEBPS/w.xhtml": noise, "OEBPS/x.xhtml": noise]), configured: nil)
        }
        #expect(reason?.contains("2 of 5 chapters would be left out") == true)
    }

    @Test func readsChaptersInTheConfiguredEncoding() throws {
        let russian: [UInt8] = Array("<p>".utf8) + [0xCD, 0xC9, 0xD2] + Array("</p>".utf8)
        let members = book(item("a", "a.xhtml"), "<itemref idref='a'/>", [:]).mapValues { Array($0.utf8) }
            .merging(["OEBPS/a.xhtml": russian]) { $1 }
        #expect(try ConvertedDocument(packed: members, configured: "KOI8-R").text == "мир\n")
        let utf8 = book(item("a", "a.xhtml"), "<itemref idref='a'/>", ["OEBPS/a.xhtml": "<p>мир</p>"])
        #expect(try ConvertedDocument(packed: utf8, configured: "KOI8-R").text == "мир\n")
    }

    @Test func rejectsBooksWhoseListOfChaptersIsDamaged() throws {
        var members = book("", "", chapters(["a"]))
        members["OEBPS/p.opf"] =
            "<package><manifest>\(item("a", "a.xhtml"))</manifest><spine><itemref idref='a'/></oops></package>"
        #expect(try rejection { try ConvertedDocument(packed: members) }?.contains("package document") == true)
        members["OEBPS/p.opf"] =
            "<package><manifest>\(item("a", "a.xhtml"))</manifest><spine><itemref idref='a'/></spine></oops></package>"
        #expect(try ConvertedDocument(packed: members).text == "a\n")
    }

    @Test func rejectsProtectedBooksButNotObfuscatedFonts() throws {
        func encrypted(_ algorithm: String) -> [String: String] {
            book(
                item("a", "a.xhtml"), "<itemref idref='a'/>",
                [
                    "OEBPS/a.xhtml": "<p>A</p>",
                    "META-INF/encryption.xml":
                        "<encryption><EncryptedData><EncryptionMethod Algorithm='\(algorithm)'/></EncryptedData></encryption>",
                ])
        }
        #expect(
            try rejection { try ConvertedDocument(packed: encrypted("http://www.w3.org/2001/04/xmlenc#aes128-cbc")) }?
                .contains("protected") == true)
        #expect(try ConvertedDocument(packed: encrypted("http://www.idpf.org/2008/embedding")).text == "A\n")
    }

    @Test func rejectsBooksWithoutText() throws {
        let members = book(item("a", "a.xhtml"), "<itemref idref='a'/>", ["OEBPS/a.xhtml": "<body><img/></body>"])
        #expect(try rejection { try ConvertedDocument(packed: members) }?.contains("without text") == true)
        #expect(try rejection { try ConvertedDocument(packed: book("", "", [:])) }?.contains("no chapters") == true)
        #expect(
            try rejection { try ConvertedDocument(packed: ["META-INF/container.xml": "<container/>"]) }?
                .contains("package document") == true)
    }

    // MARK: DOCX

    private func word(_ body: String, _ others: [String: String] = [:]) throws -> ConvertedDocument {
        let document = "<w:document xmlns:w='w' xmlns:mc='m'><w:body>\(body)</w:body></w:document>"
        return try ConvertedDocument(
            packed: others.merging(["[Content_Types].xml": "<Types/>", "word/document.xml": document]) { first, _ in
                first
            })
    }

    @Test(arguments: [
        (
            "<w:p><w:pPr><w:tabs><w:tab/></w:tabs></w:pPr><w:r><w:t>Li</w:t></w:r><w:r><w:t xml:space='preserve'>ne </w:t>"
                + "<w:tab/><w:t>1</w:t><w:br/><w:t>2</w:t></w:r></w:p><w:p/><w:p><w:r><w:t>b</w:t></w:r></w:p>",
            "Line 1\n2\n\nb\n"
        ),
        (
            "<w:p><w:del><w:r><w:delText>x</w:delText></w:r></w:del><w:ins><w:r><w:t>a</w:t></w:r></w:ins>"
                + "<w:r><w:instrText>PAGE</w:instrText><w:noBreakHyphen/><w:softHyphen/><w:t>b</w:t></w:r></w:p>",
            "a\u{2011}b\n"
        ),
        (
            "<w:tbl><w:tr><w:tc><w:p><w:r><w:t>a</w:t></w:r></w:p><w:p><w:r><w:t>b</w:t></w:r></w:p></w:tc>"
                + "<w:tc><w:p><w:r><w:t>c</w:t></w:r></w:p></w:tc></w:tr><w:tr><w:tc><w:p><w:r><w:t>d</w:t></w:r></w:p></w:tc></w:tr>"
                + "</w:tbl><w:p><w:r><w:t>e</w:t></w:r></w:p>", "a\nb\tc\nd\n\ne\n"
        ),
        (
            "<w:p><w:r><w:t>a</w:t><mc:AlternateContent><mc:Choice><w:txbxContent><w:p><w:r><w:t>box</w:t></w:r></w:p>"
                + "</w:txbxContent></mc:Choice><mc:Fallback><w:p><w:r><w:t>box</w:t></w:r></w:p></mc:Fallback></mc:AlternateContent>"
                + "<w:t>b</w:t></w:r></w:p>", "ab\n\nbox\n"
        ),
    ])
    func readsWord(body: String, expected: String) throws {
        let read = try word(body)
        #expect(read.text == expected)
        #expect(read.report.format == "DOCX")
    }

    @Test func putsNotesAfterTheirParagraph() throws {
        let notes =
            "<w:footnotes xmlns:w='w'><w:footnote w:type='separator' w:id='0'><w:p><w:r><w:t>-</w:t></w:r></w:p></w:footnote>"
            + "<w:footnote w:id='2'><w:p><w:r><w:t>note</w:t></w:r></w:p><w:p><w:r><w:t>more</w:t></w:r></w:p></w:footnote>"
            + "</w:footnotes>"
        let read = try word(
            "<w:p><w:r><w:t>a</w:t><w:footnoteReference w:id='2'/><w:t>b</w:t></w:r></w:p><w:p><w:r><w:t>c</w:t></w:r></w:p>",
            ["word/footnotes.xml": notes, "word/header1.xml": "<a>header</a>"])
        #expect(read.text == "ab\n\nnote\n\nmore\n\nc\n")
    }

    @Test func readsEachNoteOnce() throws {
        let notes =
            "<w:footnotes xmlns:w='w'><w:footnote w:id='2'><w:p><w:r><w:t>note</w:t></w:r></w:p></w:footnote></w:footnotes>"
        let reference = "<w:p><w:r><w:t>a</w:t><w:footnoteReference w:id='2'/></w:r></w:p>"
        let read = try word(String(repeating: reference, count: 3), ["word/footnotes.xml": notes])
        #expect(read.text == "a\n\nnote\n\na\n\na\n")
    }

    @Test func countsCommentsHeadersAndNotesThatAreLeftOut() throws {
        func paragraph(_ text: String) -> String { "<w:p><w:r><w:t>\(text)</w:t></w:r></w:p>" }
        func notes(_ kind: String, _ ids: ClosedRange<Int>) -> String {
            "<w:\(kind)s xmlns:w='w'><w:\(kind) w:type='separator' w:id='0'>\(paragraph("-"))</w:\(kind)>"
                + ids.map { "<w:\(kind) w:id='\($0)'>\(paragraph("note"))</w:\(kind)>" }.joined()
                + "<w:\(kind) w:id='9'><w:p/></w:\(kind)></w:\(kind)s>"
        }
        let read = try word(
            "<w:p><w:r><w:t>a</w:t><w:footnoteReference w:id='1'/><w:commentReference w:id='1'/></w:r></w:p>",
            [
                "word/footnotes.xml": notes("footnote", 1...3), "word/endnotes.xml": notes("endnote", 1...1),
                "word/comments.xml": "<w:comments xmlns:w='w'><w:comment w:id='1' w:author='x'>\(paragraph("b"))"
                    + "\(paragraph("c"))</w:comment><w:comment w:id='2'>\(paragraph("ä"))</w:comment></w:comments>",
                "word/header1.xml": "<w:hdr xmlns:w='w'>\(paragraph("h"))</w:hdr>",
                "word/header2.xml": "<w:hdr xmlns:w='w'><w:p/></w:hdr>",
                "word/header3.xml": "<w:hdr xmlns:w='w'>\(paragraph("h"))</w:oops>",
                // The number of the page.
                "word/footer1.xml": "<w:ftr xmlns:w='w'>\(paragraph("- 12 -"))</w:ftr>",
                "word/footer2.xml": "<w:ftr xmlns:w='w'>\(paragraph("Page 1"))</w:ftr>",
            ])
        #expect(read.text == "a\n\nnote\n")
        #expect(
            read.report.warnings == [
                "2 comments, 2 headers, 1 footer, 2 footnotes without a reference in the text and 1 endnote without a "
                    + "reference in the text left out: copy into the text what is to be learned, and drop the file again"
            ])
    }

    @Test func rejectsDocumentsOfWhichAFifthWouldBeLeftOut() throws {
        func run(_ count: Int) -> String {
            "<w:p><w:r><w:t>" + String(repeating: "text ", count: count) + "</w:t></w:r></w:p>"
        }
        func notes(_ count: Int) -> [String: String] {
            [
                "word/footnotes.xml": "<w:footnotes xmlns:w='w'><w:footnote w:id='2'></w:oops>\(run(count))"
                    + "</w:footnote></w:footnotes>"
            ]
        }
        #expect(try rejection { try word(run(10) + "</w:oops>" + run(100)) }?.contains("would be left out") == true)
        #expect(try rejection { try word(run(100), notes(100)) }?.contains("in its notes") == true)
        #expect(try word(run(100), notes(1)).report.warnings.first?.contains("in its notes") == true)
    }

    // MARK: ODT

    private func openDocument(
        _ body: String, manifest: String = "<manifest/>", styles: String = "<s/>"
    ) throws -> ConvertedDocument {
        try ConvertedDocument(packed: [
            "styles.xml": styles, "mimetype": "application/vnd.oasis.opendocument.text",
            "META-INF/manifest.xml": manifest,
            "content.xml":
                "<office:document-content xmlns:office='o' xmlns:text='t' xmlns:table='b'><office:body><office:text>\(body)"
                + "</office:text></office:body></office:document-content>",
        ])
    }

    @Test(arguments: [
        ("<text:h>H</text:h><text:p>a<text:s text:c='3'/>b<text:tab/>c<text:line-break/>d</text:p>", "H\n\na b c\nd\n"),
        (
            "<text:tracked-changes><text:p>x</text:p></text:tracked-changes><text:p>a<text:note><text:note-citation>1"
                + "</text:note-citation><text:note-body><text:p>n</text:p></text:note-body></text:note>b</text:p><text:p>c</text:p>",
            "ab\n\nn\n\nc\n"
        ),
        (
            "<text:list><text:list-item><text:p>a</text:p></text:list-item><text:list-item><text:p>b</text:p></text:list-item>"
                + "</text:list><text:p>c</text:p>", "a\nb\n\nc\n"
        ),
        (
            "<table:table><table:table-row><table:table-cell><text:p>a</text:p></table:table-cell><table:table-cell>"
                + "<text:p>b</text:p></table:table-cell></table:table-row></table:table>", "a\tb\n"
        ),
    ])
    func readsOpenDocument(body: String, expected: String) throws {
        #expect(try openDocument(body).text == expected)
    }

    /// A field shows the title of the document; a title inside a drawing describes it.
    @Test func readsTitlesThatAreFieldsOnly() throws {
        let body = """
            <text:p xmlns:text='urn:oasis:names:tc:opendocument:xmlns:text:1.0' \
            xmlns:svg='urn:oasis:names:tc:opendocument:xmlns:svg-compatible:1.0' xmlns:dc='http://purl.org/dc/elements/1.1/' \
            xmlns:office='urn:oasis:names:tc:opendocument:xmlns:office:1.0'>a <text:title>T</text:title> \
            <text:meta>b</text:meta><office:meta><dc:title>x</dc:title></office:meta><dc:title>x</dc:title>\
            <svg:title>x</svg:title><svg:desc>x</svg:desc></text:p>
            """
        #expect(try openDocument(body).text == "a T b\n")
    }

    private static let masterStyles = """
        <o:master-styles xmlns:o='o' xmlns:s='s' xmlns:t='t'><s:master-page><s:header><t:p>head</t:p><t:p>er</t:p></s:header>\
        <s:header-left><t:p>left</t:p></s:header-left><s:footer><t:p><t:page-number>1</t:page-number></t:p></s:footer>\
        <s:footer-first><t:p>first</t:p></s:footer-first></s:master-page></o:master-styles>
        """

    @Test func countsCommentsAndHeadersOfOpenDocument() throws {
        let body = "<text:p>a<office:annotation><text:p>b</text:p></office:annotation>c</text:p>"
        let warning = { (comments: String) in
            "\(comments)2 headers and 1 footer left out: copy into the text what is to be learned, and drop the file again"
        }
        let read = try openDocument(
            body, styles: "<document-styles><styles><p>x</p></styles>\(Self.masterStyles)</document-styles>")
        #expect(read.text == "ac\n")
        #expect(read.report.warnings == [warning("1 comment, ")])
        // What cannot be read of the styles is not needed.
        #expect(try openDocument(body, styles: "<document-styles>\(Self.masterStyles)<").report.warnings.count == 1)
        #expect(try openDocument("<text:p>a</text:p>", styles: "").report.warnings == [])

        let flat = try ConvertedDocument(
            .xml,
            "<o:document xmlns:o='urn:oasis:names:tc:opendocument:xmlns:office:1.0'>\(Self.masterStyles)<o:body><o:text>"
                + "<p>a</p></o:text></o:body></o:document>")
        #expect(flat.text == "a\n")
        #expect(flat.report.warnings == [warning("")])
    }

    @Test func rejectsEncryptedOpenDocument() throws {
        let manifest = "<manifest><file-entry full-path='content.xml'><encryption-data/></file-entry></manifest>"
        #expect(
            try rejection { try openDocument("<text:p>a</text:p>", manifest: manifest) }?.contains("encrypted") == true)
    }

    @Test(arguments: [["a.txt", "b.txt"], ["content.xml"], []])
    func leavesOtherArchivesAlone(names: [String]) {
        #expect(PackedDocument(memberNames: names) == nil)
    }

    @Test func wantsOnlyMembersWithText() throws {
        let names = [
            "word/document2.xml", "word/media/image1.png", "word/footnotes.xml", "word/header1.xml", "word/headers.xml",
        ]
        let document = try #require(PackedDocument(memberNames: names))
        #expect(document.wantedMembers(names) == ["word/document2.xml", "word/footnotes.xml", "word/header1.xml"])
        #expect(names.filter(document.isOptional) == ["word/header1.xml"])
    }
}
