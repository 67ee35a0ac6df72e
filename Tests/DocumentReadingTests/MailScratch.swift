import TextReading

/// A mail for tests.
enum TestMail {
    /// Returns a message with usual transfer headers.
    static func message(_ fields: String, _ body: String, subject: String? = "A subject") -> String {
        let date = "Mon, 1 Jan 2024 12:00:00 +0100"
        return """
            Received: from mail.example.org (mail.example.org [192.0.2.1])
            \tby mx.example.com with ESMTP id 4711;
            \t\(date)
            From: Ann <ann@example.org>
            To: ben@example.com
            Date: \(date)
            \(subject.map { "Subject: \($0)\n" } ?? "")\(fields)

            \(body)

            """
    }

    /// Returns a multipart.
    static func multipart(_ type: String, _ parts: [(fields: String, body: String)], end: String = "--b--\n") -> String
    {
        let body = parts.map { "--b\n\($0.fields)\n\n\($0.body)\n" }.joined()
        return message(
            "MIME-Version: 1.0\nContent-Type: \(type); boundary=\"b\"",
            "This is a multi-part message in MIME format.\n" + body + end)
    }
}

extension ReadDocument {
    init(mail: String, name: String = "a.txt", _ options: ReadingOptions = .init()) throws {
        try self.init(name, Array(mail.utf8), options)
    }

    var warnings: [String]? { report?.warnings }
}
