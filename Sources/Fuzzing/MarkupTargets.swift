import DocumentReading
import Glibc
import TextReading

/// Targets for documents, which `kantaibert-read` converts to text.
extension FuzzTarget {
    /// The first byte is the size of the pieces in which the document arrives. The text must not depend on the pieces.
    static let html = FuzzTarget(
        name: "html",
        seeds: documents(
            "\u{3}<!DOCTYPE html><html><head><title>a</title><style>p{}</style></head><body class='b \"'><p>c&eacute;&#x41;&amp"
                + "<ul><li>d<li hidden>e</ul><!-- f --><table><tr><td>g<td><p>h</table><pre>\n i\n\n</pre><nav>j</nav>",
            "\u{20}<?xml version='1.0'?><html><script src='a'/><p><![CDATA[b]]></p><ruby>c<rt>d</ruby>e\u{A0}f\u{AD}g<br/></html>",
            "\0a<b title=c>d</b>&copy e</p><div role=navigation>f</div><svg><style>g</style></svg><h1/><dl><dt>h<dd>i</dl>"
        )
    ) { input in
        guard let first = input.first else { return }
        let bytes = Array(String(decoding: input[1...], as: UTF8.self).utf8)
        for isXHTML in [false, true] {
            let whole = html(bytes, isXHTML, pieces: max(1, bytes.count))
            let pieces = html(bytes, isXHTML, pieces: Int(first) + 1)
            expect(whole == pieces, "\(whole) in one piece, \(pieces) in pieces of \(Int(first) + 1)")
            check(whole, from: bytes.count)
        }
    }

    /// The first byte selects the kind of markup if the contents do not determine it.
    static let xml = FuzzTarget(
        name: "xml",
        seeds: documents(
            "\0<?xml version='1.0' encoding='UTF-8'?><TEI><text><body><lg><l>a</l></lg><p>b<note>c</note>d<lb break='no'/>"
                + "<choice><sic>e</sic><corr>f</corr></choice></p></body></text></TEI>",
            "\u{1}<!DOCTYPE a [<!ENTITY e 'x<b>y</b>'><!ENTITY f SYSTEM 'file:///etc/passwd'>]><a>&e;&f;<c>d</c>&#65;</a>",
            "\u{2}<a><b>c</b><![CDATA[d]]></a>",
            "\0<rss><item><title>a</title><description>&lt;p>b&amp;amp;<c/></description><d:encoded xmlns:d='e'><![CDATA[<ul><li>"
                + "f<!-- g]]></d:encoded></item></rss>",
            "\0<en-export><note><content><![CDATA[<?xml version='1.0'?><en-note>a<en-crypt>b</en-crypt></en-note>]]></content>"
                + "<resource><data>QUJD</data></resource></note></en-export>")
    ) { input in
        guard let first = input.first else { return }
        let bytes = Array(input[1...])
        let kind = Markup.kind(ofHead: bytes, name: "input.xml") ?? [.html, .xml, .tei][Int(first) % 3]
        _ = Markup.declaredEncoding(bytes)
        read(bytes) { try kind.read($0, configured: "UTF-8", into: &$1) }
    }

    /// A book whose package document and chapter are separated by a form feed.
    static let epub = FuzzTarget(
        name: "epub",
        seeds: documents(
            "<package><manifest><item id='a' href='%61.xhtml' media-type='application/xhtml+xml'/><item id='n' "
                + "properties='nav' href='../n' media-type='text/html'/></manifest><spine><itemref idref='n'/><itemref "
                + "idref='a' linear='no'/></spine></package>\u{C}<html><head><title/></head><body><h1>b</h1>c</body></html>"
        )
    ) { input in
        let parts = input.split(separator: 0x0C, maxSplits: 1, omittingEmptySubsequences: false).map(Array.init)
        readPacked([
            "META-INF/container.xml": Array("<rootfile full-path='p/q.opf'/>".utf8), "p/q.opf": parts[0],
            "p/a.xhtml": parts.count > 1 ? parts[1] : [],
        ])
    }

    /// A DOCX file whose text and footnotes are separated by a form feed.
    static let docx = FuzzTarget(
        name: "docx",
        seeds: documents(
            "<w:document xmlns:w='w'><w:p><w:pPr><w:tab/></w:pPr><w:r><w:t>a</w:t><w:footnoteReference w:id='1'/><w:br/>"
                + "<w:txbxContent><w:p><w:r><w:t>b</w:t></w:r></w:p></w:txbxContent></w:r></w:p><w:tbl><w:tr><w:tc><w:p>"
                + "<w:r><w:t>c</w:t></w:r></w:p></w:tc></w:tr></w:tbl></w:document>\u{C}<w:footnotes xmlns:w='w'>"
                + "<w:footnote w:id='1'><w:p><w:r><w:t>d</w:t></w:r></w:p></w:footnote></w:footnotes>")
    ) { input in
        let parts = input.split(separator: 0x0C, maxSplits: 1, omittingEmptySubsequences: false).map(Array.init)
        readPacked(["word/document.xml": parts[0], "word/footnotes.xml": parts.count > 1 ? parts[1] : []])
    }

    static let odt = FuzzTarget(
        name: "odt",
        seeds: documents(
            "<o:document-content xmlns:o='o' xmlns:t='t'><t:tracked-changes><t:p>x</t:p></t:tracked-changes><t:h>a</t:h><t:p>b"
                + "<t:s t:c='3'/><t:note><t:note-citation>1</t:note-citation><t:note-body><t:p>c</t:p></t:note-body></t:note>"
                + "</t:p><t:list><t:list-item><t:p>d</t:p></t:list-item></t:list></o:document-content>")
    ) { input in
        readPacked(["content.xml": input, "mimetype": []])
    }

    /// The first byte selects whether the mail is recognized by its name.
    static let mail = FuzzTarget(
        name: "mail",
        seeds: documents(
            "\0From: a@b\nSubject: =?utf-8?B?w6k=?= =?koi8-r?Q?=CD?=\nMIME-Version: 1.0\nContent-Type: multipart/mixed; "
                + "boundary=\"c\"\n\n--c\nContent-Type: multipart/alternative; boundary=d\n\n--d\n\nplain\n--d\n"
                + "Content-Type: text/html; charset=iso-8859-1\nContent-Transfer-Encoding: quoted-printable\n\n<p>=E9=\n\n"
                + "--d--\n--c\nContent-Type: message/rfc822\nContent-Transfer-Encoding: base64\n\nU3ViamVjdDogYQoKYgo=\n"
                + "--c\nContent-Type: image/png\n\nx\n--c--\n",
            "\u{1}From a Mon Jan  1 12:00:00 2024\nFrom: a@b\nDate: 1 Jan 2024 12:00\n\n>From here\n\n"
                + "From b Mon Jan  1 12:00:00 2024\nSubject: c\nContent-Type: text/plain; format=flowed; delsp=yes\n\n"
                + "> d \n> e \nf\n-- \ng\n",
            "\0From: <Saved>\r\nMIME-Version: 1.0\r\nContent-Type: multipart/related; boundary=x\r\n\r\n--x\r\n"
                + "Content-Type: text/html\r\nContent-Transfer-Encoding: base64\r\n\r\nPHA+YTxwPmI=\r\n--x--\r\n")
    ) { input in
        guard let first = input.first else { return }
        let bytes = Array(input[1...])
        guard let mail = Mail(head: bytes, name: first % 2 == 0 ? "input" : "input.eml") else { return }
        inFolder("mail-scratch", []) { folder in
            let descriptor = open("\(folder)/mail-scratch", O_RDWR | O_CLOEXEC)
            expect(descriptor >= 0, "the scratch file cannot be opened")
            defer { close(descriptor) }
            let scratch = ScratchFile(descriptor: descriptor)
            read(bytes) { try mail.read($0, scratch: scratch, configured: nil, into: &$1) }
            expect(scratch.mark == 0, "\(scratch.mark) bytes of scratch space are not released")
        }
    }

    static let markupAndDocuments: [FuzzTarget] = [html, xml, epub, docx, odt, mail]

    private static func documents(_ texts: String...) -> [[UInt8]] { texts.map { Array($0.utf8) } }

    private static func html(_ bytes: [UInt8], _ isXHTML: Bool, pieces size: Int) -> [UInt8] {
        var document = HTMLDocument(isXHTML: isXHTML)
        var text: [UInt8] = []
        for begin in stride(from: 0, to: bytes.count, by: size) {
            bytes[begin..<min(begin + size, bytes.count)].withUnsafeBytes { piece in
                document.append(piece) { text.append(contentsOf: $0) }
            }
        }
        document.finish { text.append(contentsOf: $0) }
        return text
    }

    private static func readPacked(_ members: [String: [UInt8]]) {
        let names = Array(members.keys)
        guard let document = PackedDocument(memberNames: names) else { fatalError("not recognized: \(names)") }
        // One file: each member is a region of it.
        var (all, places): ([UInt8], [String: Range<Int>]) = ([], [:])
        for (name, bytes) in members {
            places[name] = all.count..<all.count + bytes.count
            all += bytes
        }
        read(all) { file, reading in
            let wanted = document.wantedMembers(names)
            let regions = places.filter { wanted.contains($0.key) }.mapValues {
                FileRegion(descriptor: file.descriptor, offset: $0.lowerBound, bytes: $0.count)
            }
            try document.read(members: regions, configured: nil, into: &reading)
        }
    }

    private static func read(_ bytes: [UInt8], _ read: (FileRegion, inout CorpusReading) throws -> Void) {
        var template = Array("/tmp/fuzz-XXXXXX".utf8CString)
        let descriptor = mkstemp(&template)
        expect(descriptor >= 0, "the input cannot be stored")
        unlink(template)
        defer { close(descriptor) }
        expect(write(descriptor, bytes, bytes.count) == bytes.count, "the input cannot be stored")
        var text: [UInt8] = []
        var reading = CorpusReading(options: ReadingOptions()) { text.append(contentsOf: $0) }
        do {
            try read(FileRegion(descriptor: descriptor, bytes: bytes.count), &reading)
        } catch let error as RejectionError {
            return expect(!error.reason.text.isEmpty, "empty reason")
        } catch {
            fatalError("unexpected error type: \(error)")
        }
        expect(reading.report.bytes == text.count, "\(reading.report.bytes) bytes reported, \(text.count) stored")
        check(text, from: bytes.count)
    }

    private static func check(_ text: [UInt8], from bytes: Int) {
        expect(String(validating: text, as: UTF8.self) != nil, "the stored text is not valid UTF-8")
        expect(!text.contains(0), "the stored text contains NUL")
        // Entities may expand to some megabytes.
        expect(text.count <= 64 << 20 + 8 * bytes, "\(text.count) bytes of text from \(bytes) bytes")
        let text = String(decoding: text, as: UTF8.self)
        expect(!text.contains("root:x:0"), "another file was read")
    }
}
