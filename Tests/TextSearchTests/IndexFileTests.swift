import Foundation
import Testing
import TextSearch

@Suite struct IndexFileTests {
    private static let text = """
        I would like to assist the reader, and to show that pure reason is not pure.
        Über das Schöne: das Schöne gefällt. 純粋理性批判。 The end of the matter 😀
        that pure reason is not pure, that pure reason is practical

        """

    /// Asks everything. An index that opens may give wrong answers or `SearchError.damaged`.
    private static func ask(_ index: CorpusIndex) throws {
        let search = CorpusSearch([index])
        let budget = SearchBudget(deadline: .now + .seconds(30))
        let questions: [() throws -> Void] = [
            { _ = try search.trace(text + text, options: .init(minimumWords: 1, occurrences: 100), budget: budget) },
            { _ = try search.find(SearchQuery("*"), options: .init(limit: 1000), budget: budget) },
            { _ = try search.find(SearchQuery("pure reas* *"), options: .init(limit: 1000), budget: budget) },
            { _ = try search.find(SearchQuery("(t|d).* [^x]*", syntax: .regularExpressions), budget: budget) },
            { _ = try search.find(SearchQuery("reason", ignoresCase: false), budget: budget) },
            { _ = try search.contexts(before: "that pure", candidates: [" reason"], after: " is not", budget: budget) },
        ]
        for question in questions {
            do { try question() } catch SearchError.damaged {}
        }
    }

    @Test func rejectsEveryChangeOfTheHeader() throws {
        let corpora = try TestCorpora([Self.text])
        let path = corpora.indexPath(0)
        let bytes = try Data(contentsOf: URL(filePath: path))
        // The trailer and the record of one block.
        for offset in (bytes.count - 136 - 72)..<bytes.count {
            for bit in [0, 3, 7] {
                var changed = bytes
                changed[offset] ^= UInt8(1 << bit)
                try changed.write(to: URL(filePath: path))
                let error = #expect(throws: IndexError.self, "byte \(offset), bit \(bit)") { try corpora.open(0) }
                #expect(error?.isResolvedByBuilding == true)
            }
        }
    }

    @Test func survivesDamagedNumbers() throws {
        let corpora = try TestCorpora()
        try corpora.add(Array(Self.text.utf8), parameters: IndexParameters(blockBytes: 100))
        let path = corpora.indexPath(0)
        let bytes = try Data(contentsOf: URL(filePath: path))
        var random = SeededRandom(state: 5)
        for round in 0..<3000 {
            var changed = bytes
            for _ in 0...Int.random(in: 0..<(round % 20 + 1), using: &random) {
                let offset = Int.random(in: 0..<(bytes.count - 136), using: &random)
                let values: [UInt8] = [0, 0xFF, 0x7F, 0x80, UInt8.random(in: 0...255, using: &random)]
                changed[offset] = values.randomElement(using: &random)!
            }
            try changed.write(to: URL(filePath: path))
            // Damage of the directory is detected when it opens.
            if let index = try? corpora.open(0) { try Self.ask(index) }
        }
    }

    @Test func rejectsATruncatedOrExtendedIndex() throws {
        let corpora = try TestCorpora([Self.text])
        let path = corpora.indexPath(0)
        let bytes = try Data(contentsOf: URL(filePath: path))
        for count in 0..<bytes.count {
            try bytes.prefix(count).write(to: URL(filePath: path))
            let error = #expect(throws: IndexError.self) { try corpora.open(0) }
            #expect(error?.isResolvedByBuilding == true)
        }
        for data in [bytes + Data([0]), Data([0]) + bytes, bytes + bytes] {
            try data.write(to: URL(filePath: path))
            #expect(throws: IndexError.self) { try corpora.open(0) }
        }
    }

    @Test func rejectsTheIndexOfAnotherText() throws {
        let corpora = try TestCorpora(["one two", "one six"])
        #expect(
            throws: IndexError.foreign(
                index: corpora.indexPath(1),
                reason: "expected SHA-256 \(TestCorpora.sha256(0)), found \(TestCorpora.sha256(1))")
        ) {
            try CorpusIndex(text: corpora.textPath(0), index: corpora.indexPath(1), sha256: TestCorpora.sha256(0))
        }
        try Data("one two three".utf8).write(to: URL(filePath: corpora.textPath(0)))
        let error = #expect(throws: IndexError.self) { try corpora.open(0) }
        #expect(error?.isResolvedByBuilding == true)
        try FileManager.default.removeItem(atPath: corpora.indexPath(1))
        #expect(#expect(throws: IndexError.self) { try corpora.open(1) }?.isResolvedByBuilding == true)
    }

    @Test func acceptsAnyBytes() throws {
        var random = SeededRandom(state: 11)
        let pieces: [[UInt8]] = [
            [0xC3], [0xA9], [0xC3, 0xA9], [0xE2, 0x82], [0xF0, 0x9F, 0x98], [0], [0x20], [0x0A], [0x61], [0xFF],
            [0xED, 0xA0, 0x80],
            [0xCC, 0x81], Array("word".utf8), Array("漢".utf8),
        ]
        for round in 0..<100 {
            let text = (0..<Int.random(in: 0...200, using: &random)).flatMap { _ in
                pieces.randomElement(using: &random)!
            }
            let corpora = try TestCorpora()
            try corpora.add(text, parameters: IndexParameters(blockBytes: 1 + round % 40, blockTokens: 1 + round % 13))
            try Self.ask(corpora.indexes[0])
            // Every token is found once, and in order.
            let all = try corpora.search.find(SearchQuery("*"), options: .init(limit: 1000))
            #expect(all.total == corpora.indexes[0].tokens && all.occurrences.count == all.total)
            var position = 0
            for occurrence in all.occurrences {
                #expect(occurrence.byteOffset >= position)
                position = occurrence.byteOffset + occurrence.byteCount
            }
        }
    }

    @Test func givesTheSameAnswersWithAnyNumberOfThreads() throws {
        var random = SeededRandom(state: 2)
        let text = Array(RandomText.make(RandomText.alphabets[8], pieces: 20_000, &random).utf8)
        let corpora = try TestCorpora()
        for threads in [1, 2, 5] {
            try corpora.add(text, parameters: IndexParameters(blockBytes: 1000), threads: threads)
        }
        let found = try corpora.search.find(SearchQuery("the pure"), options: .init(limit: 10))
        #expect(found.countsByCorpus[0] > 0 && Set(found.countsByCorpus).count == 1)
        #expect(Set(corpora.indexes.map(\.indexBytes)).count == 1)
    }

    @Test func staysWithinItsSize() throws {
        var random = SeededRandom(state: 4)
        let texts = [
            String(repeating: ",.", count: 50_000), String(repeating: "a ", count: 50_000),
            RandomText.make(["漢", "字", "。", "か"], pieces: 30_000, &random),
            (0..<30_000).map { _ in String(UInt32.random(in: 0...UInt32.max, using: &random), radix: 36) }.joined(
                separator: " "),
            (0..<40_000).map { _ in String(Unicode.Scalar(UInt32.random(in: 0x4E00...0x9FFF, using: &random))!) }
                .joined(),
            String(repeating: "x", count: 100_000),
        ]
        let corpora = try TestCorpora(texts)
        for (text, index) in zip(texts, corpora.indexes) {
            #expect(index.indexBytes <= CorpusIndex.maximumIndexBytes(textBytes: text.utf8.count))
        }
    }

    @Test func leavesNothingWhenCancelled() throws {
        let corpora = try TestCorpora(["one two"])
        #expect(throws: IndexError.cancelled) {
            try CorpusIndex.build(
                text: corpora.textPath(0), sha256: TestCorpora.sha256(0), at: "\(corpora.folder)/new",
                isCancelled: { true })
        }
        #expect(try FileManager.default.contentsOfDirectory(atPath: corpora.folder).sorted() == ["index-0", "text-0"])
        #expect(throws: IndexError.self) {
            try CorpusIndex.build(
                text: "\(corpora.folder)/none", sha256: TestCorpora.sha256(0), at: "\(corpora.folder)/new")
        }
    }

    @Test func reportsProgressUpToTheWholeText() throws {
        let corpora = try TestCorpora([String(repeating: "one two\n", count: 1000)])
        let seen = Seen()
        try CorpusIndex.build(
            text: corpora.textPath(0), sha256: TestCorpora.sha256(0), at: corpora.indexPath(0), threads: 2,
            parameters: IndexParameters(blockBytes: 500), progress: { seen.add($0) })
        #expect(seen.largest == 8000)
    }

    private final class Seen: @unchecked Sendable {
        private let lock = NSLock()
        private var value = 0
        var largest: Int { lock.withLock { value } }
        func add(_ bytes: Int) { lock.withLock { value = max(value, bytes) } }
    }
}
