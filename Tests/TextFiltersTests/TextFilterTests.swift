import Foundation
import Testing
import TextFilters

/// Expected results of Python 3.11, written by `Tests/Parity/filters_reference.py`.
private struct Reference: Decodable {
    var text: String
    var lowercase, keep, keepOthers, stripUrls, stripMentions, tweets: String
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
    ])
    func rejectsInvalidFiltersByKey(names: [String], values: TextFilterValues, key: String) {
        let error = #expect(throws: TextFilterError.self) { try TextFilter.named(names, values) }
        #expect(error?.key == key)
    }

    @Test func promptsKeepTheMask() throws {
        let pipeline = TextPipeline(try TextFilter.named(["tweets"]))
        #expect(
            pipeline.prompt("I'd LIKE <mask> 2 assist!<mask>", keeping: "<mask>") == "i'd like <mask>  assist<mask>")
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
            .dedupeLines,
        ]
        #expect(try JSONDecoder().decode([TextFilter].self, from: JSONEncoder().encode(filters)) == filters)
    }
}
