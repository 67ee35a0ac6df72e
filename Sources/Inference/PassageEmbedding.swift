import Glibc
import Tokenizers

extension InferenceEngine {
    /// Computes the embedding of the beginning of each text, as much of it as the texts of training have.
    /// - Parameter user: the user whose share of turns is charged
    /// - Returns: the embeddings, and whether each text is longer
    /// - Throws: `InferenceError.notANumber`; `CancellationError` if the task was cancelled
    public func beginningEmbeddings(
        _ texts: [String], for user: UInt32 = geteuid()
    ) async throws -> [(vector: [Float], isCut: Bool)] {
        try Task.checkCancellation()
        let limit = max(1, trainedLength - 2)
        let cost = texts.reduce(0) { $0 + $1.utf8.count }
        let sequences = await WorkQueue.texts.run(for: .user(user), cost: cost) { [self] () throws(Never) in
            texts.map { text -> (ids: [Int32], isCut: Bool) in
                let ids = tokenizer.encode(filtered(text, specialTokens: .asText), specialTokens: .asText)
                let kept = [SpecialToken.bos.rawValue] + ids.prefix(limit) + [SpecialToken.eos.rawValue]
                return (Array(kept.prefix(trainedLength)), ids.count > limit)
            }
        }
        let vectors = try await embed(sequences.map(\.ids), for: user)
        return zip(vectors, sequences).map { ($0.vector, $1.isCut) }
    }
}
