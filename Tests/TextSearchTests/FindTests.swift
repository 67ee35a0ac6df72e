import Foundation
import Testing
import TextSearch

@Suite struct FindTests {
    /// Returns the positions of sequences of tokens that match, one test for each.
    private static func places(_ text: ReferenceText, _ tests: [(String) -> Bool]) -> [Int] {
        guard text.tokens.count >= tests.count else { return [] }
        return (0...(text.tokens.count - tests.count)).filter { start in
            zip(tests, text.tokens[start...]).allSatisfy { test, token in test(token.text) }
        }.map { text.tokens[$0].bytes.lowerBound }
    }

    /// Reads all pages.
    private static func all(
        _ search: CorpusSearch, _ query: SearchQuery, page: Int
    ) throws -> (first: Concordance, places: [[Int]]) {
        var options = FindOptions(limit: page)
        let first = try search.find(query, options: options)
        var places: [[Int]] = []
        var answer = first
        while true {
            places += answer.occurrences.map { [$0.corpus, $0.byteOffset] }
            guard let next = answer.next else { return (first, places) }
            options.after = next
            answer = try search.find(query, options: options)
            #expect(answer.total == first.total && !answer.occurrences.isEmpty)
        }
    }

    @Test(arguments: 0..<20) func equalsBruteForce(part: Int) throws {
        for seed in (part * 50)..<(part * 50 + 50) {
            var random = SeededRandom(state: UInt64(seed))
            let alphabet = RandomText.alphabets[seed % RandomText.alphabets.count]
            let parameters =
                seed % 3 == 0
                ? IndexParameters()
                : IndexParameters(
                    blockBytes: Int.random(in: 1...60, using: &random),
                    blockTokens: Int.random(in: 1...30, using: &random),
                    blockSymbols: seed % 3 == 1 ? 1 << 20 : Int.random(in: 1...12, using: &random))
            let texts = (0...Int.random(in: 0...2, using: &random)).map { _ in
                RandomText.make(alphabet, pieces: Int.random(in: 0...400, using: &random), &random)
            }
            let corpora = try TestCorpora(texts, parameters: parameters)
            let references = texts.map(ReferenceText.init)
            let all = references.flatMap(\.tokens)
            guard !all.isEmpty else { continue }
            let (ignoresCase, ignoresDiacritics) = (Bool.random(using: &random), Bool.random(using: &random))
            func folded(_ text: String) -> String {
                var text = text
                if ignoresDiacritics {
                    let scalars = text.decomposedStringWithCanonicalMapping.unicodeScalars
                    text = String(String.UnicodeScalarView(scalars.filter { !(0x300...0x36F).contains($0.value) }))
                }
                return ignoresCase ? text.lowercased() : text
            }

            var pieces: [String] = []
            var tests: [(String) -> Bool] = []
            let start = Int.random(in: 0..<all.count, using: &random)
            for token in all[start..<min(all.count, start + Int.random(in: 1...3, using: &random))] {
                let scalars = Array(token.text.unicodeScalars)
                let cut = Int.random(in: 0...scalars.count, using: &random)
                let (head, tail) = (
                    String(String.UnicodeScalarView(scalars[..<cut])), String(String.UnicodeScalarView(scalars[cut...]))
                )
                // In scripts without spaces, each character is a token, and so is an asterisk behind it.
                let isLong = token.isWord && scalars.allSatisfy { $0.properties.isAlphabetic && $0.value < 0x3000 }
                // A cut between a letter and its mark would split the query differently.
                switch Int.random(in: 0..<5, using: &random) {
                case 0 where !head.isEmpty && isLong:
                    guard folded(head).unicodeScalars.count == head.unicodeScalars.count else { fallthrough }
                    pieces.append(head + "*")
                    tests.append { folded($0).unicodeScalars.starts(with: folded(head).unicodeScalars) }
                case 1 where !tail.isEmpty && isLong:
                    guard folded(tail).unicodeScalars.count == tail.unicodeScalars.count else { fallthrough }
                    pieces.append("*" + tail)
                    tests.append { token in
                        folded(token).unicodeScalars.reversed().starts(with: folded(tail).unicodeScalars.reversed())
                    }
                case 2:
                    pieces.append("*")
                    tests.append { _ in true }
                default:
                    pieces.append(token.text)
                    tests.append { folded($0).unicodeScalars.elementsEqual(folded(token.text).unicodeScalars) }
                }
            }
            let text = pieces.joined(separator: " ")
            let query = try SearchQuery(text, ignoresCase: ignoresCase, ignoresDiacritics: ignoresDiacritics)
            let expected = references.map { Self.places($0, tests) }
            let found = try Self.all(corpora.search, query, page: Int.random(in: 1...40, using: &random))
            let context: Comment =
                "seed \(seed): \(text.debugDescription) case \(ignoresCase) diacritics \(ignoresDiacritics) in \(texts)"
            #expect(found.first.countsByCorpus == expected.map(\.count), context)
            #expect(found.first.total == expected.reduce(0) { $0 + $1.count } && found.first.isComplete, context)
            #expect(
                found.places == expected.enumerated().flatMap { corpus, places in places.map { [corpus, $0] } }, context
            )
        }
    }

    /// Frequent words, so that entries are narrowed instead of compared one by one.
    @Test func equalsBruteForceWithManyOccurrences() throws {
        var random = SeededRandom(state: 7)
        let words = ["the", "The", "re", "reason", "reasons", "of", "pure", "being", "knowing", "thing", ",", "\n"]
        let text = (0..<40_000).map { _ in words.randomElement(using: &random)! }.joined(separator: " ")
        let corpora = try TestCorpora([text], parameters: IndexParameters(blockBytes: 50_000))
        let reference = ReferenceText(text)
        for query in [
            "the reas*", "the * of", "*ing of", "of *ing *ing", "* *", "re* re* re*", ", the", "pure reason of the",
        ] {
            let tests = query.split(separator: " ").map { piece -> (String) -> Bool in
                let piece = String(piece)
                return { token in
                    let token = token.lowercased()
                    if piece == "*" { return true }
                    if piece.hasSuffix("*") { return token.hasPrefix(piece.dropLast()) }
                    if piece.hasPrefix("*") { return token.hasSuffix(piece.dropFirst()) }
                    return token == piece
                }
            }
            let expected = Self.places(reference, tests)
            let found = try corpora.search.find(SearchQuery(query), options: .init(limit: 1000))
            #expect(found.total == expected.count, "\(query)")
            #expect(found.occurrences.map(\.byteOffset) == Array(expected.prefix(1000)), "\(query)")
        }
    }

    @Test(arguments: 0..<10) func regularExpressionsEqualThoseOfTheStandardLibrary(part: Int) throws {
        for seed in (part * 30)..<(part * 30 + 30) {
            var random = SeededRandom(state: UInt64(1000 + seed))
            let text = RandomText.make(["a", "b", "ab", "é", "1", " ", " ", " ", " ", "B", "."], pieces: 300, &random)
            let expression = Self.expression(depth: 2, &random)
            let ignoresCase = seed % 2 == 0
            // Bounded so that the reference, which backtracks, ends.
            let regex = try Regex(expression).matchingSemantics(.unicodeScalar).ignoresCase(ignoresCase)
            let corpora = try TestCorpora([text], parameters: IndexParameters(blockBytes: 64))
            let query = try SearchQuery(expression, syntax: .regularExpressions, ignoresCase: ignoresCase)
            let expected = ReferenceText(text).tokens.filter { (try? regex.wholeMatch(in: $0.text)) != nil }
            let found = try corpora.search.find(query, options: .init(limit: 1000))
            #expect(
                found.occurrences.map(\.byteOffset) == expected.map(\.bytes.lowerBound), "seed \(seed): \(expression)")
        }
    }

    private static func expression(depth: Int, _ random: inout SeededRandom) -> String {
        let atoms = ["a", "b", ".", "[ab]", "[^a]", "é", "[a-z1]", "\\d", "\\w", "\\p{L}", "\\.", "[^\\d]"]
        guard depth > 0 else { return atoms.randomElement(using: &random)! }
        let left = expression(depth: depth - 1, &random)
        switch Int.random(in: 0..<6, using: &random) {
        case 0: return "(\(left)|\(expression(depth: depth - 1, &random)))"
        case 1: return "(\(left))*"
        case 2: return "(?:\(left))+"
        case 3: return "(\(left)){1,3}"
        case 4: return "(\(left))?\(expression(depth: depth - 1, &random))"
        default: return left + expression(depth: depth - 1, &random)
        }
    }

    /// Patterns that take exponential time with backtracking, or exponential memory as a complete automaton.
    @Test(arguments: [
        "(a*)*b", "(a|a)*b", "(a|aa)+b", "(.*.*.*.*.*)x", "(a?){60}a{60}", "(a|b)*a(a|b){60}", "((((a*)*)*)*)*c",
        ".*.*=.*",
    ])
    func neverBacktracks(expression: String) throws {
        let corpora = try TestCorpora([
            String(repeating: String(repeating: "a", count: 200) + "\n", count: 50) + "ab\naab b"
        ])
        let query = try SearchQuery(expression, syntax: .regularExpressions)
        let found = try corpora.search.find(query, budget: SearchBudget(deadline: .now + .seconds(20)))
        #expect(found.isComplete)
    }

    @Test func forgetsStatesOfALargeAutomaton() throws {
        // Remembers the last ten characters: more states than are kept.
        var random = SeededRandom(state: 3)
        let words = (0..<20_000).map { _ in String((0..<14).map { _ in Bool.random(using: &random) ? "a" : "b" }) }
        let corpora = try TestCorpora([words.joined(separator: "\n")])
        let found = try corpora.search.find(SearchQuery("(a|b)*a(a|b){10}", syntax: .regularExpressions))
        #expect(found.total == words.filter { $0.dropFirst(3).first == "a" }.count)
    }

    @Test func ignoresCaseAndDiacritics() throws {
        let corpora = try TestCorpora(["Über über UBER u\u{308}ber uber ΣΊΣΥΦΟΣ Σίσυφος Łódź"])
        func count(_ text: String, _ ignoresCase: Bool, _ ignoresDiacritics: Bool) throws -> Int {
            let query = try SearchQuery(text, ignoresCase: ignoresCase, ignoresDiacritics: ignoresDiacritics)
            return try corpora.search.find(query).total
        }
        #expect(try count("uber", true, true) == 5)
        #expect(try count("über", true, true) == 5)
        #expect(try count("uber", true, false) == 2)
        #expect(try count("über", true, false) == 2)
        #expect(try count("uber", false, true) == 3)
        #expect(try count("über", false, false) == 1)
        #expect(try count("σίσυφος", true, false) == 2)
        #expect(try count("lodz", true, true) == 1)
    }

    /// The rarest token leads to the others, backwards across white space of every kind.
    @Test func findsTokensBeforeTheRarestOne() throws {
        let spaces = ["\u{A0}", "\n\u{A0}", "\u{3000} \u{2003}", " \n\t ", "\u{85}\u{1}"]
        let text = spaces.map { "one two\($0)rare three " + String(repeating: "two one ", count: 50) }.joined()
        let corpora = try TestCorpora([text])
        for (query, count) in [
            ("* rare", 5), ("one two rare", 5), ("* * rare *", 5), ("one * rare", 5), ("one rare", 0),
        ] {
            #expect(try corpora.search.find(SearchQuery(query)).total == count, "\(query)")
        }
    }

    @Test func countsWhatMatchesEverything() throws {
        let corpora = try TestCorpora(["one two three", "four five"])
        let all = try corpora.search.find(SearchQuery("*"), options: .init(limit: 2))
        #expect(all.total == 5 && all.countsByCorpus == [3, 2])
        #expect(all.occurrences.map(\.match) == ["one", "two"])
        #expect(try corpora.search.find(SearchQuery(".*", syntax: .regularExpressions)).total == 5)
        #expect(try corpora.search.find(SearchQuery("*"), options: .init(limit: 0)).next == nil)
    }

    @Test func returnsCountsUntilTheDeadline() throws {
        let corpora = try TestCorpora([String(repeating: "one two ", count: 10_000)])
        let found = try corpora.search.find(SearchQuery("one two"), budget: SearchBudget(deadline: .now))
        #expect(!found.isComplete && found.total < 10_000)
        #expect(throws: SearchError.cancelled) {
            try corpora.search.find(
                SearchQuery("one *"), options: .init(limit: 1000), budget: SearchBudget(isCancelled: { true }))
        }
    }

    @Test func refusesACursorOfAnotherCorpus() throws {
        let corpora = try TestCorpora(["one"])
        #expect(throws: SearchError.self) {
            try corpora.search.find(SearchQuery("one"), options: .init(after: .init(sha256: "x", byteOffset: 0)))
        }
    }
}
