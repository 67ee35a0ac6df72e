import Glibc
import Tokenizers

extension InferenceEngine {
    /// The ids of a text and how each token is written in `vocab.json`; no tokens are added.
    /// - Parameter user: whose share of turns it takes
    /// - Throws: `InferenceError.invalidParameter` for a text of more than `RequestLimits.tokens`.
    public func tokenize(
        _ text: String, for user: UInt32 = geteuid()
    ) async throws -> (ids: [Int32], tokens: [String]) {
        var parts = TextIDs(self, text, parameter: "text", for: user)
        var (ids, tokens): ([Int32], [String]) = ([], [])
        while let part = try await parts.next() {
            guard ids.count + part.count <= RequestLimits.tokens else {
                throw InferenceError.invalidParameter("text", reason: "has more than \(RequestLimits.tokens) tokens")
            }
            ids += part
            tokens += await WorkQueue.texts.run(for: .user(user), cost: part.count) { [self] () throws(Never) in
                part.map { tokenizer.token($0)! }
            }
        }
        return (ids, tokens)
    }

    /// The text of ids, special tokens shown.
    /// - Throws: `InferenceError.invalidParameter` for an id without a token, and for more than `RequestLimits.ids`.
    public func detokenize(_ ids: [Int32], for user: UInt32 = geteuid()) async throws(InferenceError) -> String {
        guard ids.count <= RequestLimits.ids else {
            throw .invalidParameter("ids", reason: "are more than \(RequestLimits.ids)")
        }
        return try await WorkQueue.texts.run(for: .user(user), cost: ids.count) {
            [self] () throws(InferenceError) in
            for (index, id) in ids.enumerated() where tokenizer.token(id) == nil {
                throw .invalidParameter("ids", reason: "[\(index)] is \(id), which has no token")
            }
            return tokenizer.decode(ids)
        }
    }
}
