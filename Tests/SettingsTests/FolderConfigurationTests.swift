import Corpora
import Durable
import Foundation
import Settings
import Testing
import TextFilters
import TextReading

@Suite("Inbox directory settings in .kbconfig.yaml") final class FolderConfigurationTests {
    private let inbox = FileManager.default.temporaryDirectory.appending(path: "inbox-\(UUID().uuidString)").path()

    init() throws {
        try FileManager.default.createDirectory(atPath: "\(inbox)/a/deep", withIntermediateDirectories: true)
    }

    deinit { try? FileManager.default.removeItem(atPath: inbox) }

    private func read(_ name: String) throws -> FolderConfiguration {
        try Data("x".utf8).write(to: URL(filePath: "\(inbox)/\(name)"))
        let signature = try #require(FileSignature(path: "\(inbox)/\(name)"))
        let file = InboxFile(path: "\(inbox)/\(name)", name: name, signature: signature)
        return try FolderConfiguration(for: file, inbox: inbox, defaults: ReadingOptions())
    }

    private func write(_ text: String, in folder: String) throws {
        try Data(text.utf8).write(to: URL(filePath: "\(inbox)/\(folder)/.kbconfig.yaml"))
    }

    @Test("A file outside the inbox can have a directory whose name is not UTF-8")
    func nearestOfNameThatIsNotUTF8() throws {
        let folder = RawPath.text(Array("\(inbox)/caf".utf8) + [0xE9])
        try #require(folder.withRawPath { mkdir($0, 0o700) } == 0)
        for (name, text) in [(".kbconfig.yaml", "text_column: body\n"), ("a.csv", "body\nx\n")] {
            let descriptor = "\(folder)/\(name)".withRawPath { open($0, O_WRONLY | O_CREAT | O_CLOEXEC, 0o600) }
            try #require(descriptor >= 0)
            try FileHandle(fileDescriptor: descriptor, closeOnDealloc: true).write(contentsOf: Data(text.utf8))
        }
        let found = try FolderConfiguration.nearest(toFile: "\(folder)/a.csv", defaults: ReadingOptions())
        #expect(found.configuration.reading.textColumn == "body")
        #expect(found.path?.hasSuffix("/.kbconfig.yaml") == true)
    }

    @Test("Only the nearest file applies; files are not merged")
    func nearest() throws {
        #expect(try read("a/x.csv").reading == ReadingOptions())
        #expect(try read("a/x.csv").filters == nil)
        try write("text_column: body\ndelimiter: \"\\t\"\nformat: csv\nfilters: tweets\nmin_words: 2\n", in: "a")
        for name in ["a/x.csv", "a/deep/x.csv"] {
            let found = try read(name)
            #expect(found.reading.textColumn == "body")
            #expect(found.reading.table.delimiter == UInt8(ascii: "\t"))
            #expect(found.reading.format == .csv)
            #expect(try found.filters == TextFilter.named(["tweets"], .init(minWords: 2)))
        }
        #expect(try read("x.csv").reading == ReadingOptions())
        try write("filters: []\n", in: "a/deep")
        #expect(try read("a/deep/x.csv").filters == [])
        #expect(try read("a/deep/x.csv").reading == ReadingOptions())
    }

    @Test(
        "An invalid value is reported with its file, line and key",
        arguments: [
            ("colunm: a", "colunm", ":1"), ("\nformat: xls", "format", ":2"), ("delimiter: \"ab\"", "delimiter", ":1"),
            ("encoding: windows-12522", "encoding", ":1"), ("encoding: UTF-8//IGNORE", "encoding", ":1"),
            ("encoding: UTF-8+UTF-16", "encoding", ":1"),
            ("filters: near_duplicates\nnear_duplicates: 0.5", "near_duplicates", ":2"),
            ("filters: [shout]", "filters", ":1"), ("filters: keep\nkeep: z-a", "keep", ":2"),
            ("quoting: some", "quoting", ":1"), ("escape: \"ab\"", "escape", ":1"), ("header: maybe", "header", ":1"),
            ("skip_initial_space: 1", "skip_initial_space", ":1"), ("text_column: []", "text_column", ":1"),
            ("text_column: \(String(repeating: "x", count: 1025))", "text_column", ":1"),
            ("delimiter: \"|\"\nescape: \"|\"", "escape", ":2"),
            ("threads: 1", "threads", ":1"), ("text_column: a\nthreads: true", "threads", ":2"),
            ("threads: true\nprompt_column: a\ncompletion_column: b", "threads", ":1"),
            ("prompt_column: a", "prompt_column", ":1"), ("\ncompletion_column: a", "completion_column", ":2"),
            ("prompt_column: a\ncompletion_column: a", "completion_column", ":2"),
            ("prompt_column: [a, b]\ncompletion_column: c", "prompt_column", ":1"),
            ("prompt_column: a\ncompletion_column: b\ntext_column: c", "text_column", ":3"),
            ("min_words: 3", "min_words", ":1"), ("filters: min_words\nmin_words: many", "min_words", ":2"),
        ])
    func mistakes(text: String, key: String, line: String) throws {
        try write(text, in: "a")
        let error = try #require(throws: SettingsError.self) { try read("a/x.csv") }
        #expect(error.key == key)
        #expect(error.place == "\(inbox)/a/.kbconfig.yaml\(line)")
    }

    @Test(
        "An encoding is any that iconv knows, and those under the names of the Web",
        arguments: [
            "windows-1250", "latin1", "UTF-16", "x-mac-cyrillic", "koi8-r", "EUC-JISX0213", "iso-2022-kr",
            "UTF-8+cp1251",
        ])
    func encodings(name: String) throws {
        try write("encoding: \(name)\n", in: "a")
        #expect(try read("a/x.txt").reading.encoding == name)
    }

    @Test func nearDuplicatesHaveAShare() throws {
        try write("filters: [near_duplicates]\nnear_duplicates: 0.8\n", in: "a")
        #expect(try read("a/x.txt").filters == [.nearDuplicates(0.8)])
    }

    @Test("Keys for tables set the options of reading")
    func tables() throws {
        try write(
            "text_column: [title, \"2\"]\nquoting: none\nescape: \"\\\\\"\nskip_initial_space: true\nheader: false\n",
            in: "a")
        let found = try read("a/x.csv").reading
        #expect(found.textColumns == ["title", "2"])
        #expect(found.table.quoting == TableQuoting.none)
        #expect(found.table.escape == UInt8(ascii: "\\"))
        #expect(found.table.skipsInitialSpace == true)
        #expect(found.table.hasHeader == false)
        try write("text_column: 2", in: "a")
        #expect(try read("a/x.csv").reading.textColumns == ["2"])
        try write("threads: true", in: "a")
        #expect(try read("a/x.csv").reading.table.hasThreads)
        try write("prompt_column: question.text\ncompletion_column: 3\n", in: "a")
        #expect(
            try read("a/x.csv").reading.exchange == ExchangeColumns(prompt: "question.text", completion: "3"))
    }

    @Test("A byte order mark and CR LF, as Notepad writes, are no part of the keys")
    func fileOfWindows() throws {
        try write("\u{FEFF}# a comment\r\ntext_column: body\r\nformat: csv\r\n", in: "a")
        #expect(try read("a/x.csv").reading.textColumn == "body")
        #expect(try read("a/x.csv").reading.format == .csv)
        try write("\u{FEFF}text_column: body\r\nunknown: 1\r\n", in: "a")
        #expect(throws: SettingsError.self) { try self.read("a/x.csv") }
        try write("\u{FEFF}", in: "a")
        #expect(try read("a/x.csv").reading == ReadingOptions())
        try write("\u{FEFF}\u{FEFF}text_column: body\n", in: "a")
        #expect(throws: SettingsError.self) { try self.read("a/x.csv") }
    }

    /// Documents that are rejected with a setting to write.
    private static let documents: [(TextFormat, String)] = {
        func rows(_ header: String, _ row: (Int, String) -> String) -> String {
            header + (0..<50).map { row($0, "The old garden near the river. No \($0)") + "\n" }.joined()
        }
        return [
            (.csv, rows("id,body\n") { "\($0),\($1)" }),
            (.csv, rows("id;\"the \"\"body\"\" & more: all\"\n") { "\($0);\($1)" }),
            (.csv, rows("id,text,body\n") { "\($0),,\($1)" }),
            (.csv, rows("body,null,body\n") { "\($1),x,\($0)" }),
            (.csv, rows("id,true\n") { "\($0),\($1)" }),
            (.jsonl, rows("") { "{\"\($0 % 10 == 0 ? "text" : "body")\": \"\($1)\"}" }),
            (.json, "[" + rows("") { "{\"id\": \($0), \"turn\": {\"said\": \"\($1)\"}}," } + "{}]"),
            (.jsonl, rows("") { "{\"id\": \($0), \"# 1\": \"\($1)\"}" }),
        ]
    }()

    @Test("Following the reason of a rejection literally admits the file", arguments: documents)
    func advice(format: TextFormat, document: String) throws {
        let bytes = Array(document.utf8)
        func read(_ options: ReadingOptions) throws -> ReadingReport {
            var reading = CorpusReading(options: options) { _ in }
            try reading.readDocument(format) { take in try bytes.withUnsafeBytes(take) }
            return reading.report
        }
        let error = try #require(throws: RejectionError.self) { try read(ReadingOptions()) }
        let advice = try #require(error.reason.text.firstMatch(of: /Set (.+) in \.kbconfig\.yaml/)?.1)
        try write(String(advice), in: "a")
        #expect(try read(self.read("a/x").reading).documents == 50, "\(advice)")
    }

    @Test("A directory that was replaced by a link is not read")
    func exchanged() throws {
        try Data("x".utf8).write(to: URL(filePath: "\(inbox)/a/x.csv"))
        let signature = try #require(FileSignature(path: "\(inbox)/a/x.csv"))
        let outside = inbox + ".outside"
        try FileManager.default.moveItem(atPath: "\(inbox)/a", toPath: outside)
        defer { try? FileManager.default.removeItem(atPath: outside) }
        try Data("format: xls\n".utf8).write(to: URL(filePath: "\(outside)/.kbconfig.yaml"))
        try FileManager.default.createSymbolicLink(atPath: "\(inbox)/a", withDestinationPath: outside)
        let file = InboxFile(path: "\(inbox)/a/x.csv", name: "a/x.csv", signature: signature)
        let found = try FolderConfiguration(for: file, inbox: inbox, defaults: ReadingOptions())
        #expect(found.reading == ReadingOptions())
    }

    @Test("Anchors, links, directories and large files are refused")
    func hostile() throws {
        try write("a: &a [x]\nb: *a", in: "a")
        #expect(throws: SettingsError.self) { try read("a/x.csv") }
        try write(String(repeating: "# long\n", count: 10_000), in: "a")
        #expect(throws: SettingsError.self) { try read("a/x.csv") }
        let path = "\(inbox)/a/.kbconfig.yaml"
        try FileManager.default.removeItem(atPath: path)
        try FileManager.default.createSymbolicLink(atPath: path, withDestinationPath: "/etc/passwd")
        let error = try #require(throws: SettingsError.self) { try read("a/x.csv") }
        #expect(error.found == "a symbolic link")
        try FileManager.default.removeItem(atPath: path)
        try FileManager.default.createDirectory(atPath: path, withIntermediateDirectories: true)
        #expect(throws: SettingsError.self) { try read("a/x.csv") }
    }
}
