import Foundation
import Testing
import TextFilters

/// Expected results of Python 3.11, written by `Tests/Parity/filters_reference.py`.
private struct Reference: Decodable {
    var text: String
    var lowercase, keep, keepOthers, stripUrls, stripMentions, stripAnsi, tweets: String
    var words: Int

    static func load() throws -> [Reference] {
        let path = try #require(Bundle.module.path(forResource: "Fixtures/filters", ofType: "json"))
        let decoder = JSONDecoder()
        decoder.keyDecodingStrategy = .convertFromSnakeCase
        return try decoder.decode([Reference].self, from: Data(contentsOf: URL(filePath: path)))
    }
}

private func apply(_ filters: [TextFilter], _ text: String, seen: SeenTexts = SeenTexts()) -> String? {
    var bytes = Array(text.utf8)
    return TextPipeline(filters).apply(to: &bytes, seen: seen) ? String(decoding: bytes, as: UTF8.self) : nil
}

/// Compares by scalars, because `==` treats canonically equivalent strings as equal.
private func same(_ filters: [TextFilter], _ text: String, _ expected: String) {
    let found = apply(filters, text).map { Array($0.unicodeScalars) }
    #expect(found == Array(expected.unicodeScalars), "\(filters) of \(text.debugDescription)")
}

@Suite struct TextFilterTests {
    @Test func filtersMatchPython() throws {
        let references = try Reference.load()
        #expect(references.count > 300)
        let keep = TextFilter.keep(try KeptCharacters("a-z '"))
        let others = TextFilter.keep(try KeptCharacters("A-Zé一-鿿😀-😂-"))
        for reference in references {
            same([.lowercase], reference.text, reference.lowercase)
            same([keep], reference.text, reference.keep)
            same([others], reference.text, reference.keepOthers)
            same([.stripURLs], reference.text, reference.stripUrls)
            same([.stripMentions], reference.text, reference.stripMentions)
            same([.stripANSI], reference.text, reference.stripAnsi)
            same([.lowercase, keep], reference.text, reference.tweets)
            for words in 1...max(reference.words, 1) + 1 {
                #expect((apply([.minWords(words)], reference.text) != nil) == (reference.words >= words))
                #expect((apply([.maxWords(words)], reference.text) != nil) == (reference.words <= words))
            }
        }
    }

    @Test func lowercasingMatchesUnicodeForEveryScalar() throws {
        // Capital sigma is excluded because its mapping depends on the context.
        for value in UInt32(0)...0x10FFFF where value != 0x3A3 {
            guard let scalar = Unicode.Scalar(value) else { continue }
            let text = "x\(scalar)"
            let expected = "x" + scalar.properties.lowercaseMapping
            let found = apply([.lowercase], text)
            if found.map({ Array($0.utf8) }) != Array(expected.utf8) { Issue.record("U+\(String(value, radix: 16))") }
        }
    }

    @Test func dropsDuplicateTexts() {
        let seen = SeenTexts()
        let filters: [TextFilter] = [.lowercase, .dedupeLines]
        #expect(apply(filters, "One", seen: seen) == "one")
        #expect(apply(filters, "ONE", seen: seen) == nil)
        #expect(apply(filters, "two", seen: seen) == "two")
        #expect(apply(filters, "one", seen: SeenTexts()) == "one")
    }

    @Test func countsTextsBeforeAndAfterEachFilter() throws {
        let pipeline = TextPipeline([
            .dedupeDocuments, .lowercase, .keep(try KeptCharacters("a-z ")), .minWords(2), .dedupeLines,
        ])
        let seen = SeenTexts()
        var counts = pipeline.counts[...]
        let left = ["A b 1", "a B ", "...", "one", "c d"].filter { text in
            var bytes = Array(text.utf8)
            return pipeline.apply(to: &bytes, seen: seen, counts: &counts)
        }
        #expect(left == ["A b 1", "c d"])
        #expect(counts.map(\.filter) == [.lowercase, .keep, .minWords, .dedupeLines])
        #expect(counts.map(\.unitsBefore) == [5, 5, 4, 3] && counts.map(\.unitsAfter) == [5, 4, 3, 2])
        #expect(counts.map(\.bytesBefore) == [18, 18, 14, 11] && counts.map(\.bytesAfter) == [18, 14, 11, 7])
    }

    @Test func countsOfOtherFiltersAreAddedByName() {
        func counts(_ names: [TextFilter.Name]) -> [FilterCount] {
            names.map { name in
                var count = FilterCount(name)
                count.addBefore(bytes: 3)
                return count
            }
        }
        var total = counts([.keep, .lowercase, .keep])
        total.add(counts([.keep, .lowercase, .keep]))
        #expect(total.map(\.unitsBefore) == [2, 2, 2])
        total.add(counts([.lowercase, .unwrap]))
        #expect(total.map(\.filter) == [.keep, .lowercase, .keep, .unwrap])
        #expect(total.map(\.bytesBefore) == [6, 9, 6, 3])
    }

    @Test func joinsHyphenatedWordsThatOccurInOnePiece() {
        let text = "the under-\nstanding, of\n  a pre-\neminent con\u{AD}\ncept\nhere"
        var words = HyphenatedWords()
        words.collect(Array("under-".utf8), Array("standing".utf8))
        words.look(in: Array("Understanding".utf8))
        words.finish()
        #expect(words.isEmpty)
        var bytes = Array(text.utf8)
        _ = TextPipeline([.dehyphenate], words: words).apply(to: &bytes, seen: SeenTexts())
        #expect(String(decoding: bytes, as: UTF8.self) == "the understanding,\nof\n  a pre-\neminent concept\nhere")
    }

    @Test func tweetsExpandsToNamedFilters() throws {
        let keep = TextFilter.keep(try KeptCharacters("a-z '"))
        #expect(try TextFilter.named(["tweets"]) == [.lowercase, keep, .minWords(30)])
        #expect(try TextFilter.named(["tweets"], .init(minWords: 5)) == [.lowercase, keep, .minWords(5)])
    }

    @Test(arguments: [
        (["shout"], TextFilterValues(), "filters"),
        (["lowercase", "keep"], TextFilterValues(), "keep"),
        (["keep"], TextFilterValues(keep: "z-a"), "keep"),
        (["min_words"], TextFilterValues(), "min_words"),
        (["min_words"], TextFilterValues(minWords: 0), "min_words"),
        (["max_words"], TextFilterValues(maxWords: -1), "max_words"),
        (["lowercase"], TextFilterValues(minWords: 3), "min_words"),
        ([], TextFilterValues(keep: "a-z"), "keep"),
        (["near_duplicates"], TextFilterValues(), "near_duplicates"),
        (["near_duplicates"], TextFilterValues(nearDuplicates: 0.5), "near_duplicates"),
        (["near_duplicates"], TextFilterValues(nearDuplicates: 1), "near_duplicates"),
        (["near_duplicates"], TextFilterValues(nearDuplicates: .nan), "near_duplicates"),
        (["dedupe_documents"], TextFilterValues(nearDuplicates: 0.8), "near_duplicates"),
    ])
    func rejectsInvalidFiltersByKey(names: [String], values: TextFilterValues, key: String) {
        let error = #expect(throws: TextFilterError.self) { try TextFilter.named(names, values) }
        #expect(error?.key == key)
    }

    @Test func promptsKeepTheMask() throws {
        let pipeline = TextPipeline(try TextFilter.named(["tweets"]))
        #expect(
            pipeline.prompt("I'd LIKE <mask> 2 assist!<mask>", keeping: "<mask>") == "i'd like <mask>  assist<mask>")
        #expect(
            TextPipeline([.stripANSI, .gutenberg, .dedupeDocuments]).prompt("\u{1B}[1ma <mask>", keeping: "<mask>")
                == "a <mask>")
        #expect(TextPipeline([.minWords(9)]).prompt("A <b>", keeping: "<mask>") == "A <b>")
    }

    @Test func promptsWithoutMarkAreFilteredAsAWhole() {
        #expect(TextPipeline([.lowercase]).prompt("A<MASK><mask>B", keeping: nil) == "a<mask><mask>b")
        let pipeline = TextPipeline([.keep(try! KeptCharacters("a-z"))])
        #expect(pipeline.prompt("a<mask>", keeping: nil) == "amask")
        #expect(pipeline.prompt("a<mask>", keeping: "<mask>") == "a<mask>")
    }

    @Test func filtersRoundTripThroughJSON() throws {
        let filters: [TextFilter] = [
            .lowercase, .keep(try KeptCharacters("a-z\"é")), .minWords(2), .maxWords(9), .stripURLs, .stripMentions,
            .dedupeLines, .stripANSI, .unwrap, .dehyphenate, .gutenberg, .dedupeDocuments, .nearDuplicates(0.8),
        ]
        #expect(Set(filters.map(\.name)) == Set(TextFilter.Name.allCases))
        #expect(try JSONDecoder().decode([TextFilter].self, from: JSONEncoder().encode(filters)) == filters)
    }
}
