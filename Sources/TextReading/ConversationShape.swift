import Conversations

/// The forms in which conversations are exchanged, as one JSON object each:
///
/// | fields | used by |
/// |---|---|
/// | `messages`: `role`, `content` | OpenAI's fine-tuning, TRL |
/// | `conversations`: `from`, `value` | ShareGPT |
/// | `Exchange.knownNames`: texts, or lists of messages | TRL, Alpaca, Dolly, OpenOrca |
///
/// A field of `Exchange.systemNames` is the first message.
struct ConversationShape {
    /// The messages in order; those without text are left out.
    let conversation: Conversation
    /// Messages that are left out: results of tools, or of unknown roles, or without text.
    let omittedMessages: Int
    /// Messages of which parts other than text, such as pictures, are left out.
    let messagesWithOtherParts: Int
    /// Whether a message of the user has no text, so that the reply to it would be learned without it.
    let lacksQuestion: Bool
    /// Number of lone surrogates and NUL characters that were replaced.
    let replacements: Int

    /// - Parameter object: accepted by `JSONScanner`, or the beginning of such an object
    /// - Returns: nil if the object is no conversation
    init?(object: [UInt8]) {
        var cursor = JSONCursor(object)
        var lists: [String: MessageList] = [:]
        let isObject = cursor.members { cursor, name in
            if name == "messages" || name == "conversations" {
                lists[name] = MessageList(&cursor, textRole: nil)
            } else if let role = Exchange.roles[name] {
                lists[name] = MessageList(&cursor, textRole: role)
            } else {
                cursor.skip()
            }
        }
        guard isObject else { return nil }
        let optional = { (names: [String]) in names.compactMap { lists[$0] }.filter(\.isValid) }
        var parts: [MessageList] = []
        if let messages = lists["messages"] ?? lists["conversations"] {
            parts = [messages]
        } else if let names = Exchange.knownNames.first(where: {
            lists[$0.prompt] != nil && lists[$0.completion] != nil
        }) {
            parts = [lists[names.prompt]!] + optional([names.input].compactMap(\.self)) + [lists[names.completion]!]
        }
        guard !parts.isEmpty, parts.allSatisfy(\.isValid) else { return nil }
        parts = optional(Exchange.systemNames).prefix(1) + parts
        conversation = Conversation(normalizing: parts.flatMap(\.turns))
        omittedMessages = parts.reduce(0) { $0 + $1.omitted }
        messagesWithOtherParts = parts.reduce(0) { $0 + $1.withOtherParts }
        lacksQuestion = parts.contains { $0.lacksQuestion }
        replacements = cursor.replaced
    }
}

/// Messages as other programs write them. Those without text are only counted, so that they take no memory.
private struct MessageList {
    private(set) var turns: [Conversation.Turn] = []
    private(set) var omitted = 0
    private(set) var withOtherParts = 0
    private(set) var lacksQuestion = false
    /// Whether every element is an object with a role.
    private(set) var isValid = true

    /// - Parameter textRole: the role of a text in place of a list; nil allows none
    init(_ cursor: inout JSONCursor, textRole: Conversation.Role?) {
        var list = self
        if let textRole, cursor.isAtString {
            turns = [.init(textRole, cursor.string() ?? "")]
            return
        }
        let isList = cursor.elements { list.add(&$0) }
        self = list
        if !isList { isValid = false }
    }

    private init() {}

    private mutating func add(_ cursor: inout JSONCursor) {
        var role: String?
        var content = Content()
        let isObject = cursor.members { cursor, name in
            switch name {
            case "role", "from": role = cursor.string()
            case "content", "value": content = Content(&cursor)
            default: cursor.skip()
            }
        }
        guard isObject, let role else {
            isValid = false
            return
        }
        let known = Self.roles[role.lowercased()]
        if content.hasOtherParts, known != nil, !content.text.isEmpty { withOtherParts += 1 }
        guard let known, !content.text.isEmpty else {
            omitted += 1
            if known == .user, content.hasOtherParts || content.isMissing { lacksQuestion = true }
            return
        }
        turns.append(.init(known, content.text))
    }

    /// The content of a message: a text, or parts of which those of the type `text` are joined.
    private struct Content {
        var text = ""
        var hasOtherParts = false
        /// Whether it is neither a text nor a list.
        var isMissing = true

        init() {}

        init(_ cursor: inout JSONCursor) {
            if cursor.isAtString {
                text = cursor.string() ?? ""
                isMissing = false
                return
            }
            var texts: [String] = []
            var hasOther = false
            let isList = cursor.elements { cursor in
                if cursor.isAtString {
                    texts.append(cursor.string() ?? "")
                    return
                }
                var (type, text): (String?, String?)
                let isObject = cursor.members { cursor, name in
                    switch name {
                    case "type": type = cursor.string()
                    case "text": text = cursor.string()
                    default: cursor.skip()
                    }
                }
                if isObject, type ?? "text" == "text", let text { texts.append(text) } else { hasOther = true }
            }
            text = texts.joined(separator: "\n")
            hasOtherParts = hasOther
            isMissing = !isList
        }
    }

    private static let roles: [String: Conversation.Role] = [
        "system": .system, "developer": .system, "user": .user, "human": .user, "customer": .user, "prompter": .user,
        "assistant": .assistant, "gpt": .assistant, "chatgpt": .assistant, "bot": .assistant, "model": .assistant,
        "agent": .assistant,
    ]
}
