import DocumentReading
import Testing
import TextReading

@Suite struct MailTests {
    // MARK: Messages

    @Test func readsSubjectAndText() throws {
        let read = try ReadDocument(
            mail: TestMail.message("X-Mailer: m", "Dear Ben,\n\n> quoted\n  indented\n\n-- \nAnn"))
        #expect(read.text == "A subject\n\nDear Ben,\n\n> quoted\n  indented\n\n-- \nAnn\n")
        #expect(read.report?.format == "mail message")
        #expect(read.report?.documents == 1)
        #expect(read.warnings == [])
    }

    @Test func readsTextWithoutSubject() throws {
        #expect(try ReadDocument(mail: TestMail.message("X: y", "Text", subject: nil)).text == "Text\n")
    }

    @Test func readsQuotedPrintable() throws {
        let mail = TestMail.message(
            "Content-Type: text/plain; charset=\"iso-8859-1\"\nContent-Transfer-Encoding: Quoted-Printable",
            "Gr=FC=DFe aus dem S=\n=FCden =3D gut   \nEnde=20")
        let read = try ReadDocument(mail: mail)
        #expect(read.text == "A subject\n\nGrüße aus dem Süden = gut\nEnde\n")
        #expect(read.warnings == [])
    }

    @Test func readsBase64() throws {
        let mail = TestMail.message(
            "Content-Type: text/plain; charset=utf-8\nContent-Transfer-Encoding: base64",
            "R3LDvMOfZSBhdXMg\nTcO8bmNoZW4K")
        #expect(try ReadDocument(mail: mail).text == "A subject\n\nGrüße aus München\n")
        let damaged = try ReadDocument(mail: mail.replacing("R3L", with: "R3!L"))
        #expect(damaged.text == "A subject\n\nGrüße aus München\n")
        #expect(
            damaged.warnings == [
                "1 part has damaged base64 or quoted-printable, decoded as far as possible"
            ])
    }

    @Test func detectsEncodingsThatAreNotDeclared() throws {
        let text = "Die Straße führt über die Brücke nach Köln; dort hören wir schöne Lieder und grüßen die Gäste."
        let head = TestMail.message("X: y", "").utf8.dropLast()
        let read = try ReadDocument("a.txt", Array(head) + text.encoded("ISO-8859-1") + [0x0A])
        #expect(read.text == "A subject\n\n\(text)\n")
    }

    @Test func usesTheConfiguredEncoding() throws {
        var options = ReadingOptions()
        options.encoding = "KOI8-R"
        let head = Array(TestMail.message("X: y", "").utf8.dropLast())
        #expect(try ReadDocument("a.txt", head + [0xCD, 0xC9, 0xD2], options).text == "A subject\n\nмир\n")
        let utf8 = try ReadDocument("a.txt", head + Array("мир".utf8), options)
        #expect(utf8.text == "A subject\n\nмир\n")
    }

    @Test func joinsFlowedLines() throws {
        let mail = TestMail.message(
            "Content-Type: text/plain; format=flowed",
            "A paragraph \nthat goes on.\n>> A quote \n>> that goes on \n> and another\n From the start\n-- \nAnn")
        #expect(
            try ReadDocument(mail: mail).text
                == "A subject\n\nA paragraph that goes on.\n>> A quote that goes on \n> and another\nFrom the start\n-- \nAnn\n"
        )
        let withoutSpaces = TestMail.message("Content-Type: text/plain; format=flowed; delsp=yes", "日本 \n語")
        #expect(try ReadDocument(mail: withoutSpaces).text == "A subject\n\n日本語\n")
    }

    @Test(arguments: [
        ("=?iso-8859-1?q?Gr=FC=DFe_an?= alle", "Grüße an alle"),
        ("=?utf-8?B?w7xiZQ==?=\n =?utf-8?B?cg==?= =?koi8-r?Q?=CD=C9=D2?=", "überмир"),
        ("=?UTF-8?Q?=E2=82?= =?UTF-8?Q?=AC_5?=", "€ 5"),
        ("=?utf-8*de?Q?a?= b", "a b"),
        ("=?HZ-GB-2312?B?fntUZ0lPNUQ5YzMhfn0=?= a", "早上的广场 a"), ("=?hz-gb-2312?Q?~{TgIO~}?=", "早上"),
        ("1 =? 2 ?= 3", "1 =? 2 ?= 3"),
        ("Grüße", "Grüße"),
        ("a\n\tb", "a b"),
    ])
    func decodesSubject(field: String, subject: String) throws {
        let read = try ReadDocument(mail: TestMail.message("X: y", "Text", subject: field))
        #expect(read.text == "\(subject)\n\nText\n")
        #expect(read.warnings == [])
    }

    @Test func warnsOfSubjectsThatCannotBeDecoded() throws {
        let read = try ReadDocument(mail: TestMail.message("X: y", "Text", subject: "=?utf-8?Q?=FF?= a"))
        #expect(read.text == "=?utf-8?Q?=FF?= a\n\nText\n")
        #expect(read.warnings == ["1 subject has words that cannot be decoded"])
    }

    // MARK: Parts

    private static let plain = (fields: "Content-Type: text/plain", body: "plain")
    private static let html = (
        fields: "Content-Type: text/html; charset=utf-8\nContent-Transfer-Encoding: quoted-printable",
        body: "<html><head><title>t</title></head><p>caf=C3=A9<p>two</html>"
    )
    private static let picture = (
        fields: "Content-Type: image/png; name=\"secret.png\"\nContent-Transfer-Encoding: base64", body: "iVBORw0KGgo="
    )

    @Test func prefersPlainText() throws {
        let read = try ReadDocument(mail: TestMail.multipart("multipart/alternative", [Self.html, Self.plain]))
        #expect(read.text == "A subject\n\nplain\n")
        #expect(read.report?.format == "mail message (1 other form of the same text not used)")
        #expect(read.warnings == [])
        let blank = TestMail.multipart("multipart/alternative", [(Self.plain.fields, " "), Self.html])
        #expect(try ReadDocument(mail: blank).text == "A subject\n\ncafé\n\ntwo\n")
    }

    @Test func readsHTML() throws {
        let mail = TestMail.message(Self.html.fields, Self.html.body)
        #expect(try ReadDocument(mail: mail).text == "A subject\n\ncafé\n\ntwo\n")
    }

    @Test(arguments: [
        ("Content-Type: text/plain; charset=utf-8\nContent-Transfer-Encoding: quoted-printable", "=C2=A0\n=EF=BB=BF"),
        ("Content-Type: text/plain; charset=utf-8\nContent-Transfer-Encoding: base64", "wqANCg=="),
        ("Content-Type: text/plain\nContent-Transfer-Encoding: x-uuencode", "x"),
    ])
    func readsHTMLWherePlainTextIsBlankOrUnknown(fields: String, body: String) throws {
        let read = try ReadDocument(
            mail: TestMail.multipart("multipart/alternative", [(fields, body), Self.html]))
        #expect(read.text == "A subject\n\ncafé\n\ntwo\n")
        #expect(read.warnings == [])
        let alone = try ReadDocument(mail: TestMail.multipart("multipart/alternative", [(fields, body)]))
        #expect(fields.contains("uuencode") ? alone.reason != nil : alone.text == "A subject\n")
    }

    @Test func countsAttachmentsOfUnusedForms() throws {
        let related = "--c\n\(Self.html.fields)\n\n\(Self.html.body)\n--c\n\(Self.picture.fields)\n\nx\n--c--\n"
        let read = try ReadDocument(
            mail: TestMail.multipart(
                "multipart/alternative", [Self.plain, ("Content-Type: multipart/related; boundary=c", related)]))
        #expect(read.text == "A subject\n\nplain\n")
        #expect(read.report?.format == "mail message (1 other form of the same text not used)")
        #expect(read.warnings == ["1 attachment left out: 1 image/png"])
    }

    @Test(arguments: ["text/enriched", "text/markdown", "text/x-log"])
    func readsOtherTypesOfText(type: String) throws {
        #expect(try ReadDocument(mail: TestMail.message("Content-Type: \(type)", "Text")).text == "A subject\n\nText\n")
    }

    @Test func countsAttachments() throws {
        let attachedText = (
            fields: "Content-Type: text/plain\nContent-Disposition: attachment; filename=secret", body: "x"
        )
        let odd = (fields: "Content-Type: secret/words", body: "x")
        let read = try ReadDocument(
            mail: TestMail.multipart(
                "multipart/mixed", [Self.plain, Self.picture, attachedText, odd, Self.picture, Self.html]))
        #expect(read.text == "A subject\n\nplain\n\ncafé\n\ntwo\n")
        #expect(read.warnings == ["4 attachments left out: 2 image/png, 1 other, 1 text/plain"])
    }

    @Test func boundsTheListOfAttachments() throws {
        let parts = (0..<200).map { (fields: "Content-Type: image/x-\($0)", body: "x") }
        let read = try ReadDocument(mail: TestMail.multipart("multipart/mixed", [Self.plain] + parts))
        let warning = try #require(read.warnings?.first)
        #expect(warning.hasPrefix("200 attachments left out: 136 other, 1 image/x-"))
        #expect(warning.utf8.count < 200)
    }

    @Test func readsMessagesInMessages() throws {
        let inner = TestMail.message(
            "Content-Type: text/plain; charset=utf-8\nContent-Transfer-Encoding: base64", "aW5uZXI=", subject: "Inner")
        let read = try ReadDocument(
            mail: TestMail.multipart(
                "multipart/mixed",
                [Self.plain, ("Content-Type: message/rfc822\nContent-Disposition: attachment", inner)]))
        #expect(read.text == "A subject\n\nplain\n\nInner\n\ninner\n")
        #expect(read.report?.documents == 1)
        let digest = TestMail.multipart(
            "multipart/digest", [("X: y", "Subject: One\n\n1"), ("X: y", "Subject: Two\n\n2")])
        #expect(try ReadDocument(mail: digest).text == "A subject\n\nOne\n\n1\n\nTwo\n\n2\n")
    }

    @Test func readsMessagesInMessagesThatAreEncoded() throws {
        // Subject: Inner, and a text.
        let read = try ReadDocument(
            mail: TestMail.multipart(
                "multipart/mixed",
                [
                    (
                        "Content-Type: message/rfc822\nContent-Transfer-Encoding: base64",
                        "U3ViamVjdDogSW5uZXIKClRleHQK"
                    ), Self.plain,
                ]))
        #expect(read.text == "A subject\n\nInner\n\nText\n\nplain\n")
    }

    @Test func readsMultipartsInMultiparts() throws {
        let related = "--c\n\(Self.html.fields)\n\n\(Self.html.body)\n--c\n\(Self.picture.fields)\n\nx\n--c--\n"
        let read = try ReadDocument(
            mail: TestMail.multipart(
                "multipart/alternative", [("Content-Type: multipart/related; boundary=c", related)]))
        #expect(read.text == "A subject\n\ncafé\n\ntwo\n")
        #expect(read.warnings == ["1 attachment left out: 1 image/png"])
    }

    @Test func readsSavedPages() throws {
        let page = """
            From: <Saved by Blink>
            Snapshot-Content-Location: https://example.org/
            Subject: The page
            Date: Mon, 1 Jan 2024 12:00:00 -0000
            MIME-Version: 1.0
            Content-Type: multipart/related;
            \ttype="text/html";
            \tboundary="----b----"


            ------b----
            Content-Type: text/html
            Content-Transfer-Encoding: quoted-printable
            Content-Location: https://example.org/

            <!DOCTYPE html><html><body><p>=E2=82=AC 5<p>more</body></html>
            ------b----
            Content-Type: text/css

            p { color: red }
            ------b------

            """
        let read = try ReadDocument(mail: page.replacing("\n", with: "\r\n"))
        #expect(read.text == "The page\n\n€ 5\n\nmore\n")
        #expect(read.report?.format == "web page (MHTML)")
        #expect(read.warnings == ["1 attachment left out: 1 text/css"])
    }

    // MARK: Damage

    private static let long = (
        fields: "Content-Type: text/plain", body: String(repeating: "a line of text\n", count: 20)
    )

    @Test func countsTextOutsideOfParts() throws {
        let mail = TestMail.multipart("multipart/mixed", [Self.long], end: "--b--\n\na footer\n")
        let read = try ReadDocument(mail: mail.replacing("This is a multi-part message in MIME format.", with: "words"))
        #expect(read.text?.contains("footer") == false)
        #expect(
            read.warnings == [
                "2 parts (16 bytes) left out, because they are before the first or after the last part of a multipart"
            ])
        let short = TestMail.multipart("multipart/mixed", [Self.plain], end: "--b--\na footer that is longer\n")
        let reason = try #require(try ReadDocument(mail: short).reason)
        #expect(reason.contains("after the last part of a multipart"))
        #expect(!reason.contains("footer"))
        let repeated = TestMail.multipart("multipart/mixed", [Self.plain], end: "--b--\n\n--b--\n")
        #expect(try ReadDocument(mail: repeated).warnings == [])
    }

    @Test(arguments: ["", "\n\n", "From ben@example.org Mon Jan  1 12:00:00 2024\n"])
    func readsMessagesThatFollowEachOther(between: String) throws {
        let first = TestMail.multipart("multipart/mixed", [Self.plain]).dropLast()
        let second = TestMail.multipart("multipart/mixed", [Self.html])
        let read = try ReadDocument(mail: String(first) + between + second, name: "a.eml")
        #expect(read.text == "A subject\n\nplain\n\n\nA subject\n\ncafé\n\ntwo\n")
        #expect(read.report?.format == "mail with 2 messages")
        #expect(read.warnings == [])
    }

    @Test func rejectsMailWhoseTextIsTooLarge() throws {
        let mail = TestMail.message("X: y", String(repeating: "a", count: 33 << 20))
        #expect(try ReadDocument(mail: mail).reason?.contains("larger than 33554432 bytes") == true)
    }

    @Test func readsFootersAfterBase64() throws {
        let footer = "_______________\nA list\nhttps://example.org/unsubscribe"
        let fields = "Content-Type: text/plain; charset=utf-8\nContent-Transfer-Encoding: base64"
        let read = try ReadDocument(mail: TestMail.message(fields, "R3LDvMOfZSBhdXMg\nTcO8bmNoZW4K\n\(footer)"))
        #expect(read.text == "A subject\n\nGrüße aus München\n\n\(footer)\n")
        #expect(read.warnings == [])
        let html = try ReadDocument(
            mail: TestMail.message(
                "Content-Type: text/html\nContent-Transfer-Encoding: base64", "PHA+YTxwPmI=\n\(footer)"))
        #expect(html.text == "A subject\n\na\n\nb\n\n\(footer)\n")
    }

    @Test func goesOnAfterDamageInBase64() throws {
        let line = "YSBsaW5lIG9mIHRleHQsIGEgbGluZSBvZiB0ZXh0LCBhIGxpbmUgb2Yg\n"
        let fields = "Content-Type: text/plain\nContent-Transfer-Encoding: base64"
        let read = try ReadDocument(mail: TestMail.message(fields, line + "!!! !!!\n" + line))
        let text = "a line of text, a line of text, a line of "
        #expect(read.text == "A subject\n\n\(text)\(text.dropLast())\n")
        #expect(read.warnings?.first?.contains("damaged base64") == true)
    }

    @Test func namesUnclosedHTML() throws {
        let mail = TestMail.message("Content-Type: text/html", "<p>a<!-- \(String(repeating: "lost ", count: 20))")
        let reason = try #require(try ReadDocument(mail: mail).reason)
        #expect(reason.contains("a comment, a tag, a script or navigation is not closed"))
    }

    @Test func decodesDeclaredHZ() throws {
        let read = try ReadDocument(
            mail: TestMail.message("Content-Type: text/plain; charset=hz-gb-2312", "a ~{<:~} b"))
        #expect(read.text == "A subject\n\na 己 b\n")
        #expect(read.report?.encoding == "HZ-GB-2312")
        let plain = TestMail.message("Content-Type: text/plain; charset=hz-gb-2312", "see ~/a")
        #expect(try ReadDocument(mail: plain).text == "A subject\n\nsee ~/a\n")
    }

    @Test func readsTruncatedMultiparts() throws {
        let read = try ReadDocument(mail: TestMail.multipart("multipart/mixed", [Self.plain, Self.html], end: ""))
        #expect(read.text == "A subject\n\nplain\n\ncafé\n\ntwo\n")
        #expect(
            read.warnings == [
                "1 message or part ends without the last boundary, so text may be missing"
            ])
    }

    @Test(arguments: ["", "; boundary=other"])
    func rejectsMailWithoutItsBoundary(parameter: String) throws {
        let mail = TestMail.message(
            "Content-Type: multipart/mixed\(parameter)", "--b\nContent-Type: text/plain\n\nsecret\n--b--")
        let reason = try #require(try ReadDocument(mail: mail).reason)
        #expect(reason.contains("the boundary of a multipart is missing"))
        #expect(!reason.contains("secret"))
        let withoutSubject = TestMail.message(
            "Content-Type: multipart/mixed\(parameter)", "--b\nContent-Type: text/plain\n\nsecret\n--b--", subject: nil)
        #expect(try ReadDocument(mail: withoutSubject).reason?.hasPrefix("is mail without text: 1 part (") == true)
    }

    @Test func readsTextWhosePartsWereRemoved() throws {
        let read = try ReadDocument(
            mail: TestMail.message("Content-Type: multipart/mixed; boundary=b", "Text\n-- \nAnn"))
        #expect(read.text == "A subject\n\nText\n-- \nAnn\n")
        #expect(
            read.warnings == [
                "1 message without the boundary of a multipart, and without parts, read as plain text"
            ])
        for body in ["", "--b--"] {
            let blank = try ReadDocument(mail: TestMail.message("Content-Type: multipart/mixed; boundary=b", body))
            #expect(blank.text == "A subject\n")
            #expect(blank.warnings == [])
        }
    }

    @Test(arguments: ["boundary*=us-ascii''%62", "boundary*0=\"\"; boundary*1=\"b\"", "BOUNDARY = b ; x"])
    func readsParameters(parameter: String) throws {
        let mail = TestMail.message("Content-Type: multipart/mixed; x=\"a;\\\"\"; \(parameter)", "--b\n\nText\n--b--")
        #expect(try ReadDocument(mail: mail).text == "A subject\n\nText\n")
    }

    @Test func warnsOfPartsThatCannotBeRead() throws {
        let long = (fields: "Content-Type: text/plain", body: String(repeating: "a line of text\n", count: 20))
        let uuencoded = (fields: "Content-Type: text/plain\nContent-Transfer-Encoding: x-uuencode", body: "x")
        let read = try ReadDocument(mail: TestMail.multipart("multipart/mixed", [long, uuencoded]))
        #expect(read.text?.hasSuffix("a line of text\n") == true)
        #expect(read.warnings == ["1 part (2 bytes) left out, because their transfer encoding is unknown"])
    }

    @Test(arguments: ["message/rfc822", "multipart/mixed"])
    func boundsDepth(type: String) throws {
        let long = (fields: "Content-Type: text/plain", body: String(repeating: "a line of text\n", count: 10_000))
        func nested(_ depth: Int) -> String {
            (0..<depth).map { level in
                "Content-Type: \(type); boundary=c\(level)\n\n" + (type == "multipart/mixed" ? "--c\(level)\n" : "")
            }.joined() + "Subject: deep\n\ndeep"
        }
        func read(_ depth: Int) throws -> ReadDocument {
            try ReadDocument(
                mail: TestMail.multipart("multipart/mixed", [long, ("NESTED", "")])
                    .replacing("NESTED\n\n", with: nested(depth)))
        }
        #expect(try read(10).text?.hasSuffix("\n\ndeep\n") == true)
        let deep = try read(500)
        #expect(deep.text?.hasSuffix("a line of text\n") == true)
        #expect(deep.warnings?.first?.hasSuffix("because they are nested too deeply") == true)
    }

    @Test func boundsParts() throws {
        let long = String(repeating: "a line of text\n", count: 40_000)
        let parts = [(fields: "Content-Type: text/plain", body: long)] + (0..<10_100).map { ("X: y", "part \($0)") }
        let read = try ReadDocument(mail: TestMail.multipart("multipart/mixed", parts))
        #expect(read.text?.contains("\n\npart 9998\n") == true)
        #expect(read.text?.contains("part 10050\n") == false)
        #expect(read.warnings?.contains { $0.hasSuffix("because a message has too many parts") } == true)
    }

    @Test func readsLongFieldsAndLines() throws {
        let long = String(repeating: "x", count: 200_000)
        let read = try ReadDocument(mail: TestMail.message("X-Long: \(String(long.prefix(40_000)))", long))
        #expect(read.text == "A subject\n\n\(long)\n")
    }

    @Test func saysWhenThereIsNoText() throws {
        let mail = TestMail.message(Self.picture.fields, Self.picture.body, subject: nil)
        let reason = try #require(try ReadDocument(mail: mail).reason)
        #expect(
            reason.hasPrefix(
                "is mail without text: 1 attachment left out: 1 image/png; save attachments that are text and drop them"
            ))
        let empty = try #require(try ReadDocument(mail: TestMail.message("X: y", "", subject: nil)).reason)
        #expect(empty.hasPrefix("is mail without text; to learn it unmodified, set format: text"))
    }

    // MARK: Mailboxes

    private static func mailbox(_ messages: [String]) -> String {
        messages.map { "From ann@example.org Mon Jan  1 12:00:00 2024\n\($0)\n" }.joined()
    }

    @Test func readsEachMessageOfAMailbox() throws {
        let mail = Self.mailbox([
            TestMail.message("X: y", "One\n\n>From the start\n>>From Ann", subject: "First"),
            TestMail.message("X: y", "Two\n\nFrom now on: 12:00 2024\nno field\n", subject: "Second"),
            TestMail.message(Self.html.fields, Self.html.body, subject: "Third"),
        ])
        let expected =
            "First\n\nOne\n\nFrom the start\n>From Ann\n\n\nSecond\n\nTwo\n\nFrom now on: 12:00 2024\nno field\n\n\n"
            + "Third\n\ncafé\n\ntwo\n"
        for text in [mail, mail.replacing("\n", with: "\r\n")] {
            let read = try ReadDocument(mail: text)
            #expect(read.text == expected)
            #expect(read.report?.format == "mbox with 3 messages")
            #expect(read.report?.documents == 3)
            #expect(read.warnings == [])
        }
    }

    @Test(arguments: [
        "\nFrom ben@example.org 2024-01-01T12:00:00+01:00", "\nFrom ben@example.org", "From ben@example.org",
        "From ben@example.org Mon Jan  1 12:00:00 2024",
    ])
    func readsUnusualLinesBeforeMessages(line: String) throws {
        let message = "From: ben@example.org\nSubject: Second\nDate: 1 Jan 2024 12:00\n\nTwo\n"
        let mail = "From a Mon Jan  1 12:00:00 2024\n\(TestMail.message("X: y", "One", subject: "First"))"
        let read = try ReadDocument(mail: mail + line + "\n" + message)
        #expect(read.text == "First\n\nOne\n\n\nSecond\n\nTwo\n")
        #expect(read.report?.format == "mbox with 2 messages")
        let text = try ReadDocument(mail: mail + "\(line)\nNote: x\nand more\n")
        #expect(line.contains("T12") ? text.report?.documents == 2 : text.text?.contains("\(line)\nNote: x\n") == true)
    }

    @Test func countsMessagesWithoutText() throws {
        let read = try ReadDocument(
            mail: Self.mailbox([
                TestMail.message("X: y", "One"), TestMail.message(Self.picture.fields, "x", subject: nil),
                TestMail.message("X: y", "", subject: nil),
            ]))
        #expect(read.text == "A subject\n\nOne\n")
        #expect(read.report?.format == "mbox with 1 message")
        #expect(
            read.warnings == [
                "2 messages have no text and were left out", "1 attachment left out: 1 image/png",
            ])
    }

    @Test func readsMessagesOfArchives() throws {
        let message = Array(TestMail.message("X: y", "Text").utf8)
        let crc = ZipWriter.crc(message)
        let read = try ReadDocument(
            "a.zip",
            ZipWriter.file([
                .init(Array("a.eml".utf8), data: message, crc: crc), .init(Array("b".utf8), data: message, crc: crc),
            ]))
        #expect(read.text == "A subject\n\nText\n\n\nA subject\n\nText\n")
    }

    @Test func describesSeveralEncodings() throws {
        let russian = TestMail.message(
            "Content-Type: text/plain; charset=koi8-r\nContent-Transfer-Encoding: quoted-printable", "=CD=C9=D2")
        let read = try ReadDocument(mail: Self.mailbox([russian, TestMail.message("X: y", "Two")]))
        #expect(read.report?.encoding == "KOI8-R, UTF-8")
    }
}
