import Foundation
import Inference
import Jobs
import TextFilters
import Tokenizers
import Testing

@Suite struct ScoringTests {
    @Test(arguments: ["mlm", "clm"])
    func logLikelihoodsMatchTransformers(objective: String) async throws {
        let engine = objective == "mlm" ? Fixture.mlm : Fixture.clm
        let texts = try Fixture.request.score[objective]!
        for (text, expected) in zip(texts, try Fixture.reference.score[objective]!) {
            let found = try await engine.score(text)
            #expect(found.tokens == expected.tokens)
            #expect(abs(found.logLikelihood - expected.logLikelihood) < 1e-3, "\(text)")
            let bytes = Double(text.utf8.count)
            let bits = text.isEmpty ? 0 : -expected.logLikelihood / log(2) / bytes
            #expect(abs(found.bitsPerByte - bits) < 1e-3, "\(text)")
        }
    }

    @Test func scoresLongTextInPieces() async throws {
        let copy = try Fixture.Copy(of: "clm")
        try copy.addTrainingArguments(longestPosition: 5)
        let engine = try InferenceEngine(directory: copy.directory)
        // Four tokens per piece: ids are split between pieces, and only the last piece ends with </s>.
        let ids = engine.tokenizer.encode("7777777", specialTokens: .asText)
        #expect(ids.count == 7)
        let whole = try await engine.score("7777777")
        #expect(whole.tokens == 8)
        let end = try await engine.score("777")
        let six = try await engine.score("7777" + "777")
        #expect(whole == six)
        // The pieces are 7777 and 777</s>. Scored as separate texts, they are 7777, </s> and 777</s>.
        let four = try await engine.score("7777")
        let empty = try await engine.score("")
        #expect(abs(whole.logLikelihood - (four.logLikelihood - empty.logLikelihood + end.logLikelihood)) < 1e-4)
    }

    @Test(arguments: ["</s>", "a<mask>", "<s>"])
    func specialTokensAreScoredAsText(text: String) async throws {
        for (engine, end) in [(Fixture.mlm, 0), (Fixture.clm, 1)] {
            let ids = engine.tokenizer.encode(text, specialTokens: .asText)
            #expect(try await engine.score(text).tokens == ids.count + end)
        }
        // The filters of training apply to all characters.
        let copy = try Fixture.Copy(of: "mlm")
        try copy.addTrainingArguments(longestPosition: 20, filters: [.keep(try KeptCharacters("a-z"))])
        let engine = try InferenceEngine(directory: copy.directory)
        #expect(try await engine.score("a<mask>") == engine.score("amask"))
    }

    @Test func appliesTrainingFilters() async throws {
        let copy = try Fixture.Copy(of: "mlm")
        try copy.addTrainingArguments(longestPosition: 20, filters: [.lowercase])
        let engine = try InferenceEngine(directory: copy.directory)
        #expect(try await engine.score("REASON") == engine.score("reason"))
        #expect(try await Fixture.mlm.score("REASON") != Fixture.mlm.score("reason"))
        let filling = try await engine.fillMask("PURE<mask>", topK: 1).masks[0][0]
        #expect(filling.sequence.hasPrefix("pure"))
    }

    /// The batches must not depend on the parts in which the ids arrive.
    @Test(arguments: [Objective.clm, .mlm], [2, 3, 5, 40, 130, 512])
    func incrementalSequencesMatchWholeText(objective: Objective, trainedLength: Int) {
        for count in [0, 1, 2, 37, 128, 700] {
            let ids = (0..<count).map { Int32($0 % 300) }
            let expected = Self.batches(ids, objective, trainedLength)
            for part in [1, 7, 256, 1000] {
                var sequences = ScoredSequences(objective, trainedLength: trainedLength)
                var found: [[[Int32]]] = []
                var rest = ids[...]
                var hasEnded = false
                while true {
                    if let batch = sequences.next() {
                        found.append(batch.map { $0.piece + [Int32($0.masked ?? -1)] })
                    } else if hasEnded {
                        break
                    } else if rest.isEmpty {
                        sequences.end()
                        hasEnded = true
                    } else {
                        sequences.append(Array(rest.prefix(part)))
                        rest = rest.dropFirst(part)
                    }
                    #expect(sequences.held <= part + 2 * trainedLength + 257)
                }
                #expect(found == expected, "\(objective) \(trainedLength) \(count) \(part)")
            }
        }
    }

    /// Reference implementation: all sequences, then batches of up to 256 tokens.
    private static func batches(_ ids: [Int32], _ objective: Objective, _ trainedLength: Int) -> [[[Int32]]] {
        let ids = objective == .clm ? ids + [2] : ids
        let length = max(1, trainedLength - (objective == .clm ? 1 : 2))
        let pieces = stride(from: 0, to: ids.count, by: length).map { Array(ids[$0..<min($0 + length, ids.count)]) }
        var sequences: [[Int32]] = []
        for piece in pieces {
            sequences += objective == .clm ? [piece + [-1]] : piece.indices.map { piece + [Int32($0)] }
        }
        var batches: [[[Int32]]] = []
        var tokens = 0
        for sequence in sequences {
            if batches.isEmpty || tokens + sequence.count - 1 > 256 {
                batches.append([])
                tokens = 0
            }
            batches[batches.count - 1].append(sequence)
            tokens += sequence.count - 1
        }
        return batches
    }

    /// A text of four megabytes is scored piece by piece; others are served meanwhile; cancellation ends it.
    @Test func cancelsScoringOfLargeText() async throws {
        let text = String(repeating: "Reason is 7. ", count: (4 << 20) / 13)
        let engine = Fixture.mlm
        let task = Task { try await engine.score(text) }
        for _ in 0..<20 { _ = try await engine.score("7") }
        task.cancel()
        await #expect(throws: CancellationError.self) { try await task.value }
    }
}
