import Corpora
import Foundation
import Settings
import Testing
import TextFilters

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

    @Test("Only the nearest file applies; files are not merged")
    func nearest() throws {
        #expect(try read("a/x.csv").reading == ReadingOptions())
        #expect(try read("a/x.csv").filters == nil)
        try write("text_column: body\ndelimiter: \"\\t\"\nformat: csv\nfilters: tweets\nmin_words: 2\n", in: "a")
        for name in ["a/x.csv", "a/deep/x.csv"] {
            let found = try read(name)
            #expect(found.reading.textColumn == "body")
            #expect(found.reading.delimiter == UInt8(ascii: "\t"))
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
            ("filters: [shout]", "filters", ":1"), ("filters: keep\nkeep: z-a", "keep", ":2"),
            ("min_words: 3", "min_words", ":1"), ("filters: min_words\nmin_words: many", "min_words", ":2"),
        ])
    func mistakes(text: String, key: String, line: String) throws {
        try write(text, in: "a")
        let error = try #require(throws: SettingsError.self) { try read("a/x.csv") }
        #expect(error.key == key)
        #expect(error.place == "\(inbox)/a/.kbconfig.yaml\(line)")
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
