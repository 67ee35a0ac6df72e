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

/// The candidates for the masks of a text.
public struct MaskPredictions: Sendable, Equatable {
    /// One list per mask in order, the most likely candidate first.
    public let masks: [[Filling]]
    /// Number of tokens around each mask, including `<s>` and `</s>`, that the model has seen of a text with more tokens
    /// than any in training; nil if it has seen the whole text.
    public let windowTokens: Int?
}

extension InferenceEngine {
    /// Returns candidates for each `<mask>` of a text, in the same way as `FillMaskPipeline` of transformers,
    /// except that all other special tokens in the text are text, and that special tokens are candidates only as `targets`.
    ///
    /// Positions beyond those of the longest training row have never been trained, and what a model predicts there is noise.
    /// Each mask of a longer text is therefore predicted from the tokens around it, as many as that row had.
    ///
    /// The softmax includes all rows of the vocabulary, also rows without a token, which are never returned. With one
    /// mask, `sequence` omits special tokens; with several masks, it contains them and the other masks.
    /// - Parameters:
    ///   - topK: maximum number of candidates per mask, at least 1
    ///   - targets: if not nil, only these words are candidates, each represented by its first token
    ///   - user: the user whose share of turns is charged
    /// - Throws: `CancellationError` if the calling task is cancelled before the sentence has its turn; `noMask`, `promptTooLong`, `wrongObjective`; `invalidParameter` if `top_k`, `targets` or the `text`
    ///   exceeds `RequestLimits`
    public func fillMask(
        _ text: String, topK: Int = 5, targets: [String]? = nil, for user: UInt32 = geteuid()
    ) async throws -> MaskPredictions {
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
        let windowTokens = ids.count > trainedLength ? max(3, trainedLength) : nil
        let candidates = try await candidates(
            ids: ids, masks: masks, windowTokens: windowTokens, topK: topK, wanted: wanted, for: user)
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
        return MaskPredictions(masks: fillings, windowTokens: windowTokens)
    }

    /// Returns the candidates for each mask.
    private func candidates(
        ids: [Int32], masks: [Int], windowTokens: Int?, topK: Int, wanted: Set<Int32>?, for user: UInt32
    ) async throws -> [[Candidate]] {
        let read: @Sendable (UnsafeBufferPointer<Float>) throws -> [Candidate] = { [self] logits in
            try candidates(logits: logits, topK: topK, wanted: wanted)
        }
        guard let windowTokens else { return try await sentences.run(ids: ids, masks: masks, for: user, read) }
        return try await withThrowingTaskGroup(of: (Int, [Candidate]).self) { group in
            for (index, mask) in masks.enumerated() {
                group.addTask { [sentences] in
                    let (window, place) = Self.window(of: ids, around: mask, tokens: windowTokens)
                    return (index, try await sentences.run(ids: window, masks: [place], for: user, read)[0])
                }
            }
            var found = [[Candidate]](repeating: [], count: masks.count)
            for try await (index, candidates) in group { found[index] = candidates }
            return found
        }
    }

    /// Returns `<s>`, the tokens around a mask, and `</s>`, with the index of the mask in them.
    /// - Parameters:
    ///   - ids: begins with `<s>` and ends with `</s>`
    ///   - count: 3 to `ids.count`
    package static func window(of ids: [Int32], around mask: Int, tokens count: Int) -> (ids: [Int32], mask: Int) {
        let begin = min(max(1, mask - (count - 2) / 2), ids.count - 1 - (count - 2))
        let seen = ids[begin..<begin + count - 2]
        return ([ids[0]] + Array(seen) + [ids[ids.count - 1]], mask - begin + 1)
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

    private static func isSpecial(_ id: Int32) -> Bool { SpecialToken.allCases.contains { $0.rawValue == id } }

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
            wanted?.contains(Int32(id)) ?? (tokenizer.token(Int32(id)) != nil && !Self.isSpecial(Int32(id)))
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
