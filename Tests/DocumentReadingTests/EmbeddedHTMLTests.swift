import DocumentReading
import Testing
import TextReading

@Suite("HTML inside of XML") struct EmbeddedHTMLTests {
    private static let paragraphs = "<p>One <b>b</b>old &amp; caf&eacute;<br>line</p><script>x()</script><p>Two</p>"
    private static let text = "One bold & café\nline\n\nTwo"

    /// The HTML in a CDATA section and escaped.
    private static var written: [String] {
        [
            "<![CDATA[\(paragraphs)]]>",
            paragraphs.replacing("&", with: "&amp;").replacing("<", with: "&lt;").replacing(">", with: "&gt;"),
        ]
    }

    @Test(arguments: written, ["description", "content:encoded", "itunes:summary"])
    func readsHTMLInRSS(html: String, element: String) throws {
        let read = try ConvertedDocument(
            .xml,
            "<?xml version='1.0'?><rss xmlns:content='http://purl.org/rss/1.0/modules/content/' xmlns:itunes='i'><channel>"
                + "<title>T</title><item><title>1 &lt; 2</title><\(element)>\(html)</\(element)></item></channel></rss>"
        )
        #expect(read.text == "T\n\n1 < 2\n\n\(Self.text)\n")
        #expect(read.report.format == "RSS")
        #expect(read.report.warnings == [])
    }

    @Test(arguments: written)
    func readsHTMLInAtom(html: String) throws {
        let read = try ConvertedDocument(
            .xml,
            "<feed xmlns='http://www.w3.org/2005/Atom'><title>a &lt;b> c</title><entry><summary type='html'>\(html)</summary>"
                + "<content type='html'>\(html)</content></entry><entry><content type='xhtml'><div><p>x<i>y</i></p></div>"
                + "</content></entry></feed>")
        #expect(read.text == "a <b> c\n\n\(Self.text)\n\n\(Self.text)\n\nxy\n")
        #expect(read.report.format == "Atom")
    }

    @Test(arguments: written)
    func readsHTMLInRSS1(html: String) throws {
        let read = try ConvertedDocument(
            .xml,
            "<r:RDF xmlns:r='http://www.w3.org/1999/02/22-rdf-syntax-ns#' xmlns='http://purl.org/rss/1.0/' xmlns:o='o'><item>"
                + "<description>\(html)</description><o:description>1 &lt;2></o:description></item></r:RDF>")
        #expect(read.text == "\(Self.text)\n\n1 <2>\n")
    }

    @Test("Descriptions without HTML, and elements that should have been escaped, stay what they are")
    func readsPlainDescriptions() throws {
        let read = try ConvertedDocument(
            .xml,
            "<rss><item><description>1 &lt; 2 &amp; 3</description></item><item><description>a <b>b</b> c</description></item>"
                + "<item xmlns:m='http://search.yahoo.com/mrss/'><m:description>x &lt;y></m:description></item></rss>")
        #expect(read.text == "1 < 2 & 3\n\na b c\n\nx <y>\n")
    }

    @Test func leavesOutherVocabulariesAlone() throws {
        #expect(
            try ConvertedDocument(.xml, "<a><description>1 &lt;b> 2</description><content>&lt;p></content></a>").text
                == "1 <b> 2\n\n<p>\n")
    }

    @Test func readsNotesOfEvernote() throws {
        let note = { (body: String, more: String) in
            "<note><title>T</title><content><![CDATA[<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n<!DOCTYPE en-note SYSTEM "
                + "\"http://xml.evernote.com/pub/enml2.dtd\">\n<en-note><div>\(body)</div><div/></en-note>]]></content>"
                + "<created>20200101T000000Z</created>\(more)</note>"
        }
        let resource = "<resource><data encoding=\"base64\">QUJD\nREVG</data><mime>image/png</mime></resource>"
        let read = try ConvertedDocument(
            .xml,
            "<?xml version=\"1.0\"?><!DOCTYPE en-export SYSTEM \"x.dtd\"><en-export>"
                + note("one <b>b</b>old<en-media type='image/png' hash='1'/>", resource + resource)
                + note("two<en-crypt cipher='AES'>U2VjcmV0</en-crypt>", resource) + "</en-export>")
        #expect(read.text == "T\n\none bold\n\nT\n\ntwo\n")
        #expect(read.report.format == "ENEX")
        #expect(
            read.report.warnings == [
                "3 attachments and 1 encrypted part left out: copy into the text what is to be learned, and drop the "
                    + "file again"
            ])
    }

    @Test func countsFilesInAtom() throws {
        let read = try ConvertedDocument(
            .xml,
            "<feed xmlns='http://www.w3.org/2005/Atom'><title>t</title><entry><content type='image/png'>QUJD</content></entry>"
                + "<entry><content type='text/plain'>a</content></entry></feed>")
        #expect(read.text == "t\n\na\n")
        #expect(
            read.report.warnings == [
                "1 attachment left out: copy into the text what is to be learned, and drop the file again"
            ])
    }

    @Test func reportsHTMLThatIsNotClosed() throws {
        let item = "<item><description>\(String(repeating: "text ", count: 100))</description></item>"
        func feed(_ parts: Int) -> String {
            "<rss>\(item)\(item)<item><description>a &lt;!-- \(String(repeating: "text ", count: parts))</description>"
                + "</item><item><description>after</description></item></rss>"
        }
        let read = try ConvertedDocument(.xml, feed(2))
        #expect(read.text.hasSuffix("a\n\nafter\n"))
        #expect(read.report.warnings.count == 1)
        #expect(read.report.warnings.first?.contains("is not closed and were left out") == true)
        #expect(try rejection { try ConvertedDocument(.xml, feed(200)) }?.contains("would be left out") == true)
    }

    @Test func endsHTMLWhereTheFeedIsTruncated() throws {
        let text = String(repeating: "text ", count: 100)
        let read = try ConvertedDocument(.xml, "<rss><item><description>&lt;p>\(text)&amp;am")
        #expect(read.text.hasPrefix("text text"))
        #expect(read.report.warnings.count == 1)
    }
}
