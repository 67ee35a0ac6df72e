import DocumentReading
import Testing
import TextReading

@Suite struct MarkupHTMLTests {
    private func html(_ body: String) throws -> String {
        try ConvertedDocument(.html, "<!DOCTYPE html><html><body>\(body)</body></html>").text
    }

    @Test func keepsTextWithoutTagsScriptsAndNavigation() throws {
        let page = try ConvertedDocument(
            .html,
            """
            <!DOCTYPE html><html><head><title>A walk</title><meta charset=utf-8><style>p { color: red }</style>
            <script>if (a</b>0) document.write("</p>");</script></head><body><nav>Menu <ul><li>Home</ul></nav>
            <div role="navigation"><div>Back</div></div><!-- note > --> <p>One <em>t</em>wo</p><template>three</template>
            <p hidden>four</p><p>five<span hidden>six</span></p><svg><text>seven</text></svg>
            """)
        #expect(page.text == "One two\n\nfive\n")
        #expect(page.report.format == "HTML")
        #expect(page.report.documents == 1)
        #expect(page.report.warnings == [])
    }

    @Test(arguments: [
        ("<p>a<p>b\n c", "a\n\nb c\n"),
        ("<div><h1>T</h1>a<br>b<br><br>c</div>", "T\n\na\nb\n\nc\n"),
        ("intro<ul><li>a<li><p>b</p><ul><li>c</ul></ul>end", "intro\n\na\nb\nc\n\nend\n"),
        ("<dl><dt>t<dd>d<dt>u</dl>", "t\nd\nu\n"),
        ("<table><tr><td>a<td><p>b</p><tr><th>c</th><td></td><td>d</table>", "a\tb\nc\td\n"),
        ("<table><tr><td><p>a</p><p>b</p></td><td>c</td></tr></table>", "a\n\nb\n\nc\n"),
        ("x<pre>\n a\n\n  b\tc\n</pre>y", "x\n\n a\n\n  b\tc\n\ny\n"),
        ("<ruby>漢<rp>(</rp><rt>kan</rt><rp>)</rp></ruby>字", "漢字\n"),
        ("<p>&nbsp;</p><p></p><p>a&nbsp;b &nbsp; c</p>", "a\u{A0}b c\n"),
        ("syl\u{AD}la&shy;ble", "syllable\n"),
        ("a<hr>b", "a\n\nb\n"),
        ("a<img alt='no'>b<input value=c>", "ab\n"),
    ])
    func separatesParagraphsLinesAndCells(body: String, expected: String) throws {
        #expect(try html(body) == expected)
    }

    @Test(arguments: [
        ("Caf&eacute; &amp; &lt;b&gt; &quot;&#8222;&#x201C;&hellip;", "Café & <b> \"„“…\n"),
        ("AT&T &copy 2020 &ampx a&b; &unknown; &", "AT&T © 2020 &x a&b; &unknown; &\n"),
        ("&#150;&#0;&#xD800;&#99999999999;", "–\u{FFFD}\u{FFFD}\u{FFFD}\n"),
    ])
    func resolvesCharacterReferences(body: String, expected: String) throws {
        #expect(try html(body) == expected)
    }

    @Test(arguments: [
        ("1 < 2 and 3 <4", "1 < 2 and 3 <4\n"), ("<p title='a>b'>c", "c\n"), ("<p title=\"<p>\">c", "c\n"),
        ("<p/>a</br>b</p><div", "a\nb\n"), ("a<!-->b<!--->c<!-- x --!>d<? php ?>e</>f", "abcdef\n"),
        ("a<b>b</i></u>c</b>", "abc\n"), ("<li hidden>a<li>b", "b\n"), ("<div><span hidden>a</div>b", "b\n"),
        ("<A HREF=x HIDDEN>a</A><SCRIPT>b</SCRIPT >c", "c\n"), ("<textarea></p></textarea>a", "a\n"),
    ])
    func readsMalformedDocumentsAsBrowsersDo(body: String, expected: String) throws {
        #expect(try ConvertedDocument(.html, body).text == expected)
    }

    @Test(arguments: [
        ("a<![CDATA[b>c]]>d", "ac]]>d\n"), ("<p>a<![CDATA[b]]>c", "ac\n"),
        ("<math><mi><![CDATA[x < y]]></mi></math><![CDATA[b]]>", "x < y\n"), ("<math/><![CDATA[b]]>c", "c\n"),
        ("<math>x<p>a<![CDATA[b]]>c", "x\n\nac\n"),
        ("<svg><text><![CDATA[a > b</svg>]]></text></svg>c", "c\n"), ("<svg width=1 />a", "a\n"),
    ])
    func readsSectionsInSVGAndMathML(body: String, expected: String) throws {
        let page = try ConvertedDocument(.html, body)
        #expect(page.text == expected)
        #expect(page.report.warnings == [])
    }

    @Test func readsXHTML() throws {
        let page = try ConvertedDocument(
            .html,
            """
            <?xml version="1.0"?><html xmlns="http://www.w3.org/1999/xhtml"><head><title/><script src="a"/></head>
            <body><p>a</p><div hidden="hidden"/><p><![CDATA[1 < 2]]]></p></body></html>
            """)
        #expect(page.text == "a\n\n1 < 2]\n")
        #expect(page.report.format == "XHTML")
    }

    @Test func decodesDeclaredEncoding() throws {
        let bytes = Array("<html><meta charset=iso-8859-1><p>T".utf8) + [0xFC] + Array("r".utf8)
        let page = try ConvertedDocument(.html, bytes)
        #expect(page.text == "Tür\n")
        // Browsers read the name as Windows-1252, which differs in control characters only.
        #expect(["iso-8859-1", "windows-1252"].contains(page.report.encoding?.lowercased()))
    }

    /// Text before the end of a document that lacks something, so that little is left out.
    private static let paragraph = String(repeating: "a ", count: 100)

    @Test(arguments: [
        ("<!-- b</p><p>c", 10), ("<!doctype b", 9), ("<!-", 1), ("<div class", 9), ("<div class=b", 11),
        ("<a href='b>c</a>", 15), ("</div", 3), ("<script>b</script", 9), ("<script>b", 1), ("<nav>b<p>c", 5),
        ("<noscript>b", 1), ("<svg><text>b", 7), ("<select><option>b", 9), ("<div><nav>b</div>c", 1),
        ("<ul><li><nav>b<li>c</ul>", 1), ("<nav>b<!-- c", 7),
    ])
    func warnsOfWhatIsNotClosed(end: String, leftOut: Int) throws {
        let page = try ConvertedDocument(.html, "<p>\(Self.paragraph)</p>\(end)")
        #expect(page.text.hasPrefix("a a a"))
        #expect(!page.text.contains("b"))
        #expect(page.report.warnings.count == 1)
        #expect(page.report.warnings.first?.hasPrefix("\(leftOut) bytes ") == true, "\(page.report.warnings)")
    }

    @Test(arguments: [
        "<nav></div>", "<p hidden>b", "<ul><li hidden>b</ul>", "<ruby>x<rt>b</ruby>", "<nav>b</nav>",
        "<head><title>b</title>",
        "x <", "x </", "&am",
    ])
    func doesNotWarnOfWhatMayBeOmitted(end: String) throws {
        let page = try ConvertedDocument(.html, "<p>\(Self.paragraph)</p>\(end)")
        #expect(page.report.warnings == [])
    }

    @Test func rejectsDocumentsOfWhichAFifthWouldBeLeftOut() throws {
        for begin in ["<!-- ", "<a href='", "<nav>", "<script>", "<a "] {
            let reason = try rejection {
                try ConvertedDocument(.html, "<p>\(Self.paragraph)</p>\(begin)\(Self.paragraph)")
            }
            #expect(reason?.contains("would be left out") == true, "\(begin)")
        }
    }

    @Test func rejectsDocumentsWithoutText() throws {
        let reason = try rejection {
            try ConvertedDocument(.html, "<html><head><title>a</title></head><body><img></body>")
        }
        #expect(reason?.contains("HTML without text") == true)
    }

    /// The converted text must not depend on where the input is split.
    @Test func readsPiecesOfAnySize() {
        let input = Array(
            """
            <html><head><title>t</title></head><body class='a "b"'><p>Caf&eacute; \u{A0}x\u{AD}y &amp &#x41;</p>
            <!-- c --><pre> d
            </pre><script>e</scr</script><p hidden>f</p><![CDATA[g]]><table><tr><td>h<td>i</table>
            """.utf8)
        func text(pieces size: Int) -> [UInt8] {
            var document = HTMLDocument(isXHTML: true)
            var output: [UInt8] = []
            for begin in stride(from: 0, to: input.count, by: size) {
                input[begin..<min(begin + size, input.count)].withUnsafeBytes { piece in
                    document.append(piece) { output.append(contentsOf: $0) }
                }
            }
            document.finish { output.append(contentsOf: $0) }
            return output
        }
        let whole = text(pieces: input.count)
        #expect(String(decoding: whole, as: UTF8.self) == "Café xy & A\n\n d\n\ng\n\nh\ti\n")
        for size in 1...40 { #expect(text(pieces: size) == whole, "in pieces of \(size)") }
    }

    @Test(arguments: ["<div>", "<b>", "<li><ul>", "<table><tr><td>", "<span hidden></p>", "<p><nav></nav>"])
    func readsDeepNestingInBoundedMemory(tags: String) throws {
        // Enough text for what follows to be less than a fifth, some of which is hidden.
        let text = String(repeating: "text ", count: 300_000)
        let page = try ConvertedDocument(
            .html, "<p>begin</p><p>\(text)</p>" + String(repeating: tags, count: 20_000) + "<p>end")
        #expect(page.text.hasPrefix("begin\n"))
    }

    @Test func holdsLongTextsTagsAndCommentsInBoundedMemory() {
        let long = Array(String(repeating: "x", count: 1 << 16).utf8)
        for (begin, end) in [
            ("", ""), ("<p title='", "'>"), ("<!--", "-->"), ("<", ">"), ("<p ", ">"), ("<script>", "</script>"),
        ] {
            var document = HTMLDocument(isXHTML: false)
            var most = 0
            for part in [Array(begin.utf8)] + Array(repeating: long, count: 100) + [Array(end.utf8)] {
                part.withUnsafeBytes { document.append($0) { _ in } }
                most = max(most, document.heldBytes)
            }
            #expect(most <= long.count, "\(begin)")
        }
    }
}
