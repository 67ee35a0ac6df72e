import FoundationEssentials
import Glibc
import TextSearch

/// Targets for the search index.
extension FuzzTarget {
    /// An index that opens, however damaged, must answer every question or throw `SearchError.damaged`. Most inputs fail
    /// because of a checksum, so the input replaces only numbers that have none.
    static let searchIndex = FuzzTarget(
        name: "searchindex",
        seeds: [[], [0, 0, 1], [0, 40, 255, 0, 41, 255, 0, 42, 255, 0, 43, 255], [1, 0, 7, 2, 0, 0, 255, 255, 1]]
    ) { input in
        var bytes = smallIndex
        // Each three bytes are a position and a value. The line table, the directory and the trailer come last.
        for index in stride(from: 0, to: input.count - 2, by: 3) {
            let position = Int(input[index]) << 8 | Int(input[index + 1])
            bytes[position % (bytes.count - 8 - 72 - 136)] = input[index + 2]
        }
        inFolder("search-index", bytes) { folder in
            do {
                let index = try CorpusIndex(
                    text: "\(folder)/search-text", index: "\(folder)/search-index", sha256: searchDigest)
                askEverything(CorpusSearch([index]), searchText)
            } catch {
                fatalError("the index cannot be opened: \(error)")
            }
        }
    }

    /// The whole file is the input.
    static let searchIndexFile = FuzzTarget(name: "searchindexfile", seeds: [smallIndex]) { input in
        inFolder("search-file", input) { folder in
            guard
                let index = try? CorpusIndex(
                    text: "\(folder)/search-text", index: "\(folder)/search-file", sha256: searchDigest)
            else { return }
            askEverything(CorpusSearch([index]), searchText)
        }
    }

    /// The first byte selects the syntax and what is ignored; the rest is the query. The text that is asked for is any text.
    static let searchQuery = FuzzTarget(
        name: "searchquery",
        seeds: texts(
            "\0pure reas* \\* *", "\u{1}(pure|[a-z]{2,3})? .*[^\\d]+ \\p{Lu}\\w*", "\u{3}\u{FC}b.r",
            "\u{7}(a*)*b{1,99}",
            "\u{2}that pure reason is not pure", "\u{4}\u{7d14}\u{7c8b}*")
    ) { input in
        guard let first = input.first else { return }
        _ = smallIndex
        let text = String(decoding: input.dropFirst(), as: UTF8.self)
        do {
            let index = try CorpusIndex(
                text: "\(folder)/search-text", index: "\(folder)/search-whole", sha256: searchDigest)
            let search = CorpusSearch([index])
            let query = try? SearchQuery(
                text, syntax: first & 1 == 0 ? .words : .regularExpressions, ignoresCase: first & 2 == 0,
                ignoresDiacritics: first & 4 == 0)
            if let query {
                let found = try search.find(query, options: FindOptions(limit: 5))
                expect(found.isComplete && found.total >= found.occurrences.count, "\(found.total) occurrences")
                expect(found.occurrences.count == min(5, found.total), "\(found.total) occurrences")
            }
            let trace = try search.trace(text, options: TraceOptions(minimumWords: 1))
            for range in trace.verbatim + trace.new {
                expect(range.upperBound <= text.utf8.count, "a range outside of the text")
            }
            expect(trace.isComplete && trace.spans.allSatisfy { $0.count > 0 }, "a span that does not occur")
        } catch {
            fatalError("an undamaged index fails: \(error)")
        }
    }

    private static func askEverything(_ search: CorpusSearch, _ text: String) {
        let budget = SearchBudget(deadline: .now + .seconds(5))
        attempt { _ = try search.trace(text, options: TraceOptions(minimumWords: 1), budget: budget) }
        attempt { _ = try search.find(SearchQuery("*"), options: FindOptions(limit: 100), budget: budget) }
        attempt { _ = try search.find(SearchQuery("pure reas* *"), budget: budget) }
        attempt { _ = try search.find(SearchQuery("(t|d).* [^x]*", syntax: .regularExpressions), budget: budget) }
        attempt { _ = try search.contexts(before: "that pure", candidates: [" reason"], after: " is", budget: budget) }
    }

    private static func attempt(_ question: () throws -> Void) {
        do { try question() } catch SearchError.damaged {
        } catch { fatalError("unexpected error: \(error)") }
    }

    private static let searchDigest = String(repeating: "0f", count: 32)
    private static let searchText =
        "that pure reason is not pure, \u{DC}ber das Sch\u{F6}ne \u{7d14}\u{7c8b}\nThe end, that pure reason is practical\n"

    /// The index of `searchText`, which is written beside it.
    private static let smallIndex: [UInt8] = {
        do {
            try Data(searchText.utf8).write(to: URL(filePath: "\(folder)/search-text"))
            try CorpusIndex.build(
                text: "\(folder)/search-text", sha256: searchDigest, at: "\(folder)/search-whole")
            return Array(try Data(contentsOf: URL(filePath: "\(folder)/search-whole")))
        } catch {
            fatalError("\(error)")
        }
    }()
}
