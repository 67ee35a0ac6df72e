import Inference
import Synchronization
import Testing

/// Probabilities of single tokens, and prompts that are scored, echoed or continued.
@Suite struct TokenScoresTests {
    private static let engine = Fixture.clm

    private func sampling(_ count: Int, stop: [String] = []) -> SamplingOptions {
        SamplingOptions(maxNewTokens: count, temperature: 0, stop: stop)
    }

    /// Without `<s>`: exactly the ids of the request.
    @Test func probabilitiesMatchTransformers() async throws {
        for (request, expected) in zip(try Fixture.request.tokens, try Fixture.reference.tokens) {
            let found = try await Self.engine.generate(
                .ids(request.ids), sampling: sampling(0), output: .init(echoesPrompt: true, logprobs: request.top))
            let scores = try #require(found.tokenScores)
            #expect(scores.map(\.id) == request.ids)
            #expect(scores[0].logProbability == nil && scores[0].top == nil)
            for (score, (probability, top)) in zip(scores.dropFirst(), zip(expected.logProbabilities, expected.top)) {
                #expect(abs(try #require(score.logProbability) - probability) < 1e-3)
                let likely = try #require(score.top)
                #expect(likely.map(\.id) == top.map(\.id))
                for (a, b) in zip(likely, top) { #expect(abs(a.logProbability - b.logProbability) < 1e-3) }
            }
            #expect(found.text == (try await Self.engine.detokenize(request.ids)))
            #expect(found.promptTokens == request.ids.count && found.generatedTokens == 0)
            #expect(found.finishReason == .length)
        }
    }

    /// The scores of a text and of `Score` are the same, but for the final `</s>`.
    @Test func textsAreScoredAfterTheBeginning() async throws {
        let text = "Pure reason."
        let found = try await Self.engine.generate(
            .text(text), sampling: sampling(0), output: .init(echoesPrompt: true, logprobs: 0))
        let scores = try #require(found.tokenScores)
        #expect(scores.map(\.text).joined() == text && found.text == text)
        let whole = try await Self.engine.score(text, listsTokens: true)
        let listed = try #require(whole.tokenScores)
        #expect(listed.count == whole.tokens && listed.last?.text == "</s>")
        #expect(scores.map(\.id) == listed.dropLast().map(\.id))
        #expect(scores.map(\.offset) == listed.dropLast().map(\.offset))
        for (a, b) in zip(scores, listed) {
            #expect(abs(try #require(a.logProbability) - #require(b.logProbability)) < 1e-4)
        }
        let sum = listed.reduce(0) { $0 + ($1.logProbability ?? 0) }
        #expect(abs(sum - whole.logLikelihood) < 1e-9)
        #expect(try await Self.engine.score(text).tokenScores == nil)
    }

    @Test func maskedTokensAreListedInOrder() async throws {
        let whole = try await Fixture.mlm.score("naïve café", listsTokens: true)
        let listed = try #require(whole.tokenScores)
        #expect(listed.map(\.id) == (try await Fixture.mlm.tokenize("naïve café").ids))
        #expect(abs(listed.reduce(0) { $0 + ($1.logProbability ?? 0) } - whole.logLikelihood) < 1e-9)
    }

    /// A character of several tokens has one offset. Offsets count characters, not bytes.
    @Test func offsetsCountCharacters() async throws {
        let found = try await Self.engine.generate(
            .text("é🙂7"), sampling: sampling(0), output: .init(echoesPrompt: true, logprobs: 1))
        let scores = try #require(found.tokenScores)
        #expect(scores.map(\.offset) == [0, 0, 1, 1, 1, 1, 2])
        #expect(scores[0].text == #"bytes:\xc3"# && scores[6].text == "7")
    }

    @Test func generatedTokensAreScoredGreedily() async throws {
        let plain = try await Self.engine.generate(.text("The"), sampling: sampling(6))
        let found = try await Self.engine.generate(
            .text("The"), sampling: sampling(6), output: .init(logprobs: 1))
        #expect(found.text == plain.text && plain.tokenScores == nil)
        let scores = try #require(found.tokenScores)
        #expect(scores.count == found.generatedTokens + (found.finishReason == .end ? 1 : 0))
        #expect(scores.first?.offset == 3)
        let echoed = Mutex("")
        let whole = try await Self.engine.generate(
            .text("The"), sampling: sampling(6), output: .init(echoesPrompt: true, logprobs: 1)
        ) { piece in echoed.withLock { $0 += piece } }
        #expect(whole.text == "The" + plain.text && echoed.withLock { $0 } == whole.text)
        #expect(try #require(whole.tokenScores).suffix(scores.count) == scores[...])
    }

    /// A text may end anywhere; the end is listed, so that the number of tokens after a prompt is never zero.
    @Test func listedTokensEndWithTheText() async throws {
        for seed in 0..<40 {
            var sampling = SamplingOptions(maxNewTokens: 30, temperature: 3, seed: seed)
            let plain = try await Self.engine.generate(.text("The"), sampling: sampling, output: .init(logprobs: 0))
            let scores = try #require(plain.tokenScores)
            #expect(scores.count == plain.generatedTokens + (plain.finishReason == .end ? 1 : 0))
            if plain.finishReason == .end { #expect(scores.last?.text == "</s>") }
            guard scores.count > 4, let stop = scores.dropFirst(2).first?.text, !stop.hasPrefix("bytes:") else {
                continue
            }
            sampling.stop = [stop]
            let cut = try await Self.engine.generate(.text("The"), sampling: sampling, output: .init(logprobs: 0))
            #expect(cut.finishReason == .stop)
            let listed = try #require(cut.tokenScores)
            #expect(listed.count <= 2, "seed \(seed)")
            #expect(!listed.contains { $0.offset >= 3 + cut.text.unicodeScalars.count }, "seed \(seed)")
        }
    }

    @Test(arguments: [
        ("", 0), ("a", 1), ("ab", 2), ("ab—", 5), ("ab—c", 6), ("ab—c\u{FFFD}", 7), ("ab—c\u{FFFD}d", 8),
    ])
    func partsOfAText(text: String, count: Int) {
        let parts: [[UInt8]] = [[0x61], [0x62], [0xE2], [0x80], [0x94], [0x63], [0xFF], [0x64]]
        #expect(PieceAssembler.countOfParts(parts.map { $0[...] }, in: text) == count)
        // A character that stays incomplete.
        #expect(PieceAssembler.countOfParts([[0xE2], [0x61]], in: "\u{FFFD}") == 1)
    }

    /// The space is the beginning of the next word, as in the text that the model was trained on.
    @Test(arguments: ["The faculty of ", " ", "The  ", "7\n "])
    func aSpaceAtTheEndBeginsTheNextWord(prompt: String) async throws {
        for seed in 0..<8 {
            let sampling = SamplingOptions(maxNewTokens: 3, temperature: 1, seed: seed)
            let found = try await Self.engine.generate(
                .text(prompt), sampling: sampling, output: .init(echoesPrompt: true, logprobs: 0))
            #expect(found.text.hasPrefix(prompt))
            let scores = try #require(found.tokenScores)
            // All tokens together spell the text, the space once; those of the prompt are those of a text that goes on.
            if !scores.contains(where: { $0.text.hasPrefix("bytes:") }) {
                #expect(scores.filter { $0.text != "</s>" }.map(\.text).joined() == found.text)
            }
            let held = String(prompt.unicodeScalars.dropLast())
            let ids = try await Self.engine.tokenize(held).ids
            #expect(found.promptTokens == 1 + ids.count)
            #expect(scores.prefix(ids.count).map(\.id) == ids)
            #expect(scores[ids.count].text.hasPrefix(" "))
        }
        // A text that is only scored keeps its space.
        let scored = try await Self.engine.generate(
            .text(prompt), sampling: sampling(0), output: .init(echoesPrompt: true, logprobs: 0))
        #expect(scored.tokenScores?.map(\.text).joined() == prompt)
    }

    @Test func idsAreChecked() async throws {
        for ids in [[-1], [310], [320], [Int32.max], [5, .min]] as [[Int32]] {
            await #expect {
                try await Self.engine.generate(.ids(ids))
            } throws: { error in
                guard case .invalidParameter("ids", _) = error as? InferenceError else { return false }
                return true
            }
        }
        await #expect(throws: InferenceError.invalidParameter("ids", reason: "must not be empty")) {
            try await Self.engine.generate(.ids([]))
        }
        await #expect(throws: InferenceError.promptTooLong(tokens: 65, limit: Self.engine.longestSequence)) {
            _ = try await Self.engine.generate(.ids(Array(repeating: 7, count: 65)))
        }
        await #expect(throws: InferenceError.invalidParameter("logprobs", reason: "must be from 0 to 20")) {
            try await Self.engine.generate(.ids([7]), output: .init(logprobs: 21))
        }
        // The longest prompt can be scored, with a token after it.
        let longest = try await Self.engine.generate(
            .ids(Array(repeating: 7, count: Self.engine.longestSequence)), sampling: sampling(1),
            output: .init(echoesPrompt: true, logprobs: 1))
        #expect(longest.tokenScores?.count == Self.engine.longestSequence + 1)
    }

    @Test func tooManyTokensAreNotListed() async throws {
        let text = String(repeating: "7", count: RequestLimits.scoredTokens + 1000)
        await #expect {
            _ = try await Self.engine.score(text, listsTokens: true)
        } throws: { error in
            guard case .promptTooLong(_, RequestLimits.scoredTokens) = error as? InferenceError else { return false }
            return true
        }
    }
}

@Suite struct EmbeddingTests {
    @Test(arguments: ["mlm", "clm"]) func embeddingsMatchTransformers(objective: String) async throws {
        let engine = objective == "mlm" ? Fixture.mlm : Fixture.clm
        let texts = try Fixture.request.embed[objective]!
        let expected = try Fixture.reference.embed[objective]!
        let found = try await engine.embed(texts)
        #expect(found.map(\.tokens) == expected.map(\.tokens))
        for (ours, theirs) in zip(found, expected) {
            #expect(ours.vector.count == engine.embeddingSize)
            for (a, b) in zip(ours.vector, theirs.embedding) { #expect(abs(Double(a) - b) < 1e-4) }
        }
    }

    /// Bit for bit, whatever else is in the batch.
    @Test func embeddingsDoNotDependOnOtherTexts() async throws {
        let texts = (0..<40).map { String(repeating: "Reason is 7. ", count: $0 % 4) + "\($0)" }
        let together = try await Fixture.mlm.embed(texts)
        for (text, embedding) in zip(texts, together) {
            #expect(try await Fixture.mlm.embed([text]) == [embedding])
        }
        #expect(try await Fixture.mlm.embed([]) == [])
    }

    @Test func textsThatAreTooLongAreRefused() async throws {
        let longest = Fixture.mlm.longestSequence
        #expect(try await Fixture.mlm.embed([String(repeating: "7", count: longest - 2)])[0].tokens == longest)
        await #expect(throws: InferenceError.promptTooLong(tokens: longest + 1, limit: longest)) {
            try await Fixture.mlm.embed(["a", String(repeating: "7", count: longest - 1)])
        }
        await #expect(throws: InferenceError.self) {
            try await Fixture.mlm.embed(Array(repeating: "", count: RequestLimits.embeddingNumbers / 32 + 1))
        }
    }
}
