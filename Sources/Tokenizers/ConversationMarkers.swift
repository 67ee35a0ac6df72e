import Conversations

/// The special tokens that begin and end the messages of a conversation: a message is the marker of its role, its text, and
/// `<|end|>`.
///
/// A tokenizer has them if it was trained on conversations, with the ids after those of the vocabulary. They are special
/// tokens, which no text of a corpus or a prompt is encoded as, so that a message cannot contain another one.
public struct ConversationMarkers: Sendable, Equatable, Codable {
    public let system: Int32
    public let user: Int32
    public let assistant: Int32
    public let end: Int32

    /// The contents, in the order of their ids.
    static let contents = Conversation.Role.allCases.map(content) + [endContent]
    /// The number of markers of a tokenizer.
    public static let count = contents.count

    static let endContent = "<|end|>"

    static func content(_ role: Conversation.Role) -> String { "<|\(role.rawValue)|>" }

    public subscript(role: Conversation.Role) -> Int32 {
        switch role {
        case .system: system
        case .user: user
        case .assistant: assistant
        }
    }

    public var ids: ClosedRange<Int32> { system...end }

    /// The template of `tokenizer_config.json`, from which transformers' `apply_chat_template` makes the same ids.
    static let template =
        "{{ bos_token }}{% for message in messages %}{{ '<|' + message['role'] + '|>' + message['content'] + '<|end|>' }}"
        + "{% endfor %}{% if add_generation_prompt %}{{ '<|assistant|>' }}{% endif %}"
}

extension ByteLevelBPETokenizer {
    /// The markers, if the tokenizer has all of them as special tokens with consecutive ids.
    public var conversationMarkers: ConversationMarkers? {
        let ids = ConversationMarkers.contents.compactMap { content in
            components.addedTokens.first { $0.content == content && $0.special }?.id
        }
        guard ids.count == ConversationMarkers.contents.count, zip(ids, ids.dropFirst()).allSatisfy({ $0 + 1 == $1 })
        else { return nil }
        return ConversationMarkers(system: ids[0], user: ids[1], assistant: ids[2], end: ids[3])
    }

    /// Returns the same tokenizer with markers for conversations, whose ids follow those of its tokens.
    public func withConversationMarkers() -> ByteLevelBPETokenizer {
        guard conversationMarkers == nil else { return self }
        var components = components
        for (index, content) in ConversationMarkers.contents.enumerated() {
            components.addedTokens.append(AddedToken(id: Int32(vocabularySize + index), content: content))
        }
        return ByteLevelBPETokenizer(model: model, components: components)
    }

    /// Encodes messages as a model is trained on them, without `<s>`.
    /// - Parameter markers: those of this tokenizer
    public func encode(_ turns: [Conversation.Turn], _ markers: ConversationMarkers) -> [Int32] {
        turns.flatMap { [markers[$0.role]] + encode($0.content, specialTokens: .asText) + [markers.end] }
    }
}
