import Glibc
import Jobs
import Tokenizers

extension InferenceEngine {
    /// Returns the ids of a text as the model reads it in a request, and each token as written in `vocab.json`: `<mask>`
    /// is the mask token of a masked model, all other special tokens in the text are text. No special tokens are added.
    /// - Parameter user: the user whose share of turns is charged
    /// - Throws: `InferenceError.invalidParameter` if the text has more than `RequestLimits.tokens`
    public func tokenize(
        _ text: String, for user: UInt32 = geteuid()
    ) async throws -> (ids: [Int32], tokens: [String]) {
        let specialTokens: SpecialTokensInText = objective == .mlm ? .maskOnly : .asText
        var parts = TextIDs(self, text, specialTokens: specialTokens, parameter: "text", for: user)
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

    /// Decodes ids to text, including special tokens.
    /// - Throws: `InferenceError.invalidParameter` if an id has no token, or if there are more than `RequestLimits.ids`
    public func detokenize(_ ids: [Int32], for user: UInt32 = geteuid()) async throws(InferenceError) -> String {
        guard ids.count <= RequestLimits.ids else {
            throw .invalidParameter("ids", reason: "must have at most \(RequestLimits.ids) elements")
        }
        return try await WorkQueue.texts.run(for: .user(user), cost: ids.count) {
            [self] () throws(InferenceError) in
            for (index, id) in ids.enumerated() where tokenizer.token(id) == nil {
                throw .invalidParameter("ids", reason: "element \(index) is \(id), which is not a token id")
            }
            return tokenizer.decode(ids)
        }
    }
}
