import Glibc
import Jobs
import Kernels
import Models
import Tokenizers

/// One candidate for a mask, with the fields of the Hugging Face fill-mask pipeline.
public struct Filling: Sendable, Equatable {
    /// Its probability, of all rows of the vocabulary.
    public let score: Double
    public let token: Int32
    public let tokenString: String
    /// The whole text with the candidate in the mask's place.
    public let sequence: String
}

extension InferenceEngine {
    /// Candidates for each `<mask>` of a text, as transformers' `FillMaskPipeline` gives them.
    ///
    /// The softmax runs over all rows of the vocabulary, also those without a token, which are never offered. With one mask
    /// `sequence` is without special tokens, with several it shows them, and the other masks stay in it.
    /// - Parameters:
    ///   - topK: how many candidates a mask, at least 1; fewer where there are fewer
    ///   - targets: only these words, each by its first token
    ///   - user: whose share of turns it takes
    /// - Returns: one list for each mask, in order; the most likely candidate first
    /// - Throws: `noMask`, `promptTooLong`, `wrongObjective`, `invalidParameter` for `top_k`, `targets`
    ///   and a `text` of more than `RequestLimits` allow.
    public func fillMask(
        _ text: String, topK: Int = 5, targets: [String]? = nil, for user: UInt32 = geteuid()
    ) async throws -> [[Filling]] {
        try require(.mlm)
        guard topK >= 1 else {
            throw InferenceError.invalidParameter("top_k", reason: "must be at least 1, is \(topK)")
        }
        let limit = configuration.longestSequence
        let prompt = try await self.prompt(text, parameter: "text", limit: limit, for: user)
        guard prompt.hasMask else { throw InferenceError.noMask(text: RequestLimits.quoted(text)) }
        // With the `</s>` behind it.
        guard prompt.count < limit else {
            throw InferenceError.promptTooLong(tokens: prompt.count + 1, limit: limit)
        }
        let ids = prompt.ids + [SpecialToken.eos.rawValue]
        let masks = ids.indices.filter { ids[$0] == SpecialToken.mask.rawValue }
        var wanted: Set<Int32>?
        if let targets { wanted = try await targetIDs(targets, for: user) }
        try check(masks: masks.count, topK: topK, wanted: wanted, textBytes: text.utf8.count)
        return try await sentences.run(ids: ids, masks: masks, for: user) {
            [self, wanted] logits throws(InferenceError) in
            try fillings(ids: ids, masks: masks, logits: logits, topK: topK, wanted: wanted)
        }
    }

    private func check(masks: Int, topK: Int, wanted: Set<Int32>?, textBytes: Int) throws(InferenceError) {
        guard masks <= RequestLimits.masks else {
            throw .invalidParameter("text", reason: "has \(masks) masks, at most \(RequestLimits.masks) are filled")
        }
        let candidates = min(topK, wanted?.count ?? tokenizer.vocabularySize)
        guard masks * candidates <= RequestLimits.candidateBytes / max(64, textBytes) else {
            throw .invalidParameter(
                "top_k",
                reason: "makes \(candidates) texts for each of \(masks) masks, together at most "
                    + "\(RequestLimits.candidateBytes) bytes are possible")
        }
    }

    /// - Parameter logits: `[masks.count, vocabSize]`
    private func fillings(
        ids: [Int32], masks: [Int], logits: UnsafeBufferPointer<Float>, topK: Int, wanted: Set<Int32>?
    ) throws(InferenceError) -> [[Filling]] {
        let rows = configuration.vocabSize
        var fillings: [[Filling]] = []
        for (index, mask) in masks.enumerated() {
            let scores = Scores(
                UnsafeBufferPointer(rebasing: logits[index * rows..<(index + 1) * rows]), where: anyID)
            guard scores.infiniteCount == 0 else { throw .notANumber }
            let normalizer = scores.normalizer()
            let best = topIndices(of: scores.values, count: topK) { id in
                wanted?.contains(Int32(id)) ?? (tokenizer.token(Int32(id)) != nil)
            }
            fillings.append(
                best.map { id in
                    var filled = ids
                    filled[mask] = Int32(id)
                    return Filling(
                        score: exp(scores.values[id] - scores.largest) / normalizer, token: Int32(id),
                        tokenString: tokenizer.decode([Int32(id)]),
                        sequence: tokenizer.decode(
                            filled.filter { $0 != SpecialToken.pad.rawValue }, skipSpecialTokens: masks.count == 1))
                })
        }
        return fillings
    }

    /// The id of each target: of a token written as in `vocab.json`, else of the first token of the text.
    private func targetIDs(_ targets: [String], for user: UInt32) async throws(InferenceError) -> Set<Int32> {
        let bytes = targets.reduce(0) { $0 + $1.utf8.count }
        guard targets.count <= RequestLimits.targets, bytes <= RequestLimits.targetBytes else {
            throw .invalidParameter(
                "targets",
                reason: "may be \(RequestLimits.targets) words of \(RequestLimits.targetBytes) bytes together")
        }
        let ids = await WorkQueue.texts.run(for: .user(user), cost: bytes) { [self] () throws(Never) in
            targets.compactMap { tokenizer.id(of: $0) ?? tokenizer.encode(filtered($0)).first }
        }
        guard !ids.isEmpty else { throw .invalidParameter("targets", reason: "needs at least one word") }
        return Set(ids)
    }
}
