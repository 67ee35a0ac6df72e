import Conversations

/// A user's message and its reply, from two columns of a table or two fields of an object.
enum Exchange {
    /// Returns the stored conversation without its line end, or nil if one of the texts has only white space.
    /// - Parameters:
    ///   - input: belongs to the prompt, after a line end
    static func line(prompt: [UInt8], input: [UInt8] = [], completion: [UInt8]) -> [UInt8]? {
        let (prompt, input, reply) = (text(prompt), text(input), text(completion))
        guard !prompt.isEmpty, !reply.isEmpty else { return nil }
        let message = input.isEmpty ? prompt : "\(prompt)\n\(input)"
        return Conversation([.init(.user, message), .init(.assistant, reply)]).line
    }

    private static func text(_ bytes: [UInt8]) -> String {
        let text = String(decoding: bytes, as: UTF8.self)
        guard bytes.contains(UInt8(ascii: "\r")) else { return text.trimmed }
        return text.replacing("\r\n", with: "\n").replacing("\r", with: "\n").trimmed
    }
}
