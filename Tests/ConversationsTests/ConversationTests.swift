import Conversations
import FoundationEssentials
import Testing

struct ConversationTests {
    @Test(
        arguments: [
            [.init(.user, "Where is it?"), .init(.assistant, "Here.")],
            [
                .init(.system, "Be \"brief\" \\ polite\n"), .init(.user, "a\tb\u{1}\u{1F}"),
                .init(.assistant, "理性 😀\u{2028}"),
            ],
            [.init(.user, "Where?", isRepeated: true), .init(.assistant, "There.")],
            [.init(.assistant, "{\"messages\":[{\"role\":\"user\"")],
        ] as [[Conversation.Turn]])
    func storedFormIsReadBack(turns: [Conversation.Turn]) throws {
        let line = Conversation(turns).line
        #expect(Conversation(line: line)?.turns == turns)
        #expect(Conversation.isLikely(line) && !line.contains(UInt8(ascii: "\n")))
        #expect((try? JSONDecoder().decode([String: [Conversation.Turn]].self, from: Data(line)))?["messages"] == turns)
    }

    @Test func repeatedMessagesAreNoLooseText() {
        let turns = [Conversation.Turn(.user, "a", isRepeated: true), .init(.assistant, "b"), .init(.user, "c")]
        #expect(Conversation(turns).text == "b\nc")
    }

    @Test(
        arguments: [
            "", "a line", #"{"messages":[]}"#, #"{"messages":[{"role":"tool","content":"a"}]}"#,
            #"{"messages":[{"role":"user","content":"a"}"#, #"{"text":"a","messages":[{"role":"user","content":"a"}]}"#,
        ])
    func otherLinesAreNoConversations(line: String) {
        #expect(Conversation(line: Array(line.utf8)) == nil)
    }
}
