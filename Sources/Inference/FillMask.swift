import Glibc
import Jobs
import Kernels
import Models
import Tokenizers

/// A candidate for a mask, with the fields of the Hugging Face fill-mask pipeline.
public struct Filling: Sendable, Equatable {
    /// Probability over all rows of the vocabulary.
    public let score: Double
    public let token: Int32
    public let tokenString: String
    /// The whole text with the mask replaced by the candidate.
    public let sequence: String
}

extension InferenceEngine {
    /// Returns candidates for each `<mask>` of a text, in the same way as `FillMaskPipeline` of transformers,
    /// except that all other special tokens in the text are text.
    ///
    /// The softmax includes all rows of the vocabulary, also rows without a token, which are never returned. With one
    /// mask, `sequence` omits special tokens; with several masks, it contains them and the other masks.
    /// - Parameters:
    ///   - topK: maximum number of candidates per mask, at least 1
    ///   - targets: if not nil, only these words are candidates, each represented by its first token
    ///   - user: the user whose share of turns is charged
    /// - Returns: one list per mask in order, the most likely candidate first
    /// - Throws: `CancellationError` if the calling task is cancelled before the sentence has its turn; `noMask`, `promptTooLong`, `wrongObjective`; `invalidParameter` if `top_k`, `targets` or the `text`
    ///   exceeds `RequestLimits`
    public func fillMask(
        _ text: String, topK: Int = 5, targets: [String]? = nil, for user: UInt32 = geteuid()
    ) async throws -> [[Filling]] {
        try require(.mlm)
        guard topK >= 1 else {
            throw InferenceError.invalidParameter("top_k", reason: "must be at least 1, but is \(topK)")
        }
        let limit = configuration.longestSequence
        let prompt = try await self.prompt(text, specialTokens: .maskOnly, parameter: "text", limit: limit, for: user)
        guard prompt.hasMask else { throw InferenceError.noMask(text: RequestLimits.quoted(text)) }
        // Strictly less, because `</s>` is appended.
        guard prompt.count < limit else {
            throw InferenceError.promptTooLong(tokens: prompt.count + 1, limit: limit)
        }
        let ids = prompt.ids + [SpecialToken.eos.rawValue]
        let masks = ids.indices.filter { ids[$0] == SpecialToken.mask.rawValue }
        var wanted: Set<Int32>?
        if let targets { wanted = try await targetIDs(targets, for: user) }
        try check(masks: masks.count, topK: topK, wanted: wanted, textBytes: text.utf8.count)
        let candidates = try await sentences.run(ids: ids, masks: masks, for: user) { [self, wanted] logits in
            try self.candidates(logits: logits, topK: topK, wanted: wanted)
        }
        var fillings: [[Filling]] = []
        for (mask, candidates) in zip(masks, candidates) {
            try Task.checkCancellation()
            fillings.append([])
            for part in stride(from: 0, to: candidates.count, by: Self.fillingsOfStep) {
                let part = candidates[part..<min(candidates.count, part + Self.fillingsOfStep)]
                fillings[fillings.count - 1] += await WorkQueue.texts.run(
                    for: .user(user), cost: part.count * text.utf8.count
                ) { [self] () throws(Never) in
                    part.map { filling(of: mask, in: ids, with: $0, isOnly: masks.count == 1) }
                }
            }
        }
        return fillings
    }

    private func check(masks: Int, topK: Int, wanted: Set<Int32>?, textBytes: Int) throws(InferenceError) {
        guard masks <= RequestLimits.masks else {
            throw .invalidParameter(
                "text", reason: "has \(masks) masks, but at most \(RequestLimits.masks) are supported")
        }
        let candidates = min(topK, wanted?.count ?? tokenizer.vocabularySize)
        guard masks * candidates <= RequestLimits.candidateBytes / max(64, textBytes) else {
            throw .invalidParameter(
                "top_k",
                reason: "\(candidates) candidates for each of \(masks) masks would exceed "
                    + "\(RequestLimits.candidateBytes) bytes of text")
        }
    }

    /// Number of texts that a step on `WorkQueue.texts` creates.
    private static let fillingsOfStep = 64

    private struct Candidate: Sendable {
        let token: Int32
        let score: Double
    }

    /// - Parameter logits: `[vocabSize]`
    private func candidates(
        logits: UnsafeBufferPointer<Float>, topK: Int, wanted: Set<Int32>?
    ) throws(InferenceError) -> [Candidate] {
        let scores = Scores(logits, where: anyID)
        guard scores.infiniteCount == 0 else { throw .notANumber }
        let normalizer = scores.normalizer()
        let best = topIndices(of: scores.values, count: topK) { id in
            wanted?.contains(Int32(id)) ?? (tokenizer.token(Int32(id)) != nil)
        }
        return best.map { Candidate(token: Int32($0), score: exp(scores.values[$0] - scores.largest) / normalizer) }
    }

    /// - Parameters:
    ///   - mask: index into `ids`
    ///   - isOnly: whether the text has no other mask
    private func filling(of mask: Int, in ids: [Int32], with candidate: Candidate, isOnly: Bool) -> Filling {
        var filled = ids
        filled[mask] = candidate.token
        return Filling(
            score: candidate.score, token: candidate.token, tokenString: tokenizer.decode([candidate.token]),
            sequence: tokenizer.decode(
                filled.filter { $0 != SpecialToken.pad.rawValue }, skipSpecialTokens: isOnly))
    }

    /// Returns the ids of the targets. A target that is a token in `vocab.json` is that token; any other is represented
    /// by the first token of its text.
    private func targetIDs(_ targets: [String], for user: UInt32) async throws(InferenceError) -> Set<Int32> {
        let bytes = targets.reduce(0) { $0 + $1.utf8.count }
        guard targets.count <= RequestLimits.targets, bytes <= RequestLimits.targetBytes else {
            throw .invalidParameter(
                "targets",
                reason: "must be at most \(RequestLimits.targets) words with a total of at most "
                    + "\(RequestLimits.targetBytes) bytes")
        }
        let ids = await WorkQueue.texts.run(for: .user(user), cost: bytes) { [self] () throws(Never) in
            targets.compactMap { target in
                tokenizer.id(of: target)
                    ?? tokenizer.encode(filtered(target, specialTokens: .asText), specialTokens: .asText).first
            }
        }
        guard !ids.isEmpty else { throw .invalidParameter("targets", reason: "must contain at least one word") }
        return Set(ids)
    }
}
