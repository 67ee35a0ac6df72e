import DocumentReading
import Testing
import TextReading

@Suite struct MailRecognitionTests {
    private static let fields = "From: a@example.org\nSubject: S\n"

    @Test(arguments: [
        ("two fields with addresses", "From: a@example.org\nTo: b@example.org\n\nText", false),
        ("a subject and a date", "Subject: S\nDate: 1 Jan 24 10:00 GMT\n\nText", false),
        ("CRLF", "From: a@example.org\r\nSubject: S\r\n\r\nText", false),
        ("a continued field", "Received: from a\n\tby b;\n 1 Jan 2024\nMessage-ID: <a@b>\n\nText", false),
        ("news", "Path: a!b\nFrom: a@example.org (A)\nNewsgroups: c\nSubject: S\n\nText", false),
        ("only MIME fields", "MIME-Version: 1.0\nContent-Type: multipart/related; boundary=x\n\nText", false),
        ("a byte order mark", "\u{FEFF}\(fields)\nText", false),
        ("a mailbox", "From a Mon Jan  1 12:00:00 2024\n\(fields)\nText", true),
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
        ("a sentence before fields", "From here on:\n\nFrom: a@example.org\nTo: b@example.org\n\nText\n"),
        ("a play", "ROMEO: But soft!\nJULIET: Ay me!\nFROM: afar\nTO: her\n\nHe speaks.\n"),
        ("one field", "Subject: a note\n\nI write to say hello.\n"),
        ("a note", "Note: this is old\nFrom: a@example.org\n\nText\n"),
        ("a memo", "From: The director\nTo: All\nDate: Monday\nSubject: Lunch\n\nLunch is late.\n"),
        ("YAML", "from: a@example.org\nsubject: Hello\ndate: 1 Jan 2024 10:00\n\nbody: text\n"),
        ("a front matter", "---\nFrom: a@example.org\nSubject: S\n---\n\nText\n"),
        ("a log of HTTP", "GET / HTTP/1.1\nFrom: a@example.org\nDate: Mon, 01 Jan 2024 10:00:00 GMT\n\nHTTP/1.1 200\n"),
        ("fields of HTTP", "Date: Mon, 01 Jan 2024 10:00:00 GMT\nServer: a\nContent-Type: text/html\n\n<p>\n"),
        ("a package", "Format: 1.8\nDate: Mon, 01 Jan 2024 10:00:00 +0000\nMaintainer: A <a@example.org>\n\nText\n"),
        ("no blank line", "From: a@example.org\nSubject: S\n"),
        ("a line that is no field", "From: a@example.org\nSubject: S\nand so on\n\nText\n"),
        ("a blank line first", "\nFrom: a@example.org\nSubject: S\n\nText\n"),
        ("a name with spaces", "From: a@example.org\nThe subject: S\nSubject: S\n\nText\n"),
    ]

    @Test(arguments: texts)
    func leavesOtherTextAsItIs(what: String, text: String) throws {
        #expect(MailHead(Array(text.utf8)) == nil)
        #expect(try ReadDocument(mail: text).text == text)
        var check = PlainTextCheck()
        #expect(Array(text.utf8).withUnsafeBytes { check.append($0) })
    }

    @Test(arguments: ["a.eml", "a.MBOX", "a.mht", "a.mhtml"])
    func believesNames(name: String) throws {
        #expect(
            try ReadDocument(mail: "from: The director\nsubject: Lunch\n\nText\n", name: name).text == "Lunch\n\nText\n"
        )
        #expect(try ReadDocument(mail: "Only text.\n", name: name).text == "Only text.\n")
        #expect(TextFormat.plain(name: name) == nil)
    }

    @Test func tablesAreNotMail() throws {
        let text = "From: a@example.org\nTo: b@example.org\n\nText\n"
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
