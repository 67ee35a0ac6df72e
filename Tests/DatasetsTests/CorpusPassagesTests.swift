import Conversations
import Datasets
import Foundation
import Testing

@Suite struct CorpusPassagesTests {
    private func passages(
        _ text: some Sequence<UInt8>, isStructured: Bool = false, mostBytes: Int = 1 << 20, most: Int = 10_000
    ) throws -> CorpusPassages {
        let path = FileManager.default.temporaryDirectory.path + "/passages-\(UUID().uuidString)"
        defer { try? FileManager.default.removeItem(atPath: path) }
        let data = Data(text)
        try data.write(to: URL(filePath: path))
        let found = try CorpusPassages(
            path: path, isStructured: isStructured, mostBytes: mostBytes, mostPassages: most)
        // Each passage can be read again from its place.
        for passage in found.passages {
            #expect(CorpusPassages.text(data[passage.offset..<passage.offset + passage.length]) == passage.text)
            #expect(data[..<passage.offset].count { $0 == 0x0A } == passage.line - 1)
        }
        return found
    }

    @Test func linesOfAParagraphAreJoined() throws {
        let found = try passages("one\ntwo\r\nthree\n\n \nfour\n".utf8)
        #expect(found.passages.map(\.text) == ["one two three", "four"] && !found.isPartial)
        #expect(found.passages.map(\.line) == [1, 6])
        #expect(try passages("one\ntwo\n".utf8, isStructured: true).passages.map(\.text) == ["one", "two"])
        #expect(try passages("\n \n".utf8).passages.isEmpty)
    }

    @Test func longParagraphsAreDividedBetweenSentences() throws {
        let sentence = "Thoughts without content are void, intuitions without conceptions are blind. "
        for text in [String(repeating: sentence, count: 50), String(repeating: "\(sentence.dropLast())\n", count: 50)] {
            let found = try passages(text.utf8).passages
            #expect(found.count > 8)
            #expect(found.allSatisfy { $0.text.utf8.count <= CorpusPassages.usualBytes && $0.text.hasSuffix(".") })
        }
        let wide = try passages(String(repeating: "理", count: 20_000).utf8).passages
        #expect(wide.allSatisfy { !$0.text.contains("\u{FFFD}") })
        #expect(wide.map(\.text).joined() == String(repeating: "理", count: 20_000))
    }

    @Test func sampleOfLargeCorpusIsSpreadOverIt() throws {
        let text = (1...20_000).map { "paragraph \($0)\n\n" }.joined()
        let found = try passages(text.utf8, mostBytes: 64 << 10)
        #expect(found.isPartial && found.passages.count > 1000)
        #expect(found.passages.contains { $0.line < 1000 } && found.passages.contains { $0.line > 39_000 })
        let few = try passages(text.utf8, most: 100)
        #expect(few.isPartial && few.passages.count == 100)
    }

    @Test func conversationsAreOnePassageEach() throws {
        let line = Conversation([.init(.user, "My printer\nis offline."), .init(.assistant, "Restart it.")]).line
        let found = try passages(line + [0x0A] + line, isStructured: true).passages
        #expect(found.map(\.text) == Array(repeating: "My printer\nis offline.\nRestart it.", count: 2))
    }
}
