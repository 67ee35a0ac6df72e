import Tokenizers

extension InferenceEngine {
    /// The ids of a text and how each token is written in `vocab.json`; no tokens are added.
    public func tokenize(_ text: String) async -> (ids: [Int32], tokens: [String]) {
        await WorkQueue.texts.run { [self] () throws(Never) in
            let ids = tokenizer.encode(text)
            return (ids, ids.map { tokenizer.token($0)! })
        }
    }

    /// The text of ids, special tokens shown.
    /// - Throws: `InferenceError.invalidParameter` for an id without a token.
    public func detokenize(_ ids: [Int32]) throws(InferenceError) -> String {
        for (index, id) in ids.enumerated() where tokenizer.token(id) == nil {
            throw .invalidParameter("ids", reason: "[\(index)] is \(id), which has no token")
        }
        return tokenizer.decode(ids)
    }
}
