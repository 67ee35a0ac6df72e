import Foundation
import Testing
import TextSearch

@Suite struct TraceTests {
    /// Returns the maximal spans of `text`, found by trying all.
    private static func spans(
        _ text: ReferenceText, _ corpora: [ReferenceText], minimumWords: Int
    ) -> [Range<Int>: (words: Int, count: Int)] {
        let count = text.tokens.count
        func occurs(_ range: Range<Int>) -> Bool { corpora.contains { !$0.places(text.tokens[range]).isEmpty } }
        // The longest end of each start. Ends never move to the left.
        var ends: [Int] = []
        for start in 0..<count {
            var end = max(start, ends.last ?? 0)
            while end < count, occurs(start..<(end + 1)) { end += 1 }
            ends.append(end)
        }
        var spans: [Range<Int>: (words: Int, count: Int)] = [:]
        for (start, end) in ends.enumerated() where end > start && (start == 0 || ends[start - 1] < end) {
            let tokens = text.tokens[start..<end]
            let words = tokens.filter(\.isWord).count
            guard words >= minimumWords else { continue }
            let bytes = tokens.first!.bytes.lowerBound..<tokens.last!.bytes.upperBound
            spans[bytes] = (words, corpora.reduce(0) { $0 + $1.places(tokens).count })
        }
        return spans
    }

    @Test(arguments: 0..<20) func equalsBruteForce(part: Int) throws {
        for seed in (part * 50)..<(part * 50 + 50) {
            var random = SeededRandom(state: UInt64(seed))
            let alphabet = RandomText.alphabets[seed % RandomText.alphabets.count]
            let parameters =
                seed % 3 == 0
                ? IndexParameters()
                : IndexParameters(
                    blockBytes: Int.random(in: 1...40, using: &random),
                    blockTokens: Int.random(in: 1...9, using: &random),
                    blockSymbols: seed % 3 == 1 ? 1 << 20 : Int.random(in: 1...12, using: &random))
            let texts = (0...Int.random(in: 0...2, using: &random)).map { _ in
                RandomText.make(alphabet, pieces: Int.random(in: 0...150, using: &random), &random)
            }
            let corpora = try TestCorpora(texts, parameters: parameters)
            var text = RandomText.make(alphabet, pieces: Int.random(in: 0...30, using: &random), &random)
            if let source = texts.randomElement(using: &random), seed % 2 == 0 { text += source.prefix(40) }
            let options = TraceOptions(
                minimumWords: Int.random(in: 1...3, using: &random), spans: 1000, occurrences: 100)
            let trace = try corpora.search.trace(text, options: options)

            let reference = ReferenceText(text)
            let references = texts.map(ReferenceText.init)
            let expected = Self.spans(reference, references, minimumWords: options.minimumWords)
            let context: Comment = "seed \(seed): \(text.debugDescription) in \(texts)"
            #expect(Set(trace.spans.map(\.bytes)) == Set(expected.keys), context)
            #expect(trace.spanCount == expected.count && trace.isComplete, context)
            #expect(trace.words == reference.tokens.filter(\.isWord).count, context)
            for span in trace.spans {
                #expect(span.words == expected[span.bytes]?.words, context)
                #expect(span.count == expected[span.bytes]?.count, context)
                #expect(span.occurrences.count == min(100, span.count), context)
                let asked = Self.onOneLine(Array(text.utf8)[span.bytes])
                for occurrence in span.occurrences {
                    let start = occurrence.byteOffset
                    let bytes = corpora.texts[occurrence.corpus][start..<(start + occurrence.byteCount)]
                    #expect(Self.onOneLine(bytes) == asked && occurrence.match == asked, context)
                    let line = corpora.texts[occurrence.corpus][..<start].filter { $0 == 0x0A }.count + 1
                    #expect(occurrence.line == line, context)
                }
                let places = span.occurrences.map { [$0.corpus, $0.byteOffset] }
                #expect(places == places.sorted { $0.lexicographicallyPrecedes($1) }, context)
                #expect(
                    String(text.unicodeScalars.dropFirst(span.characters.lowerBound).prefix(span.characters.count)).utf8
                        .elementsEqual(Array(text.utf8)[span.bytes]), context)
            }
            // What is verbatim and what is new are together the tokens of the text.
            let covered = reference.tokens.map { token in expected.keys.contains { $0.overlaps(token.bytes) } }
            for (token, isCovered) in zip(reference.tokens, covered) {
                #expect(trace.verbatim.contains { $0.overlaps(token.bytes) } == isCovered, context)
                #expect(trace.new.contains { $0.overlaps(token.bytes) } == !isCovered, context)
            }
            let words = zip(reference.tokens, covered).filter { $0.0.isWord && $0.1 }.count
            #expect(trace.verbatimWords == words, context)
        }
    }

    private static func onOneLine(_ bytes: ArraySlice<UInt8>) -> String {
        String(decoding: bytes, as: UTF8.self).unicodeScalars.split {
            $0.properties.isWhitespace || $0.properties.generalCategory == .control
        }.map { String($0) }.joined(separator: " ")
    }

    @Test func ranksLongAndRareSpansFirst() throws {
        let corpora = try TestCorpora([
            String(repeating: "it is what it is and that is that\n", count: 50)
                + "the synthetic unity of apperception\nof the of the\n"
        ])
        let trace = try corpora.search.trace(
            "that is that, and the synthetic unity of mind", options: .init(minimumWords: 2))
        #expect(trace.spans.map { $0.occurrences[0].match } == ["the synthetic unity of", "that is that"])
        #expect(trace.spans.map(\.count) == [1, 50])
        #expect(trace.spans[0].bits > trace.spans[1].bits)
        #expect(trace.new.count == 2)
    }

    @Test func findsASpanAcrossLinesAndShowsItsLine() throws {
        let corpora = try TestCorpora([
            "first line\nThat all our knowledge\n  begins with experience there can be no doubt."
        ])
        let trace = try corpora.search.trace("he wrote that knowledge begins with experience there.")
        let occurrence = try #require(trace.spans.first?.occurrences.first)
        #expect(occurrence.match == "knowledge begins with experience there")
        #expect(occurrence.line == 2)
        #expect(occurrence.before == "first line That all our ")
        #expect(occurrence.after == " can be no doubt.")
        #expect(trace.verbatimShare == 5.0 / 8)
    }

    @Test func comparesSpansBeyondTheSortedPart() throws {
        // Differences behind the 512 tokens by which blocks overlap.
        let words = (0..<3000).map { "w\($0 % 700)" }
        let text = words.joined(separator: " ")
        let corpora = try TestCorpora(
            ["x \(text) end\n\(text) other\n"], parameters: IndexParameters(blockBytes: 5000, blockTokens: 900))
        let trace = try corpora.search.trace("y \(text) other \(text) end", options: .init(spans: 10))
        #expect(trace.spans.map(\.words) == [3001, 3001])
        #expect(trace.spans.allSatisfy { $0.count == 1 })
        let whole = try corpora.search.trace(text, options: .init(minimumWords: 3000))
        #expect(whole.spans.map(\.count) == [2])
        #expect(whole.verbatimShare == 1)
    }

    @Test func tracesAMegabyteOrRefusesIt() throws {
        let line = "the pure reason of a being that is of the same kind as the one before\n"
        let text = String(repeating: line, count: CorpusSearch.maximumTraceBytes / line.utf8.count)
        let corpora = try TestCorpora([text])
        let trace = try corpora.search.trace(text)
        #expect(trace.verbatimShare == 1 && trace.spans.map(\.count) == [1])
        // The last word is new, so no candidate is the whole text.
        let longer = try corpora.search.trace("\(text.dropFirst(line.utf8.count))new")
        #expect(longer.verbatim.count == 1 && longer.new.count == 1)
        #expect(throws: SearchError.textTooLong(bytes: text.utf8.count + 100, limit: 1 << 20)) {
            try corpora.search.trace(text + String(repeating: "x", count: 100))
        }
    }

    @Test func returnsWhatItFoundUntilTheDeadline() throws {
        let corpora = try TestCorpora(["some words to be found here\n"])
        let text = String(repeating: "words to be found, some ", count: 20_000)
        let trace = try corpora.search.trace(text, budget: SearchBudget(deadline: .now))
        #expect(!trace.isComplete)
        #expect(trace.examinedBytes < text.utf8.count)
        #expect(throws: SearchError.cancelled) {
            try corpora.search.trace(text, budget: SearchBudget(isCancelled: { true }))
        }
    }

    @Test func hasNothingToFindInEmptyCorporaAndTexts() throws {
        let corpora = try TestCorpora(["", "\n\n \n", "a"])
        #expect(corpora.indexes.map(\.tokens) == [0, 0, 1])
        #expect(corpora.indexes.map(\.lines) == [0, 3, 1])
        #expect(try corpora.search.trace("b c d e").spans.isEmpty)
        #expect(try corpora.search.trace("").new.isEmpty)
        #expect(try CorpusSearch([]).trace("b c d e").new == [0..<7])
    }

    @Test func ignoresTextBehindLongWhiteSpace() throws {
        let gap = String(repeating: " ", count: 300)
        let corpora = try TestCorpora(["one two\(gap)three four"])
        #expect(
            try corpora.search.trace("one two three four", options: .init(minimumWords: 2)).spans.map(\.words) == [
                2, 2,
            ])
        #expect(try corpora.search.trace("one two\(gap)three four", options: .init(minimumWords: 3)).spans.isEmpty)
    }
}
