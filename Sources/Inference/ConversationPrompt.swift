import Conversations
import Jobs
import Tokenizers

extension InferenceEngine {
    /// Whether the model was trained on conversations, so that it can reply to messages.
    public var hasConversations: Bool { objective == .clm && tokenizer.conversationMarkers != nil }

    /// Reads messages as in training, followed by the marker of the reply to generate. If they are too long, the oldest are
    /// left out, except for that of the system, so that the reply has room for `maxNewTokens` or half of the model's positions.
    /// - Parameter maxNewTokens: of the reply
    /// - Throws: `InferenceError.noConversations`; `invalidParameter` unless the last message is one of the user;
    ///   `promptTooLong` if the last message alone, with that of the system, does not fit
    func read(
        _ turns: [Conversation.Turn], maxNewTokens: Int, for user: UInt32
    ) async throws -> ReadPrompt {
        guard let markers = tokenizer.conversationMarkers else { throw InferenceError.noConversations }
        let turns = Conversation(normalizing: turns).turns
        guard turns.last?.role == .user else {
            throw InferenceError.invalidParameter(
                "messages", reason: "must end with a message of the user that has text")
        }
        let room = longestPrompt - min(maxNewTokens, longestPrompt / 2)
        // `<s>` and the marker of the reply.
        var count = 2
        var systemIDs: [Int32] = []
        let isSystem = turns[0].role == .system
        if isSystem {
            (systemIDs, count) = try await encode(turns[0], markers, count, longestPrompt, for: user)
        }
        let rest = turns[(isSystem ? 1 : 0)...]
        var kept: [[Int32]] = []
        for turn in rest.reversed() {
            // The last message is read even if it leaves less room for the reply.
            let most = kept.isEmpty ? longestPrompt : room
            let (ids, longer) = try await encode(turn, markers, count, most, for: user)
            if longer > most {
                guard !kept.isEmpty else { throw InferenceError.promptTooLong(tokens: longer, limit: most) }
                break
            }
            kept.append(ids)
            count = longer
        }
        // A conversation begins with a message of the user, unless it is whole.
        if kept.count < rest.count, rest[rest.endIndex - kept.count].role == .assistant { kept.removeLast() }
        let ids = [SpecialToken.bos.rawValue] + systemIDs + kept.reversed().joined() + [markers.assistant]
        return ReadPrompt(ids: ids, textStart: ids.count, text: "", omittedMessages: rest.count - kept.count)
    }

    /// Encodes a message, with the filters of training.
    /// - Parameters:
    ///   - count: number of tokens of the other messages
    ///   - room: number of tokens from which on they are only counted
    /// - Returns: the tokens, and the number of all
    private func encode(
        _ turn: Conversation.Turn, _ markers: ConversationMarkers, _ count: Int, _ room: Int, for user: UInt32
    ) async throws -> (ids: [Int32], count: Int) {
        let text = try await filtered(turn.content, specialTokens: .asText, for: user)
        var ids = [markers[turn.role]]
        var count = count + 2
        var parts = TextIDs(self, text, specialTokens: .asText, parameter: "messages", for: user)
        while let part = try await parts.next() {
            count += part.count
            ids += part.prefix(max(0, room - ids.count))
        }
        ids.append(markers.end)
        return (ids, count)
    }
}
