import Conversations

/// A user's message and its reply, from two columns of a table or two fields of an object.
enum Exchange {
    /// Names of the columns of a table, or of the fields of an object, that make conversations if there is no `text`. The text of
    /// `input`, which may be missing, belongs to the prompt.
    static let knownNames: [(prompt: String, input: String?, completion: String)] = [
        ("prompt", nil, "completion"), ("prompt", nil, "response"), ("instruction", "input", "output"),
        ("instruction", "context", "response"), ("question", nil, "answer"), ("question", nil, "response"),
    ]
    /// Names of the column or the field with the message of the system, which may be missing.
    static let systemNames = ["system", "system_prompt"]

    /// The role of the text in a field, if `knownNames` or `systemNames` has it.
    static let roles: [String: Conversation.Role] = {
        var roles: [String: Conversation.Role] = [:]
        for name in systemNames { roles[name] = .system }
        for names in knownNames {
            for prompt in [names.prompt, names.input].compactMap(\.self) { roles[prompt] = .user }
            roles[names.completion] = .assistant
        }
        return roles
    }()

    /// Returns the stored conversation without its line end, or nil if the prompt or the completion has only white space.
    /// - Parameters:
    ///   - input: belongs to the prompt, after a line end
    static func line(system: [UInt8] = [], prompt: [UInt8], input: [UInt8] = [], completion: [UInt8]) -> [UInt8]? {
        let (prompt, reply) = (text(prompt), text(completion))
        guard !prompt.isEmpty, !reply.isEmpty else { return nil }
        return Conversation(normalizing: [
            .init(.system, text(system)), .init(.user, prompt), .init(.user, text(input)), .init(.assistant, reply),
        ]).line
    }

    /// Describes the rows or objects that make too large a conversation.
    /// - Throws: if they are too many
    static func warnings(tooLarge: RowCount, of total: Int, _ noun: String) throws -> [String] {
        guard tooLarge.count > 0 else { return [] }
        let sentence =
            "\(tooLarge.count) of \(total) \(noun) make a conversation of more than "
            + "\(ConversationRecords.mostBytes >> 20) MiB, the first on line \(tooLarge.firstLine)"
        guard !tooLarge.isTooMuch(of: total) else {
            throw RejectionError("\(sentence). Divide them into several \(noun)")
        }
        return ["\(sentence): they were left out"]
    }

    private static func text(_ bytes: [UInt8]) -> String {
        let text = String(decoding: bytes, as: UTF8.self)
        guard bytes.contains(UInt8(ascii: "\r")) else { return text.trimmed }
        return text.replacing("\r\n", with: "\n").replacing("\r", with: "\n").trimmed
    }
}
