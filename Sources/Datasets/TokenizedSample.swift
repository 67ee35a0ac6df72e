import Conversations
import Jobs
import Tokenizers

/// The tokens of a sample, without the special tokens that `TokenRows` adds.
struct TokenizedSample {
    var tokens: [Int32]
    /// Whether the tokens are messages with their markers, of which only the replies are learned.
    var isConversation: Bool
    /// Size of the text that is learned in UTF-8 bytes: that of the replies of a conversation.
    var learnedBytes: Int
    /// Number of tokens of that text.
    var learnedTokens: Int

    /// - Returns: one element for each sample
    static func encode(
        _ samples: [Sample], _ tokenizer: ByteLevelBPETokenizer, for objective: Objective
    ) -> [TokenizedSample] {
        let markers = objective == .clm ? tokenizer.conversationMarkers : nil
        let texts = samples.flatMap { $0.turns.isEmpty || markers == nil ? [$0.text] : $0.turns.map(\.content) }
        var encodings = tokenizer.encodeBatch(texts, specialTokens: .asText)[...]
        return samples.map { sample in
            guard let markers, !sample.turns.isEmpty else {
                let tokens = encodings.removeFirst()
                return TokenizedSample(
                    tokens: tokens, isConversation: false, learnedBytes: sample.text.utf8.count,
                    learnedTokens: tokens.count)
            }
            var encoded = TokenizedSample(tokens: [], isConversation: true, learnedBytes: 0, learnedTokens: 0)
            for turn in sample.turns {
                let tokens = encodings.removeFirst()
                encoded.tokens.append(markers[turn.role])
                encoded.tokens += tokens
                encoded.tokens.append(markers.end)
                guard turn.role == .assistant else { continue }
                encoded.learnedBytes += turn.content.utf8.count
                encoded.learnedTokens += tokens.count
            }
            return encoded
        }
    }
}
