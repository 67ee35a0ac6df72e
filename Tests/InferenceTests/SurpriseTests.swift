import Foundation
import Inference
import Testing
import TextFilters
import Tokenizers

@Suite struct SurpriseTests {
    private static let lines = [
        "Reason", "a priori", "", "理性 and experience", String(repeating: "pure reason ", count: 30),
    ]

    @Test func bitsOfCausalModelsAreThoseOfScores() async throws {
        let engine = Fixture.clm
        let found = try await engine.surprises(Self.lines)
        for (line, surprise) in zip(Self.lines, found) {
            let scores = try await engine.score(line, listsTokens: true).tokenScores!
            #expect(!surprise.isFiltered)
            // The end of the text is not a part of the line.
            for (token, score) in zip(surprise.tokens, scores) {
                #expect(abs(token.bits + score.logProbability! / log(2)) < 1e-3, "\(line)")
            }
            #expect(surprise.tokens.count == scores.count - 1)
            #expect(surprise.tokens.last.map { $0.offset + $0.bytes } ?? 0 == line.utf8.count)
        }
    }

    /// With at most five tokens, each is masked alone.
    @Test func bitsOfMaskedModelsAreThoseOfScoresInShortLines() async throws {
        let engine = Fixture.mlm
        var compared = 0
        for line in ["a", "of", "ab", "777", "Reason"]
        where engine.tokenizer.encode(line, specialTokens: .asText).count <= 5 {
            let found = try await engine.surprises([line])[0].tokens.map(\.bits)
            let expected = try await engine.score(line, listsTokens: true).tokenScores!.map {
                -$0.logProbability! / log(2)
            }
            #expect(found.count == expected.count)
            #expect(zip(found, expected).allSatisfy { abs($0 - $1) < 1e-3 }, "\(line)")
            compared += 1
        }
        #expect(compared >= 3)
        let long = try await engine.surprises(Self.lines)
        for (line, surprise) in zip(Self.lines, long) {
            #expect(surprise.tokens.allSatisfy { $0.bits > 0 })
            #expect(surprise.tokens.count == engine.tokenizer.encode(line, specialTokens: .asText).count)
        }
    }

    @Test func filteredLinesAreMarked() async throws {
        let copy = try Fixture.Copy(of: "clm")
        try copy.addTrainingArguments(longestPosition: 20, filters: [.lowercase])
        let engine = try InferenceEngine(directory: copy.directory)
        let found = try await engine.surprises(["REASON", "reason"])
        #expect(found.map(\.isFiltered) == [true, false])
        #expect(found[0].tokens == found[1].tokens)
    }

    @Test func cancellationEndsIt() async throws {
        let task = Task {
            withUnsafeCurrentTask { $0?.cancel() }
            return try await Fixture.clm.surprises(Self.lines)
        }
        await #expect(throws: CancellationError.self) { try await task.value }
    }
}
