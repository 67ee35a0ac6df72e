import Foundation
import Testing
import TextReading

@Suite struct TextFormatTests {
    @Test func documentationNamesEachFormat() throws {
        let path = URL(filePath: #filePath).deletingLastPathComponent().appending(path: "../../docs/inbox.md")
        let page = try String(contentsOf: path, encoding: .utf8)
        for format in TextFormat.allCases {
            for ending in format.extensions { #expect(page.contains("`.\(ending)`"), "\(ending)") }
        }
        let formats = TextFormat.allCases.map(\.rawValue)
        let list = formats.dropLast().joined(separator: ", ") + " or " + formats.last!
        #expect(page.contains("# \(list), regardless of the files' names"))
    }

    @Test func nameImpliesFormat() {
        for (name, format) in [
            ("a.csv", TextFormat.csv), ("a.TSV", .tsv), ("a.tab", .tsv), ("a.jsonl", .jsonl), ("a.ndjson", .jsonl),
            ("a.json-seq", .jsonl),
            ("a.json", .json), ("a.md", .text), ("a", .text),
        ] {
            #expect(TextFormat.plain(name: name) == format)
        }
        #expect(TextFormat.plain(name: "a.pdf") == nil)
    }
}
