import DocumentReading
import Testing

@Suite struct MarkupRecognitionTests {
    @Test(
        arguments: [
            ("page.txt", "<!DOCTYPE html><html>", .html),
            ("page.txt", "\n<!-- saved --><!doctype HTML PUBLIC \"…\">", .html),
            ("page", "\u{FEFF}<HTML>\n", .html), ("page.md", "<html lang=en>", .html),
            ("a.txt", "<head><title>a", .html),
            ("a.html", "a<p>b", .html), ("a.htm", "Gr&uuml;&szlig;e", .html), ("a.html", "no tags: 1 < 2", nil),
            ("a.md", "<div align=center>\n\n# Title\n", nil), ("a.txt", "<Alice> hello\n<Bob> hi\n", nil),
            ("a.txt", "<p>a paragraph", nil), ("a.txt", "plain", nil), ("a.txt", "", nil),
            ("a.txt", "<?xml version='1.0'?>\n<!DOCTYPE html SYSTEM 'x'><html>", .html),
            ("a.txt", "<?xml version='1.0'?><html xmlns='x'>", .html), ("a.txt", "<?xml version='1.0'?><rss>", .xml),
            ("a.xml", "<?xml version='1.0'?><!-- c --><TEI xmlns='x'>", .tei),
            ("a.txt", "<tei:TEI xmlns:tei='x'>", .tei),
            ("a.txt", "<!DOCTYPE TEI.2 SYSTEM 'tei2.dtd' [<!ENTITY a 'b'>]><TEI.2>", .tei),
            ("a.xml", "<book><p>", .xml),
            ("a.txt", "<book><p>", nil), ("a", "<!-- c --><book\n xmlns='x'><p>", .xml),
            ("a.txt", "<b:a xmlns:b='x'/>", .xml),
            ("a.md", "<svg xmlns='x'/>", nil), ("a.html", "<svg xmlns='x'/>", .html), ("a.txt", "<b>xmlns='x'", nil),
            ("a.txt", "<b cxmlns='x'>", nil), ("a.opml", "<opml>", .xml), ("a.txt", "<?php echo 1 ?>", nil),
            ("a.fb2", "<FictionBook>", .xml),
        ] as [(String, String, Markup?)])
    func recognizesContents(name: String, text: String, expected: Markup?) {
        #expect(Markup.kind(ofHead: Array(text.utf8), name: name) == expected)
    }

    @Test func recognizesUTF16() {
        let head = "\u{FEFF}<!DOCTYPE html>".utf16.flatMap { [UInt8($0 & 0xFF), UInt8($0 >> 8)] }
        #expect(Markup.kind(ofHead: head, name: "a.txt") == .html)
        #expect(Markup.declaredEncoding(head) == nil)
    }

    @Test(
        arguments: [
            ("<?xml version='1.0' encoding='ISO-8859-1'?><a>", "iso-8859-1"),
            ("<?xml version='1.0'?><a b='encoding'>", nil),
            ("<meta charset=\"windows-1252\">", "windows-1252"), ("<html><META CHARSET = koi8-r>", "koi8-r"),
            ("<meta name=a><meta http-equiv=Content-Type content=\"text/html; charset=EUC-JP\">", "euc-jp"),
            ("<p>charset=utf-8</p>", nil), ("<meta charset=utf-16>", nil), ("<meta charset=", nil),
        ] as [(String, String?)])
    func findsDeclaredEncoding(text: String, expected: String?) {
        #expect(Markup.declaredEncoding(Array(text.utf8)) == expected)
    }
}
