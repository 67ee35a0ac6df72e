import Conversations
import FoundationEssentials

/// The forms in which conversations are exchanged, as one JSON object each:
///
/// | fields | used by |
/// |---|---|
/// | `messages`: `role`, `content` | OpenAI's fine-tuning, TRL |
/// | `conversations`: `from`, `value` | ShareGPT |
/// | `prompt`, `completion`: texts, or lists of messages | TRL |
/// | `instruction`, optionally `input`; `output` | Alpaca |
///
/// A field `system` is the first message.
struct ConversationShape: Decodable {
    /// The messages in order; those without text are left out.
    let conversation: Conversation
    /// Messages that are left out: results of tools, pictures, or of unknown roles.
    let omittedMessages: Int

    private enum Key: String, CodingKey {
        case messages, conversations, prompt, completion, instruction, input, output, system
    }

    private struct NoConversation: Error {}

    /// Returns nil if the object is no conversation.
    init?(object: [UInt8]) {
        guard let shape = try? JSONDecoder().decode(ConversationShape.self, from: Data(object)) else { return nil }
        self = shape
    }

    init(from decoder: any Decoder) throws {
        let object = try decoder.container(keyedBy: Key.self)
        var messages: [Message] = []
        if let system = try? object.decode(String.self, forKey: .system) { messages.append(Message(.system, system)) }
        if object.contains(.messages) {
            messages += try object.decode([Message].self, forKey: .messages)
        } else if object.contains(.conversations) {
            messages += try object.decode([Message].self, forKey: .conversations)
        } else if object.contains(.completion) {
            messages += try ConversationShape.messages(object, .prompt, .user)
            messages += try ConversationShape.messages(object, .completion, .assistant)
        } else if object.contains(.instruction) {
            let input = (try? object.decode(String.self, forKey: .input)) ?? ""
            let instruction = try object.decode(String.self, forKey: .instruction)
            messages.append(Message(.user, input.isEmpty ? instruction : "\(instruction)\n\(input)"))
            messages.append(Message(.assistant, try object.decode(String.self, forKey: .output)))
        } else {
            throw NoConversation()
        }
        (conversation, omittedMessages) = ConversationShape.joined(messages)
    }

    /// Reads a text, or a list of messages.
    private static func messages(
        _ object: KeyedDecodingContainer<Key>, _ key: Key, _ role: Conversation.Role
    ) throws -> [Message] {
        if let text = try? object.decode(String.self, forKey: key) { return [Message(role, text)] }
        return try object.decode([Message].self, forKey: key)
    }

    /// - Returns: the messages that a model learns from, and the number of the others
    private static func joined(_ messages: [Message]) -> (Conversation, omitted: Int) {
        let turns = messages.compactMap { message in
            message.role.flatMap { role in message.content.map { Conversation.Turn(role, $0) } }
        }
        return (Conversation(normalizing: turns), messages.count - turns.count)
    }
}

/// A message as other programs write it.
private struct Message: Decodable {
    /// Nil if it is none that a model learns from.
    let role: Conversation.Role?
    /// Nil if it has no text.
    let content: String?

    private enum Key: String, CodingKey { case role, content, from, value }
    private struct Part: Decodable {
        let type: String
        let text: String?
    }

    init(_ role: Conversation.Role, _ content: String) {
        self.role = role
        self.content = content
    }

    init(from decoder: any Decoder) throws {
        let object = try decoder.container(keyedBy: Key.self)
        let role = try object.decode(String.self, forKey: object.contains(.role) ? .role : .from)
        self.role = Message.roles[role.lowercased()]
        let key = object.contains(.content) ? Key.content : .value
        if let text = try? object.decode(String.self, forKey: key) {
            content = text
        } else if let parts = try? object.decode([Part].self, forKey: key), parts.allSatisfy({ $0.type == "text" }) {
            content = parts.compactMap(\.text).joined(separator: "\n")
        } else {
            content = nil
        }
    }

    private static let roles: [String: Conversation.Role] = [
        "system": .system, "developer": .system, "user": .user, "human": .user, "customer": .user, "prompter": .user,
        "assistant": .assistant, "gpt": .assistant, "chatgpt": .assistant, "bot": .assistant, "model": .assistant,
        "agent": .assistant,
    ]
}
