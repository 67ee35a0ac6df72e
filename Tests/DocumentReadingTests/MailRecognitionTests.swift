import DocumentReading
import Testing
import TextReading

@Suite struct MailRecognitionTests {
    private static let fields = "From: a@example.org\nTo: b@example.org\nSubject: S\n"

    @Test(arguments: [
        ("two addresses and a subject", "From: a@example.org\nCc: b@example.org\nSubject: S\n\nText", false),
        ("two addresses and a date", "From: a@b.org\nTo: c@d.org\nDate: 1 Jan 24 10:00 GMT\n\nText", false),
        ("CRLF", "From: a@example.org\r\nMessage-ID: <a@b>\r\n\r\nText", false),
        ("a continued field", "Received: from a\n\tby b;\n 1 Jan 2024\nMessage-ID: <a@b>\n\nText", false),
        ("news", "Path: a!b\nFrom: a@example.org (A)\nNewsgroups: c\nSubject: S\nMessage-ID: <a@b>\n\nText", false),
        ("any names", "X-A&B/{c}: d\nFrom : a@example.org\nMessage-ID\t: <a@b>\n\nText", false),
        ("only MIME fields", "MIME-Version: 1.0\nContent-Type: multipart/related; boundary=x\n\nText", false),
        ("a byte order mark", "\u{FEFF}\(fields)\nText", false),
        ("a mailbox", "From a Mon Jan  1 12:00:00 2024\n\(fields)\nText", true),
        ("a mailbox's line", "From a Mon Jan  1 12:00:00 2024\nFrom: a@example.org\nSubject: S\n\nText", true),
        ("a mailbox with another date", "From a@b 2024-01-01T12:00:00Z\nFrom: a@b\nSubject: S\n\nText", true),
        ("a mailbox with a quoted line", "From a Mon Jan  1 12:00:00 2024\n>From b\n\(fields)\nText", true),
    ])
    func recognizesMail(what: String, text: String, isMailbox: Bool) {
        #expect(MailHead(Array(text.utf8))?.isMailbox == isMailbox)
        #expect(Mail(head: Array(text.utf8), name: "a.txt") != nil)
        var check = PlainTextCheck()
        #expect(!Array(text.utf8).withUnsafeBytes { check.append($0) }, "read without the reader for mail")
    }

    private static let texts: [(String, String)] = [
        ("a sentence", "From the first day on, it rained.\n\nSubject: none\n\nDate: none\n"),
        ("a sentence before fields", "From here on:\n\nFrom: a@example.org\nTo: b@example.org\nSubject: S\n\nText\n"),
        ("a play", "ROMEO: But soft!\nJULIET: Ay me!\nFROM: afar\nTO: her\n\nHe speaks.\n"),
        ("one field", "Subject: a note\n\nI write to say hello.\n"),
        ("a note", "Note: this is old\nFrom: a@example.org\n\nText\n"),
        ("a memo", "From: The director\nTo: All\nDate: Monday\nSubject: Lunch\n\nLunch is late.\n"),
        ("notes of an interview", "Subject: Ann, 40\nDate: Mon, 1 Jan 2024 10:00\n\nShe said.\n"),
        ("metadata of MultiMarkdown", "Title: T\nAuthor: A\nDate: 1 Jan 2024 10:00\nSubject: S\n\n# One\n"),
        ("a bug report", "Subject: It fails\nFrom: a@example.org\nSeverity: normal\n\nIt fails.\n"),
        ("addresses alone", "From: a@example.org\nTo: b@example.org\n\nText\n"),
        ("a line without a date", "From a@example.org\nFrom: a@example.org\nSubject: S\n\nText\n"),
        ("YAML", "from: a@example.org\nsubject: Hello\ndate: 1 Jan 2024 10:00\n\nbody: text\n"),
        ("a front matter", "---\n\(fields)---\n\nText\n"),
        ("a log of HTTP", "GET / HTTP/1.1\nFrom: a@example.org\nDate: Mon, 01 Jan 2024 10:00:00 GMT\n\nHTTP/1.1 200\n"),
        ("fields of HTTP", "Date: Mon, 01 Jan 2024 10:00:00 GMT\nServer: a\nContent-Type: text/html\n\n<p>\n"),
        ("a package", "Format: 1.8\nDate: Mon, 01 Jan 2024 10:00:00 +0000\nMaintainer: A <a@example.org>\n\nText\n"),
        ("no blank line", fields),
        ("a line that is no field", "\(fields)and so on\nMessage-ID: <a@b>\n\nText\n"),
        ("a blank line first", "\n\(fields)\nText\n"),
        ("a name with spaces", "The subject: S\n\(fields)\nText\n"),
    ]

    @Test(arguments: texts)
    func leavesOtherTextAsItIs(what: String, text: String) throws {
        #expect(MailHead(Array(text.utf8)) == nil)
        #expect(try ReadDocument(mail: text).text == text)
        var check = PlainTextCheck()
        #expect(Array(text.utf8).withUnsafeBytes { check.append($0) })
    }

    @Test(arguments: ["a.eml", "a.MBOX", "a.mht", "a.mhtml", "a.emlx"])
    func believesNames(name: String) throws {
        #expect(
            try ReadDocument(mail: "from: The director\nsubject: Lunch\n\nText\n", name: name).text == "Lunch\n\nText\n"
        )
        let plain = try ReadDocument(mail: "Only text.\n", name: name)
        #expect(plain.text == "Only text.\n")
        #expect(plain.warnings?.first?.hasPrefix("named as mail, but read as plain text") == true)
        #expect(TextFormat.plain(name: name) == nil)
    }

    @Test func readsDamagedHeads() throws {
        func text(_ mail: String) throws -> String? { try ReadDocument(mail: mail, name: "a.eml").text }
        #expect(try text("\r\n\r\nFrom: A\nSubject: S\n\nText\n") == "S\n\nText\n")
        #expect(try text("\n\(TestMail.message("X: y", "Text"))") == "A subject\n\nText\n")
        #expect(try text("From: A\nSubject : a\nlong one\nDate: x\n\nText\n") == "a long one\n\nText\n")
        #expect(try text("From: A\nSubject: S\nHello\n\nText\n") == "S\n\nHello\n\nText\n")
        #expect(try text("From: A\nSubject: S\nHello\nNote: b\n\nText\n") == "S\n\nHello\nNote: b\n\nText\n")
        #expect(try text("From: A\nSubject: S\nHello\n and so on\n\nText\n") == "S\n\nHello\n and so on\n\nText\n")
    }

    @Test func readsMessagesOfAppleMail() throws {
        let message = "From: A\nSubject: S\n\nText\n"
        let read = try ReadDocument(mail: "\(message.utf8.count)       \n\(message)<?xml?>\n<plist/>\n", name: "a.emlx")
        #expect(read.text == "S\n\nText\n")
    }

    @Test func tablesAreNotMail() throws {
        let text = "\(Self.fields)\nText\n"
        #expect(Mail(head: Array(text.utf8), name: "a.csv") == nil)
        #expect(Mail(head: Array(text.utf8), name: "a.jsonl") == nil)
    }

    @Test func configurationDecides() throws {
        var options = ReadingOptions()
        options.format = .text
        let message = "From: a@example.org\nSubject: S\n\nText\n"
        #expect(try ReadDocument(mail: message, name: "a.eml", options).text == message)
        options.format = .mail
        #expect(try ReadDocument(mail: "from: A\nsubject: S\n\nText\n", options).text == "S\n\nText\n")
        let reason = try ReadDocument(mail: "secret words\n", options).reason
        #expect(reason?.contains("format: mail") == true)
        #expect(reason?.contains("secret") == false)
        #expect(throws: NotPlainText.self) {
            var reading = CorpusReading(options: options) { _ in }
            try reading.readPlain(name: "a.txt", descriptor: -1, bytes: 10)
        }
    }
}
