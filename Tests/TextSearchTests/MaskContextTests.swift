import Testing
import TextSearch

@Suite struct MaskContextTests {
    @Test func usesTheWidestContextThatOccurs() throws {
        let corpora = try TestCorpora([
            "I would like to assist the reader.\nI would like to thank the author.\nThey like to thank the reader.\n"
                + "assist assist"
        ])
        let found = try corpora.search.contexts(
            before: "We all like to", candidates: [" thank", " assist", " praise", " th"], after: " the reader")
        #expect((found.leftCount, found.rightCount) == (2, 2))
        #expect(found.left == "like to" && found.right == " the reader")
        #expect(found.candidates.map(\.count) == [1, 1, 0, 0])
        #expect(found.candidates.map(\.widestCount) == [1, 1, 0, 0])
        #expect(found.candidates[0].occurrences.map(\.match) == ["thank"])
        #expect(found.candidates[0].occurrences.map(\.line) == [3])
        #expect(found.candidates[1].occurrences[0].before == "I would like to ")
        #expect(found.candidates[2].occurrences.isEmpty)
    }

    @Test func comparesCandidatesInOneContext() throws {
        let corpora = try TestCorpora(["pure reason\npure reason\npure thought\npractical reason, pure and simple\n"])
        let found = try corpora.search.contexts(
            before: "of pure ", candidates: ["reason", "thought", "simple"], after: "")
        #expect((found.leftCount, found.rightCount) == (1, 0))
        #expect(found.candidates.map(\.count) == [2, 1, 0])
        #expect(found.candidates.map(\.widestLeft) == [1, 1, 0])
        #expect(found.candidates[2].widestCount == 1)
    }

    @Test func completesWords() throws {
        let corpora = try TestCorpora(["an unreasonable being"])
        let found = try corpora.search.contexts(before: "an un", candidates: ["reason", "season"], after: "able being")
        #expect(found.candidates.map(\.count) == [1, 0])
        #expect((found.leftCount, found.rightCount) == (1, 1))
        #expect(found.candidates[0].occurrences[0].match == "unreasonable")
    }

    /// The widest context of a candidate, against trying all.
    @Test func equalsBruteForce() throws {
        for seed in 0..<300 {
            var random = SeededRandom(state: UInt64(seed))
            let text = RandomText.make(["a ", "b ", "a", ". ", "\n"], pieces: 120, &random)
            let corpora = try TestCorpora([text], parameters: IndexParameters(blockBytes: 50, blockTokens: 12))
            let before = RandomText.make(["a ", "b ", ". "], pieces: 12, &random)
            let after = " " + RandomText.make(["a ", "b ", ". "], pieces: 12, &random)
            let found = try corpora.search.contexts(
                before: before, candidates: ["a"], after: after, options: .init(context: 4))
            let reference = ReferenceText(text)
            let tokens = ReferenceText(before + "a" + after).tokens
            let core = try #require(tokens.firstIndex { $0.bytes.upperBound > before.utf8.count })
            var widest = -1
            for left in 0...min(4, core) {
                for right in 0...min(4, tokens.count - core - 1) {
                    if !reference.places(tokens[(core - left)...(core + right)]).isEmpty {
                        widest = max(widest, left + right)
                    }
                }
            }
            let candidate = found.candidates[0]
            let context: Comment =
                "seed \(seed): \(before.debugDescription), \(after.debugDescription) in \(text.debugDescription)"
            guard widest >= 0 else {
                #expect(candidate.widestCount == 0, context)
                continue
            }
            #expect(candidate.widestLeft + candidate.widestRight == widest, context)
            let range = (core - candidate.widestLeft)...(core + candidate.widestRight)
            #expect(candidate.widestCount == reference.places(tokens[range]).count, context)
            #expect(candidate.count == candidate.widestCount, context)
        }
    }

    @Test func boundsItsInput() throws {
        let corpora = try TestCorpora([String(repeating: "some text ", count: 1000)])
        let long = String(repeating: "x y ", count: 500_000)
        let found = try corpora.search.contexts(
            before: long + "some ", candidates: ["text", "", " "], after: " some " + long)
        #expect(found.candidates.map(\.widestLeft) == [1, 0, 0])
        #expect(found.candidates[0].widestCount == 999)
        #expect(throws: SearchError.self) {
            try corpora.search.contexts(before: "", candidates: Array(repeating: "a", count: 101), after: "")
        }
        #expect(throws: SearchError.self) {
            try corpora.search.contexts(before: "", candidates: [String(repeating: "a", count: 5000)], after: "")
        }
    }
}
