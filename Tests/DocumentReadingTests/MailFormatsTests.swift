import DocumentReading
import Testing
import TextReading

@Suite("Mail in rare forms") struct MailFormatsTests {
    /// The example of RFC 1896.
    @Test func readsEnrichedText() throws {
        let body = """
            <bold>Now</bold> is the time for <italic>all</italic>
            good men
            <smaller>(and <<women>)</smaller> to
            <ignoreme>come</ignoreme>

            to the aid of their


            <color><param>red</param>beloved</color>
            country.

            By the way,
            I think that <paraindent><param>left</param><<smaller>

            </paraindent>should REALLY be called

            <paraindent><param>left</param><<tinier></paraindent>

            and that I am always right.

            -- the end
            """
        let expected = """
            Now is the time for all good men (and <women>) to come
            to the aid of their

            beloved country.
            By the way, I think that <smaller>
            should REALLY be called
            <tinier>
            and that I am always right.
            -- the end
            """
        for body in [body, body.replacing("\n", with: "\r\n")] {
            let read = try ReadDocument(mail: TestMail.message("Content-Type: text/enriched", body))
            #expect(read.text == "A subject\n\n\(expected)\n")
            #expect(read.warnings == [])
        }
    }

    @Test(arguments: [
        ("a<nofill>b\nc\n\nd</nofill>\ne\nf", "ab\nc\n\nd e f"),
        ("a < b, c <- d, <1 x>, <a b>", "a < b, c <- d, <1 x>, <a b>"),
        ("<x-unknown>a</x-unknown></bold>b", "ab"),
        // Without its end, a parameter is text.
        ("a <param>b\n<color><param>c", "a b c"),
    ])
    func readsCommandsOfEnrichedText(body: String, text: String) throws {
        let mail = TestMail.message("Content-Type: text/enriched; charset=us-ascii", body)
        #expect(try ReadDocument(mail: mail).text == "A subject\n\n\(text)\n")
    }

    @Test func readsRichtext() throws {
        let body = "<Bold>Now</Bold> 1 <lt> 2<nl>\nnext<comment>not shown</comment> line\n\ngoes on<np>end"
        let mail = TestMail.message("Content-Type: text/richtext", body)
        #expect(try ReadDocument(mail: mail).text == "A subject\n\nNow 1 < 2\nnext line goes on\nend\n")
    }

    @Test(
        "Mail in UTF-16 and UTF-32, with a byte-order mark or without",
        arguments: ["UTF-16LE", "UTF-16BE", "UTF-32LE", "UTF-32BE"], [true, false])
    func readsWideMail(form: String, hasMark: Bool) throws {
        let mail = TestMail.message(
            "MIME-Version: 1.0\nContent-Type: text/plain; charset=iso-8859-1", "Grüße aus Köln.\n日本")
        let bytes = ((hasMark ? "\u{FEFF}" : "") + mail).encoded(form)
        for file in ["a.eml", "a.txt"] {
            let read = try ReadDocument(file, bytes)
            #expect(read.text == "A subject\n\nGrüße aus Köln.\n日本\n", "\(file)")
            #expect(read.report?.format == "mail message")
            #expect(read.report?.encoding == (hasMark ? String(form.dropLast(2)) : form))
            #expect(read.warnings == [])
        }
        // It is learned as it is where the configuration says so.
        var options = ReadingOptions()
        options.format = .text
        #expect(try ReadDocument("a.eml", bytes, options).text == mail)
    }

    @Test func countsDamageOfWideMail() throws {
        let mail = TestMail.message("X: y", String(repeating: "A line of text.\n", count: 200))
        var bytes = ("\u{FEFF}" + mail).encoded("UTF-16LE")
        // A lone surrogate.
        bytes[bytes.count - 100..<bytes.count - 98] = [0x00, 0xD8]
        let read = try ReadDocument("a.eml", bytes)
        #expect(read.report?.replacedBytes == 2 && read.text?.contains("\u{FFFD}") == true)
        #expect(read.warnings?.contains { $0.contains("are not UTF-16, replaced by U+FFFD") } == true)
    }

    @Test func readsWideMailInAnArchive() throws {
        let mail = TestMail.message("X: y", "Text")
        let members = [("a.eml", ("\u{FEFF}" + mail).encoded("UTF-16LE")), ("b.eml", Array(mail.utf8))]
        let zip = ZipWriter.file(members.map { .init(Array($0.utf8), data: $1, crc: ZipWriter.crc($1)) })
        let lines = try ReadDocument("a.zip", zip).text?.split(separator: "\n")
        #expect(lines == ["A subject", "Text", "A subject", "Text"])
    }

    // MARK: Messages that follow each other

    @Test func readsAChainOfMessages() throws {
        let message = TestMail.multipart("multipart/mixed", [("Content-Type: text/plain", "Text")])
        let read = try ReadDocument(mail: String(repeating: message, count: 3_000), name: "a.eml")
        #expect(read.report?.format == "mail with 3000 messages" && read.report?.documents == 3_000)
        #expect(read.warnings == [])
    }

    @Test("No more is read than the head of a message needs")
    func findsTheHeadInFewBytes() {
        let head = "Received: from a by b; 1 Jan 2024\nFrom: a@example.org\nMessage-ID: <a@b>\n"
        for (fields, most) in [(0, 1 << 10), (40, 4 << 10), (400, 64 << 10)] {
            let unknown = (0..<fields).map { "X-Field-\($0): \(String(repeating: "v", count: 40))\n" }.joined()
            let message = Array("\(unknown)\(head)\r\n\(String(repeating: "Text\n", count: 40_000))".utf8)
            var longest = 0
            let found = MailHead.find { count in
                longest = max(longest, count)
                return Array(message.prefix(count))
            }
            #expect(found == MailHead(message) && found != nil && longest <= most, "\(longest)")
        }
        #expect(MailHead.find { Array("Not mail\n".utf8.prefix($0)) } == nil)
        #expect(MailHead.find { Array(head.utf8.prefix($0)) } == nil)
    }

    @Test("Lines of any length")
    func readsLongLinesOfHeaders() throws {
        for count in [1_000, 1_023, 1_024, 1_025, 4_096, 5_000, 16_384, 20_000, 70_000] {
            let mail = TestMail.message("X-Long: \(String(repeating: "v", count: count))\nX: y", "Text")
            #expect(try ReadDocument("a.eml", mail.utf8).text == "A subject\n\nText\n", "\(count)")
            let line = String(repeating: "text ", count: count / 5) + "end"
            #expect(
                try ReadDocument("a.eml", TestMail.message("X: y", line + "\n\n" + line).utf8).text
                    == "A subject\n\n\(line)\n\n\(line)\n")
        }
    }
}
