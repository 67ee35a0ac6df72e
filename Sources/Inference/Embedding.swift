import Glibc
import Kernels
import Models
import Tokenizers

/// The embedding of a text.
public struct TextEmbedding: Sendable, Equatable {
    /// `[hiddenSize]`
    public let vector: [Float]
    /// Number of tokens, including `<s>` and `</s>`.
    public let tokens: Int
}

extension InferenceEngine {
    /// Computes the mean of the last layer's output over the tokens of each text, between `<s>` and `</s>`: the mean
    /// pooling of sentence-transformers (Reimers & Gurevych, 2019). Special tokens that occur in a text are text.
    /// - Parameter user: the user whose share of turns is charged
    /// - Throws: `InferenceError.promptTooLong`, `.notANumber` and `.invalidParameter`; `CancellationError` before the
    ///   next batch if the task was cancelled
    public func embed(_ texts: [String], for user: UInt32 = geteuid()) async throws -> [TextEmbedding] {
        let limit = trainedLength
        guard texts.count <= RequestLimits.embeddingNumbers / configuration.hiddenSize else {
            throw InferenceError.invalidParameter(
                "texts", reason: "has \(texts.count) texts; their embeddings have too many numbers for one reply")
        }
        var batch = EmbeddingBatch()
        var embeddings: [TextEmbedding] = []
        for text in texts {
            var prompt = try await prompt(text, specialTokens: .asText, parameter: "texts", limit: limit, for: user)
            prompt.ids.append(SpecialToken.eos.rawValue)
            guard prompt.count + 1 <= limit else {
                throw InferenceError.promptTooLong(tokens: prompt.count + 1, limit: limit)
            }
            try await append(prompt.ids, to: &batch, &embeddings, for: user)
        }
        if !batch.ids.isEmpty { embeddings += try await embed(batch, for: user) }
        return embeddings
    }

    /// - Parameter sequences: ids with `<s>` and `</s>`, each no longer than the model supports
    func embed(_ sequences: [[Int32]], for user: UInt32) async throws -> [TextEmbedding] {
        var batch = EmbeddingBatch()
        var embeddings: [TextEmbedding] = []
        for ids in sequences { try await append(ids, to: &batch, &embeddings, for: user) }
        if !batch.ids.isEmpty { embeddings += try await embed(batch, for: user) }
        return embeddings
    }

    private func append(
        _ ids: [Int32], to batch: inout EmbeddingBatch, _ embeddings: inout [TextEmbedding], for user: UInt32
    ) async throws {
        if !batch.hasRoom(for: ids) {
            embeddings += try await embed(batch, for: user)
            batch = EmbeddingBatch()
        }
        batch.append(ids)
    }

    private func embed(_ batch: EmbeddingBatch, for user: UInt32) async throws -> [TextEmbedding] {
        try Task.checkCancellation()
        let means = await WorkQueue.models.run(for: .user(user), cost: batch.ids.count) { [self] () throws(Never) in
            model.meanOutputs(
                inputIDs: batch.ids, sequenceOffsets: batch.offsets, orders: batch.orders,
                pause: { WorkQueue.models.yieldToOthers() })
        }
        guard means.allSatisfy(\.isFinite) else { throw InferenceError.notANumber }
        let width = configuration.hiddenSize
        return zip(batch.offsets, batch.offsets.dropFirst()).enumerated().map { index, range in
            TextEmbedding(
                vector: Array(means[index * width..<(index + 1) * width]), tokens: range.1 - range.0)
        }
    }
}

/// Texts that are computed in one turn: up to 256 tokens of the same accumulation order, so that each result is bit for
/// bit the same as alone.
private struct EmbeddingBatch: Sendable {
    private static let largestTurn = 256

    private(set) var ids: [Int32] = []
    private(set) var offsets = [0]
    private(set) var orders: SumOrders?

    private static func orders(_ ids: [Int32]) -> SumOrders { SumOrders(tokens: ids.count, rows: ids.count) }

    func hasRoom(for more: [Int32]) -> Bool {
        guard let orders else { return true }
        return orders == Self.orders(more) && ids.count + more.count <= Self.largestTurn
    }

    mutating func append(_ more: [Int32]) {
        orders = Self.orders(more)
        ids += more
        offsets.append(ids.count)
    }
}
