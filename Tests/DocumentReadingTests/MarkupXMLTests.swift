import DocumentReading
import Testing
import TextReading

@Suite struct MarkupXMLTests {
    private func tei(_ body: String) throws -> String {
        try ConvertedDocument(
            .tei,
            "<TEI><teiHeader><p>header</p></teiHeader><text><body>\(body)</body></text></TEI>"
        ).text
    }

    @Test(arguments: [
        ("<head>H</head><p>a\n <hi>b</hi>c</p><p>d</p>", "H\n\na bc\n\nd\n"),
        ("<lg><l>a</l><l>b</l></lg><lg><l>c</l></lg>", "a\nb\n\nc\n"),
        ("<sp><speaker>A</speaker><p>b</p></sp>", "A\n\nb\n"), ("<sp><speaker>A</speaker><l>b</l></sp>", "A\nb\n"),
        ("<p>a<note>n</note> b</p><p>c</p>", "a b\n\nn\n\nc\n"),
        ("<p>a<note><p>n</p><p>m</p></note></p>", "a\n\nn\n\nm\n"),
        ("<p>a<lb/>b wor-<lb break='no'/>ld <lb/> c</p>", "a b world c\n"),
        (
            "<p><choice><sic>a</sic><corr>b</corr></choice><choice><orig>c</orig><reg>d</reg></choice>"
                + "<choice><abbr>e</abbr><expan>f</expan></choice></p>", "bdf\n"
        ),
        ("<p><sic>a</sic><app><lem>b</lem><rdg>c</rdg></app><del>d</del><fw>5</fw></p>", "ab\n"),
        ("<p>a<app><rdg>b</rdg><rdg>c</rdg></app></p>", "ab\n"),
        (
            "<p>a<app><lem>b</lem><rdgGrp><rdg>c</rdg><rdgGrp><rdg>d</rdg></rdgGrp></rdgGrp><wit>M</wit></app>e</p>",
            "abe\n"
        ),
        ("<p>a<app><rdgGrp><rdg>b</rdg><rdg>c</rdg></rdgGrp><rdgGrp><lem>d</lem></rdgGrp></app></p>", "ab\n"),
        ("<p><app><lem>a<app><lem>b</lem><rdg>c</rdg></app><app/></lem><rdg>d</rdg></app>e</p>", "abe\n"),
        ("<p>word<app from='#a'><lem>word</lem><rdg>ward</rdg></app> <app><rdg>b</rdg></app></p>", "word b\n"),
        ("<list><item>a</item><item><p>b</p></item></list>", "a\nb\n"),
        ("<table><row><cell>a</cell><cell>b</cell></row><row><cell>c</cell></row></table>", "a\tb\nc\n"),
    ])
    func readsTEI(body: String, expected: String) throws {
        #expect(try tei(body) == expected)
    }

    @Test func readsDeclaredEncodingAndNamespace() throws {
        let begin =
            "<?xml version=\"1.0\" encoding=\"ISO-8859-1\"?><t:TEI xmlns:t=\"http://www.tei-c.org/ns/1.0\"><t:text>"
        let bytes = Array("\(begin)<t:p>T".utf8) + [0xFC] + Array("r</t:p></t:text></t:TEI>".utf8)
        let edition = try ConvertedDocument(.tei, bytes)
        #expect(edition.text == "Tür\n")
        #expect(edition.report.format == "TEI")
    }

    @Test(arguments: [
        ("<a><b>one</b> <c>two</c></a>", "one\n\ntwo\n"),
        ("<a><p>one <i>t</i>wo</p><p><b>th</b>ree</p></a>", "one two\n\nthree\n"),
        ("<a><title>T</title>text</a>", "T\n\ntext\n"), ("<a><![CDATA[1 < 2]]> &amp; &#228;</a>", "1 < 2 & ä\n"),
        ("<FictionBook><description>d</description><body><p>a</p></body><binary>QUJD</binary></FictionBook>", "a\n"),
        ("<!DOCTYPE a SYSTEM 'x.dtd'><a>f&uuml;r</a>", "für\n"),
        ("<!DOCTYPE a [<!ENTITY e 'ex<b>p</b>'>]><a>&e;and</a>", "expand\n"),
    ])
    func readsOtherXML(document: String, expected: String) throws {
        #expect(try ConvertedDocument(.xml, document).text == expected)
    }

    @Test(arguments: [
        ("", "XML", "T\n\none\n\ntwo\n"), (" xmlns='urn:x'", "XML", "T\n\none\n\ntwo\n"),
        (" xmlns='urn:oasis:names:tc:opendocument:xmlns:office:1.0'", "OpenDocument text", "two\n"),
    ])
    func recognizesOpenDocumentByItsNamespace(declaration: String, format: String, text: String) throws {
        let document = try ConvertedDocument(
            .xml, "<document\(declaration)><title>T</title><para>one</para><p>two</p></document>")
        #expect(document.text == text)
        #expect(document.report.format == format)
    }

    @Test func keepsWhatIsBeforeAnError() throws {
        let one = String(repeating: "one ", count: 100)
        let document = try ConvertedDocument(.xml, "<a>\n<p>\(one)</p>\n<p>two</q>\n<p>three</p></a>")
        #expect(document.text.hasPrefix("one one"))
        #expect(!document.text.contains("three"))
        #expect(document.report.warnings.first?.contains("line 3") == true)
        let warning = document.report.warnings.first ?? ""
        #expect(
            warning.contains(/the text from there on, [1-9][0-9]? of 439 bytes, was left out/), "\(warning)")
    }

    @Test func rejectsDocumentsOfWhichAFifthWouldBeLeftOut() throws {
        let text = String(repeating: "one ", count: 100)
        func document(afterError parts: Int) -> String {
            let after = String(repeating: "<p>\(text)</p>", count: parts)
            return "<a>" + String(repeating: "<p>\(text)</p>", count: 8) + "<p>two</q>\(after)</a>"
        }
        #expect(try ConvertedDocument(.xml, document(afterError: 1)).report.warnings.count == 1)
        let reason = try rejection { try ConvertedDocument(.xml, document(afterError: 3)) }
        #expect(reason?.contains("line 1 ") == true)
        #expect(reason?.contains("would be left out") == true)
        // A document that only lacks its end has lost nothing.
        #expect(try ConvertedDocument(.xml, "<a><p>\(text)").report.warnings.count == 1)
    }

    @Test(arguments: ["<a>", "<a><b", "", "<a>\u{0}</a>", "<a x='1' x='2'>t</a>"])
    func rejectsWhatHasNoText(document: String) throws {
        #expect(try rejection { try ConvertedDocument(.xml, document) } != nil)
    }

    @Test func refusesEntitiesThatExpandWithoutBound() throws {
        var document = "<!DOCTYPE a [<!ENTITY e0 'lollollollollollollollollollol'>"
        for level in 1...12 {
            document += "<!ENTITY e\(level) '\(String(repeating: "&e\(level - 1);", count: 10))'>"
        }
        let reason = try rejection { try ConvertedDocument(.xml, document + "]><a>&e12;</a>") }
        #expect(reason?.contains("line 1") == true)
    }

    @Test(arguments: [
        "<!DOCTYPE a [<!ENTITY e SYSTEM 'file:///etc/passwd'>]><a>before &e; after</a>",
        "<!DOCTYPE a [<!ENTITY % p SYSTEM 'file:///etc/passwd'> %p;]><a>before  after</a>",
        "<!DOCTYPE a SYSTEM 'file:///etc/passwd'><a>before  after</a>",
    ])
    func loadsNothingFromOutside(document: String) throws {
        #expect(try ConvertedDocument(.xml, document).text == "before after\n")
    }

    @Test func countsEntitiesWhoseTextIsElsewhere() throws {
        let document = try ConvertedDocument(
            .xml,
            "<!DOCTYPE a [<!ENTITY e SYSTEM 'chapter.xml'><!ENTITY i 'inner'>]><a>before &e; &i; &e; after</a>")
        #expect(document.text == "before inner after\n")
        #expect(
            document.report.warnings == [
                "2 references to entities whose text is in other files left out: expand them (xmllint --noent --loaddtd) "
                    + "and drop the file again"
            ])
    }

    @Test func boundsDepthAndAttributes() throws {
        let deep = String(repeating: "<b>", count: 100_000)
        #expect(try rejection { try ConvertedDocument(.xml, "<a>text\(deep)") }?.contains("1000 levels") == true)
        let text = String(repeating: "text ", count: 1000)
        let rarelyDeep = try ConvertedDocument(.xml, "<a>\(text)\(deep.prefix(3 * 1100))")
        #expect(rarelyDeep.report.warnings.first?.contains("1000 levels") == true)
        let long = String(repeating: "x", count: 20 << 20)
        #expect(try rejection { try ConvertedDocument(.xml, "<a b='\(long)'>text</a>") } != nil)
    }
}
