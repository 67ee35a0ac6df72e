import Foundation
import Interface
import Testing
import Varlink

/// Drops conversations and talks to the model that learned their replies.
@Suite("Conversations", .serialized, .timeLimit(.minutes(30)), .enabled(if: Programs.areBuilt, "\(Programs.missing)"))
struct ConversationTests {
    private static let settings = """
        models: [support]
        support:
          objective: clm
          preset: tiny
          num_train_epochs: 12
        serving:
          temperature: 0
        inbox:
          stable: 200ms
        schedule:
          settle: 100ms
        """

    /// 600 conversations in which the reply repeats the color in the question.
    private static let file: String = {
        let colors = ["red", "green", "blue", "white", "black"]
        return (0..<600).map { number in
            let color = colors[number % 5]
            return """
                {"messages":[{"role":"user","content":"Number \(number): is the wall \(color)?"},\
                {"role":"assistant","content":"Yes, it is \(color)."}]}
                """
        }.joined(separator: "\n")
    }()

    @Test func repliesAreLearnedAndGiven() throws {
        let service = try RunningService(settings: Self.settings)
        try service.start()
        try service.drop("chat.jsonl", Self.file.utf8)
        let watching = try service.kbctl("watch", "--exit-when-served")
        #expect(watching.status == 0, "\(watching.output)\(watching.error)\n\(service.logText)")
        let corpora = try service.kbctl("corpora", "--json").json(ManagerInterface.ListCorpora.Reply.self).corpora
        #expect(corpora.map(\.format) == ["JSON lines, 600 conversations with 600 replies"])
        #expect(service.logText.contains("conversations, of which the replies are learned"), "\(service.logText)")
        let models = try service.kbctl("models", "--json").json(ManagerInterface.ListModels.Reply.self).models
        #expect(models.first?.conversations == true)

        let reply = try service.client().call(
            InferenceInterface.Chat.self,
            .init(messages: [.init(role: .user, content: "Number 7: is the wall green?")]))
        #expect(reply.text.hasPrefix("Yes, it is ") && reply.finishReason == .end, "\(reply)")
        #expect(reply.receipt?.model == "support" && reply.omittedMessages == 0)
        #expect(throws: (any Error).self) {
            try service.client().call(InferenceInterface.Chat.self, .init(messages: []))
        }
    }
}
