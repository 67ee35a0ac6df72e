import Glibc
import Jobs
import Kernels
import Models
import Parallel
import Tokenizers

/// The likelihood of a text under a model.
public struct TextScore: Sendable, Equatable {
    /// Natural logarithm of the likelihood. For a causal model, log p(text); for a masked model, the sum over all
    /// tokens of log p(token | all other tokens), the pseudo-log-likelihood of Salazar et al. (2020).
    public let logLikelihood: Double
    /// Number of scored tokens. For a causal model, this includes the final `</s>`.
    public let tokens: Int
    /// −`logLikelihood` ÷ (ln 2 × number of bytes of the text); 0 for an empty text.
    public let bitsPerByte: Double
    /// The scored tokens in order, without likely ones in their places; nil if they were not requested.
    public let tokenScores: [TokenScore]?
}

extension InferenceEngine {
    /// Scores a text, split into pieces of the longest trained length. Memory does not grow with the length of the
    /// text.
    ///
    /// A causal model is scored on all tokens and a final `</s>`, with `<s>` before each piece. A masked model is
    /// scored on each token, which is masked in turn, with `<s>` and `</s>` around each piece.
    /// - Parameters:
    ///   - listsTokens: whether to return the score of each token
    ///   - user: the user whose share of turns is charged
    /// - Throws: `InferenceError.notANumber` and `.invalidParameter`; `.promptTooLong` if more tokens would be listed than
    ///   `RequestLimits.scoredTokens`; `CancellationError` before the next batch if the task was cancelled
    public func score(
        _ text: String, listsTokens: Bool = false, for user: UInt32 = geteuid()
    ) async throws -> TextScore {
        let scored = try await filtered(text, specialTokens: .asText, for: user)
        var parts = TextIDs(self, scored, specialTokens: .asText, parameter: "text", for: user)
        var sequences = ScoredSequences(objective, trainedLength: trainedLength)
        var (logLikelihood, tokens, hasEnded) = (0.0, 0, false)
        var (texts, listed) = (TokenTexts(tokenizer), [] as [TokenScore])
        if listsTokens {
            sequences.append(try await allIDs(&parts))
            sequences.end()
            hasEnded = true
        }
        while true {
            try Task.checkCancellation()
            if let batch = sequences.next() {
                tokens += batch.reduce(0) { $0 + $1.scoredCount }
                let cost = batch.reduce(0) { $0 + $1.piece.count }
                let terms = try await WorkQueue.models.run(for: .user(user), cost: cost) {
                    [self] () throws(InferenceError) in
                    try logLikelihoods(batch)
                }
                // In order, so that the sum does not depend on the number of threads.
                logLikelihood += terms.reduce(0, +)
                if listsTokens {
                    for (id, term) in zip(batch.flatMap(\.scored), terms) {
                        let (text, offset) = texts.next(id)
                        listed.append(TokenScore(id: id, text: text, offset: offset, logProbability: term, top: nil))
                    }
                }
            } else if hasEnded {
                break
            } else if let ids = try await parts.next() {
                sequences.append(ids)
            } else {
                sequences.end()
                hasEnded = true
            }
        }
        let bytes = scored.utf8.count
        return TextScore(
            logLikelihood: logLikelihood, tokens: tokens,
            bitsPerByte: bytes == 0 ? 0 : -logLikelihood / (M_LN2 * Double(bytes)),
            tokenScores: listsTokens ? listed : nil)
    }

    /// Reads a text whose tokens are listed.
    private func allIDs(_ parts: inout TextIDs) async throws -> [Int32] {
        let limit = RequestLimits.scoredTokens
        var (ids, count) = ([] as [Int32], 0)
        while let part = try await parts.next() {
            count += part.count
            ids += part.prefix(limit - ids.count)
        }
        guard count <= limit else { throw InferenceError.promptTooLong(tokens: count, limit: limit) }
        return ids
    }

    private func logLikelihoods(_ batch: [ScoredSequence]) throws(InferenceError) -> [Double] {
        var ids: [Int32] = []
        var offsets = [0]
        var places: [Int] = []
        var labels: [Int32] = []
        for sequence in batch {
            sequence.append(ids: &ids, places: &places, labels: &labels)
            offsets.append(ids.count)
        }
        return try logProbabilities(ids: ids, offsets: offsets, places: places, labels: labels)
    }

    /// Returns the logarithm of the probability of each label in its place. Blocks; runs on `WorkQueue.models`.
    /// - Parameters:
    ///   - ids: the input ids of all sequences, concatenated
    ///   - offsets: start of each sequence and the end
    ///   - places: indices into `ids`
    func logProbabilities(
        ids: [Int32], offsets: [Int], places: [Int], labels: [Int32]
    ) throws(InferenceError) -> [Double] {
        // Written on the threads of the pool, each element by one.
        let terms = UnsafeMutableBufferPointer<Double>.allocate(capacity: labels.count)
        defer { terms.deallocate() }
        model.forEachLogits(
            inputIDs: ids, sequenceOffsets: offsets, rows: places, pause: { WorkQueue.models.yieldToOthers() }
        ) { range, logits in
            nonisolated(unsafe) let terms = terms
            ThreadPool.shared.forEach(range.count) { index in
                let row = UnsafeBufferPointer(start: logits.row(index), count: logits.columns)
                let scores = Scores(row, where: anyID)
                let label = Int(labels[range.lowerBound + index])
                terms[range.lowerBound + index] =
                    scores.infiniteCount > 0 ? .nan : scores.values[label] - scores.largest - log(scores.normalizer())
            }
        }
        guard terms.allSatisfy(\.isFinite) else { throw .notANumber }
        return Array(terms)
    }
}
