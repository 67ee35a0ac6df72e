import Foundation
import Inference
import Jobs
import TextFilters
import Tokenizers
import Testing

@Suite struct ScoringTests {
    @Test(arguments: ["mlm", "clm"])
    func likelihoodsAreThoseOfTransformers(objective: String) async throws {
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

    @Test func aLongTextIsScoredInPieces() async throws {
        let copy = try Fixture.Copy(of: "clm")
        try copy.addTrainingArguments(longestPosition: 5)
        let engine = try InferenceEngine(directory: copy.directory)
        // Four tokens a piece: ids are split between pieces, and only the last piece ends in </s>.
        let ids = engine.tokenizer.encode("7777777")
        #expect(ids.count == 7)
        let whole = try await engine.score("7777777")
        #expect(whole.tokens == 8)
        let end = try await engine.score("777")
        let six = try await engine.score("7777" + "777")
        #expect(whole == six)
        // The pieces are 7777 and 777</s>; the same two as texts of their own are 7777, </s> and 777</s>.
        let four = try await engine.score("7777")
        let empty = try await engine.score("")
        #expect(abs(whole.logLikelihood - (four.logLikelihood - empty.logLikelihood + end.logLikelihood)) < 1e-4)
    }

    @Test func theFiltersOfTrainingApply() async throws {
        let copy = try Fixture.Copy(of: "mlm")
        try copy.addTrainingArguments(longestPosition: 20, filters: [.lowercase])
        let engine = try InferenceEngine(directory: copy.directory)
        #expect(try await engine.score("REASON") == engine.score("reason"))
        #expect(try await Fixture.mlm.score("REASON") != Fixture.mlm.score("reason"))
        let filling = try await engine.fillMask("PURE<mask>", topK: 1)[0][0]
        #expect(filling.sequence.hasPrefix("pure"))
    }
}
