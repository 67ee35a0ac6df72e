import Conversations
import Foundation
import Inference
import TestSupport
import Testing
import Tokenizers

/// The causal fixture with markers for conversations, whose ids are those of rows without a token.
private struct Talker {
    let copy: Fixture.Copy
    let engine: InferenceEngine
    let markers: ConversationMarkers

    init() throws {
        copy = try Fixture.Copy(of: "clm")
        let tokenizer = try ByteLevelBPETokenizer.load(directory: copy.directory).withConversationMarkers()
        try tokenizer.save(directory: copy.directory, modelMaxLength: 64)
        markers = try #require(tokenizer.conversationMarkers)
        engine = try InferenceEngine(directory: copy.directory)
    }

    /// The tokens of messages as in training, and the marker of the reply.
    func prompt(_ turns: [Conversation.Turn]) -> GenerationPrompt {
        .ids([0] + engine.tokenizer.encode(turns, markers) + [markers.assistant])
    }
}

private let greedy = {
    var options = SamplingOptions()
    options.temperature = 0
    options.maxNewTokens = 8
    options.seed = 1
    return options
}()

@Suite struct ConversationPromptTests {
    @Test func messagesAreReadAsInTraining() async throws {
        let talker = try Talker()
        let turns: [Conversation.Turn] = [
            .init(.system, "Be kind."), .init(.user, "Where?"), .init(.assistant, "Here."), .init(.user, "Why?"),
        ]
        let reply = try await talker.engine.generate(.conversation(turns), sampling: greedy)
        let same = try await talker.engine.generate(talker.prompt(turns), sampling: greedy)
        #expect(reply.text == same.text && reply.promptTokens == same.promptTokens && reply.omittedMessages == 0)
        // White space around messages is not read, nor are messages without text.
        let untidy = turns.flatMap { turn -> [Conversation.Turn] in
            [.init(turn.role, " \(turn.content)\n"), .init(turn.role, " ")]
        }
        #expect(try await talker.engine.generate(.conversation(untidy), sampling: greedy).text == reply.text)
    }

    @Test func oldestMessagesAreLeftOut() async throws {
        let talker = try Talker()
        let system = Conversation.Turn(.system, "Be kind.")
        let turns = (0..<6).flatMap { number -> [Conversation.Turn] in
            [.init(.user, "question \(number)"), .init(.assistant, "answer \(number)")]
        }
        let last = [Conversation.Turn(.user, "Why?")]
        let reply = try await talker.engine.generate(.conversation([system] + turns + last), sampling: greedy)
        #expect(reply.omittedMessages > 0 && reply.omittedMessages < 12 && reply.omittedMessages % 2 == 0)
        let seen = [system] + turns.dropFirst(reply.omittedMessages) + last
        #expect(try await talker.engine.generate(talker.prompt(seen), sampling: greedy).text == reply.text)
        #expect(reply.promptTokens + 8 <= talker.engine.longestSequence)
    }

    @Test func aMessageThatDoesNotFitIsAnError() async throws {
        let talker = try Talker()
        await #expect(throws: InferenceError.self) {
            try await talker.engine.generate(
                .conversation([.init(.user, String(repeating: "too long ", count: 100))]), sampling: greedy)
        }
    }

    @Test(
        arguments: [[], [.init(.assistant, "a")], [.init(.user, " ")], [.init(.user, "a"), .init(.assistant, "b")]]
            as [[Conversation.Turn]])
    func theLastMessageMustBeOfTheUser(turns: [Conversation.Turn]) async throws {
        let talker = try Talker()
        await #expect {
            try await talker.engine.generate(.conversation(turns), sampling: greedy)
        } throws: { error in
            if case .invalidParameter("messages", _) = error as? InferenceError { true } else { false }
        }
    }

    @Test func modelsOfLooseTextDoNotReply() async throws {
        #expect(!Fixture.clm.hasConversations && !Fixture.mlm.hasConversations)
        await #expect(throws: InferenceError.noConversations) {
            try await Fixture.clm.generate(.conversation([.init(.user, "Where?")]), sampling: greedy)
        }
    }

    /// With random weights, some replies end by chance.
    @Test func markersEndAReplyAndAreNotPartOfIt() async throws {
        let talker = try Talker()
        var ended = 0
        for seed in 0..<200 {
            var options = greedy
            options.temperature = 2
            options.maxNewTokens = 40
            options.seed = seed
            let reply = try await talker.engine.generate(.conversation([.init(.user, "Where?")]), sampling: options)
            #expect(!reply.text.contains("<|"), "\(reply.text)")
            if reply.finishReason == .end { ended += 1 }
        }
        #expect(ended > 10, "\(ended)")
    }

    @Test func logProbabilitiesIncludeTheEndMarker() async throws {
        let talker = try Talker()
        for seed in 0..<200 {
            var options = greedy
            options.temperature = 2
            options.maxNewTokens = 40
            options.seed = seed
            let reply = try await talker.engine.generate(
                .conversation([.init(.user, "Where?")]), sampling: options, output: GenerationOutput(logprobs: 1))
            guard reply.finishReason == .end else { continue }
            let scores = try #require(reply.tokenScores)
            #expect(scores.count == reply.generatedTokens + 1)
            let last = try #require(scores.last)
            #expect(last.id == 2 || talker.markers.ids.contains(last.id))
            return
        }
        Issue.record("no reply ended")
    }
}
