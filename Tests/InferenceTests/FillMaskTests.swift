import Inference
import Models
import Tokenizers
import Jobs
import Testing
import TextFilters

@Suite struct FillMaskTests {
    @Test func matchesTransformersPipeline() async throws {
        for (request, masks) in zip(try Fixture.request.fill, try Fixture.reference.fill) {
            let found = try await Fixture.mlm.fillMask(request.text, topK: request.topK, targets: request.targets).masks
            #expect(found.count == masks.count)
            for (found, expected) in zip(found, masks) {
                #expect(found.map(\.token) == expected.map(\.token), "\(request.text)")
                #expect(found.map(\.tokenString) == expected.map(\.tokenStr))
                #expect(found.map(\.sequence) == expected.map(\.sequence))
                for (found, expected) in zip(found, expected) { #expect(abs(found.score - expected.score) < 1e-6) }
            }
        }
    }

    @Test(arguments: ["<s>Reason</s>", "Reason</s>", "<pad>Reason<unk>"])
    func specialTokensOtherThanTheMaskAreText(text: String) async throws {
        let (before, after) = (text.prefix { $0 != "n" } + "n", text.drop { $0 != "n" }.dropFirst())
        let filling = try await Fixture.mlm.fillMask("\(before)<mask>\(after)", topK: 1).masks[0][0]
        #expect(filling.sequence == "\(before)\(filling.tokenString)\(after)")
    }

    @Test func specialTokensAreCountedAsText() async throws {
        // `<s>`, 61 digits, the mask and `</s>` fill the positions; the characters of a literal `</s>` do not fit.
        let digits = String(repeating: "7", count: 61)
        #expect(try await Fixture.mlm.fillMask(digits + "<mask>", topK: 1).masks[0].count == 1)
        let tokens = try await Fixture.mlm.tokenize("</s>").ids
        #expect(tokens.count > 1 && !tokens.contains { $0 < 5 })
        await #expect(throws: InferenceError.promptTooLong(tokens: 64 + tokens.count, limit: 64)) {
            try await Fixture.mlm.fillMask(digits + "</s><mask>")
        }
    }

    @Test func filtersKeepOnlyTheMask() async throws {
        let copy = try Fixture.Copy(of: "mlm")
        try copy.addTrainingArguments(longestPosition: 20, filters: [.keep(try KeptCharacters("a-z "))])
        let filling = try await InferenceEngine(directory: copy.directory).fillMask("pure<mask></s>", topK: 1).masks[0][
            0]
        #expect(filling.sequence == "pure\(filling.tokenString)s")
    }

    @Test func excludesRowsWithoutTokenButNormalizesOverAll() async throws {
        let predictions = try await Fixture.mlm.fillMask("The<mask>", topK: 10_000).masks[0]
        // Nor the five special tokens.
        #expect(predictions.count == Fixture.mlm.tokenizer.vocabularySize - 5)
        #expect(predictions.count < Fixture.mlm.configuration.vocabSize)
        let sum = predictions.reduce(0) { $0 + $1.score }
        #expect(sum > 0.5 && sum < 1)
    }

    @Test func rejectsTextWithoutMask() async {
        await #expect(throws: InferenceError.noMask(text: "The faculty")) {
            try await Fixture.mlm.fillMask("The faculty")
        }
    }

    @Test func rejectsTooLongText() async {
        let text = String(repeating: "7", count: 62) + "<mask>"
        await #expect(throws: InferenceError.promptTooLong(tokens: 65, limit: 64)) {
            try await Fixture.mlm.fillMask(text)
        }
    }

    @Test func acceptsLongestText() async throws {
        let text = String(repeating: "7", count: 61) + "<mask>"
        #expect(try await Fixture.mlm.fillMask(text, topK: 3).masks[0].count == 3)
    }

    /// Positions that were never trained say nothing, so a mask is predicted from the tokens around it.
    @Test func longerTextsThanInTrainingAreReadThroughAWindow() async throws {
        let copy = try Fixture.Copy(of: "mlm")
        try copy.addTrainingArguments(longestPosition: 12)
        let engine = try InferenceEngine(directory: copy.directory)
        let fitting = try await engine.fillMask("234567890<mask>", topK: 3)
        #expect(fitting.windowTokens == nil)
        // 10 tokens fit between <s> and </s>: five before the mask and four behind it.
        let digits = "1111111111"
        let long = try await engine.fillMask("\(digits)23456<mask>7890\(digits)<mask>", topK: 3)
        #expect(long.windowTokens == 12 && long.masks.count == 2)
        let middle = try await engine.fillMask("23456<mask>7890", topK: 3).masks[0]
        let end = try await engine.fillMask("111111111<mask>", topK: 3).masks[0]
        for (found, alone) in zip(long.masks, [middle, end]) {
            #expect(found.map(\.token) == alone.map(\.token) && found.map(\.score) == alone.map(\.score))
        }
        #expect(long.masks[0][0].sequence.contains("23456\(middle[0].tokenString)7890\(digits)"))
    }

    @Test func windowsStayInTheText() {
        let ids: [Int32] = [0, 10, 11, 12, 13, 14, 2]
        for mask in 1...5 {
            for count in 3...ids.count {
                let (window, place) = InferenceEngine.window(of: ids, around: mask, tokens: count)
                #expect(window.count == count && window[0] == 0 && window[count - 1] == 2)
                #expect(window[place] == ids[mask])
                let begin = Int(window[1]) - 9
                #expect(Array(window[1..<count - 1]) == Array(ids[begin..<begin + count - 2]))
            }
        }
    }

    @Test func rejectsOutOfRangeParameters() async {
        await #expect(throws: InferenceError.invalidParameter("top_k", reason: "must be at least 1, but is 0")) {
            try await Fixture.mlm.fillMask("<mask>", topK: 0)
        }
        await #expect(throws: InferenceError.invalidParameter("targets", reason: "must contain at least one word")) {
            try await Fixture.mlm.fillMask("<mask>", targets: [""])
        }
    }

    @Test func causalModelRejectsFillMask() async {
        await #expect(throws: InferenceError.wrongObjective(expected: .mlm, found: .clm)) {
            try await Fixture.clm.fillMask("<mask>")
        }
    }
}
