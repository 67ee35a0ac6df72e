import Conversations
import Datasets
import Foundation
import Testing

@Suite struct CorpusSampleTests {
    private func sample(_ text: some Sequence<UInt8>, mostBytes: Int = 1 << 20) throws -> CorpusSample {
        let path = FileManager.default.temporaryDirectory.path + "/sample-\(UUID().uuidString)"
        defer { try? FileManager.default.removeItem(atPath: path) }
        try Data(text).write(to: URL(filePath: path))
        return try CorpusSample(path: path, mostBytes: mostBytes)
    }

    @Test func linesHaveTheirNumbersAndOffsets() throws {
        let found = try sample("one\n\n  \ntwo \r\nthree".utf8)
        #expect(!found.isPartial)
        #expect(
            found.lines == [
                .init(number: 1, offset: 0, text: "one"), .init(number: 4, offset: 8, text: "two"),
                .init(number: 5, offset: 14, text: "three"),
            ])
        #expect(try sample("".utf8).lines.isEmpty)
        #expect(try sample("\n\n".utf8).lines.isEmpty)
    }

    @Test(arguments: [0, 1, 2])
    func longLinesAreDividedBetweenWordsAndCharacters(shift: Int) throws {
        let word = String(repeating: "理", count: 40) + " "
        let text = String(repeating: "a", count: shift) + String(repeating: word, count: 3000)
        let found = try sample(text.utf8)
        #expect(!found.isPartial && found.lines.allSatisfy { $0.number == 1 })
        #expect(found.lines.allSatisfy { $0.text.utf8.count <= CorpusSample.longestPart })
        #expect(found.lines.allSatisfy { !$0.text.contains("\u{FFFD}") })
        let bytes = Array(text.utf8)
        for line in found.lines {
            #expect(bytes[line.offset...].starts(with: line.text.utf8))
        }
        #expect(found.lines.map(\.text).joined().filter { $0 != " " } == text.filter { $0 != " " })
        // Without spaces.
        let whole = try sample(String(repeating: "é", count: 50_000).utf8).lines
        #expect(whole.map(\.text).joined() == String(repeating: "é", count: 50_000))
    }

    @Test func sampleOfLargeCorpusIsSpreadOverIt() throws {
        let text = (1...200_000).map { "line \($0)\n" }.joined()
        let found = try sample(text.utf8, mostBytes: 128 << 10)
        #expect(found.isPartial)
        #expect(found.lines.reduce(0) { $0 + $1.text.utf8.count } < 160 << 10)
        #expect(found.lines.allSatisfy { $0.text == "line \($0.number)" })
        let bytes = Array(text.utf8)
        #expect(found.lines.allSatisfy { bytes[$0.offset...].starts(with: "\($0.text)\n".utf8) })
        for tenth in 0..<10 {
            let count = found.lines.count { (tenth * 20_000..<(tenth + 1) * 20_000).contains($0.number) }
            #expect(count > 200, "\(tenth)")
        }
    }

    @Test func aLineLargerThanTheSampleIsRead() throws {
        let text = String(repeating: "word ", count: 400_000)
        let found = try sample(text.utf8, mostBytes: 256 << 10)
        #expect(found.isPartial && found.lines.allSatisfy { $0.number == 1 })
        #expect(found.lines.count > 100)
        #expect(found.lines.reduce(0) { $0 + $1.text.utf8.count } < 3 << 20)
    }

    @Test func numberOfLinesIsLimited() throws {
        let found = try sample(String(repeating: "a\n", count: 100_000).utf8)
        #expect(found.isPartial && found.lines.count == CorpusSample.mostLines)
    }

    @Test func conversationsAreReadAsTheirMessages() throws {
        let line = Conversation([.init(.user, "My {printer}\nis offline."), .init(.assistant, "Restart it.")]).line
        let found = try sample(line + [0x0A] + Array("loose".utf8))
        #expect(found.lines.map(\.text) == ["My {printer} is offline. Restart it.", "loose"])
    }

    @Test func stopsWhenAsked() throws {
        struct Stopped: Error {}
        let path = FileManager.default.temporaryDirectory.path + "/sample-\(UUID().uuidString)"
        defer { try? FileManager.default.removeItem(atPath: path) }
        try Data(repeating: 0x61, count: 3 << 20).write(to: URL(filePath: path))
        var calls = 0
        #expect(throws: Stopped.self) {
            try CorpusSample(path: path, mostBytes: 1 << 20) {
                calls += 1
                if calls == 2 { throw Stopped() }
            }
        }
    }
}
