import Datasets
import Glibc
import Jobs
import Models
import Random
import Tokenizers

/// Makes a sample of text after each evaluation of a run, always from the same prompt: a causal model continues it, a masked
/// model fills in its masks.
///
/// The prompt is the recipe's, or else taken from the first held-out row that is long enough. The random numbers depend on the
/// seed and the place in the sample only, so that two samples of a run differ by what the model learned in between, and the
/// training is the same without samples, bit for bit.
struct TextSampler {
    /// As in the answers of a service with `temperature` 0.8 and `min_p` 0.05.
    private static let temperature: Float = 0.8
    private static let minP: Float = 0.05
    /// Tokens that a causal model adds: as many as cost one percent of the evaluation, within these limits.
    static let newTokens = 16...40
    /// Held-out rows that are searched for a prompt.
    private static let rowsSearched = 64
    /// Maximum number of tokens of a prompt.
    private static let longestPrompt = 64
    /// Maximum number of tokens of a sentence with masks, and of masks that are put into it.
    private static let longestSentence = 32
    private static let mostMasks = 3

    /// The prompt as it is shown.
    let prompt: String
    private let ids: [Int32]
    private let objective: Objective
    private let tokenizer: ByteLevelBPETokenizer
    /// Number of tokens that are added to the prompt.
    private let room: Int
    /// Tokens that end the text.
    private let ends: Set<Int32>
    private let random: Philox
    /// The tokens that can be chosen.
    private let allowed: [Bool]
    /// Number of tokens before which a text does not end, because a row may be a single sentence; a reply may be short.
    private let shortest: Int

    /// - Parameters:
    ///   - objective: of the model
    ///   - heldOut: the held-out rows
    ///   - longestRow: number of tokens in the longest training row; positions beyond it are not trained
    ///   - warn: receives why the recipe's prompt cannot be used
    /// - Returns: nil if the recipe asks for no samples, or no prompt is found
    init?(
        recipe: Recipe, objective: Objective, tokenizer: ByteLevelBPETokenizer, heldOut: TokenShard, longestRow: Int,
        warn: (String) -> Void
    ) {
        guard recipe.samplePrompt != .off else { return nil }
        let markers = tokenizer.conversationMarkers
        var found: (ids: [Int32], shown: String)?
        if case .text(let text) = recipe.samplePrompt {
            found = Self.prompt(text, objective, tokenizer, longest: min(Self.longestPrompt, longestRow - 1))
            if found == nil {
                warn(
                    "sample_prompt is not used: "
                        + (objective == .mlm ? "it needs a <mask>, and " : "")
                        + "it must be a text of at most \(min(Self.longestPrompt, longestRow - 1)) tokens. The samples begin "
                        + "with held-out text instead")
            }
        }
        guard let (ids, shown) = found ?? Self.prompt(heldOut, objective, tokenizer),
            // The position table has no rows for more.
            ids.count <= recipe.blockSize
        else { return nil }
        self.ids = ids
        prompt = shown
        self.objective = objective
        self.tokenizer = tokenizer
        let affordable = Self.newTokens.clamped(
            Self.tokens(after: ids.count, forwarding: heldOut.totals.tokens / 100))
        room = min(affordable, longestRow - ids.count)
        guard objective == .mlm || room > 0 else { return nil }
        let ends = Set([SpecialToken.eos.id] + (markers.map { [$0.end] } ?? []))
        self.ends = ends
        shortest = markers == nil ? Self.newTokens.lowerBound : 0
        random = Philox(seed: recipe.seed, purpose: .sampling)
        allowed = (0..<Int32(tokenizer.vocabularySize)).map { id in
            !tokenizer.isSpecial(id) || objective == .clm && ends.contains(id)
        }
    }

    /// Returns the sample of a model; nil if its outputs are not finite.
    func sample(_ model: RobertaModel, step: Int) -> TextSample? {
        let text = objective == .clm ? continuation(model) : filled(model)
        return text.map { TextSample(step: step, prompt: prompt, text: $0).bounded }
    }

    // MARK: - Texts

    private func continuation(_ model: RobertaModel) -> String? {
        var ids = ids
        while ids.count < self.ids.count + room {
            let logits = model.logits(inputIDs: ids, sequenceOffsets: [0, ids.count], rows: [ids.count - 1])
            guard let next = choose(logits, place: ids.count - self.ids.count) else { return nil }
            if ends.contains(next) { break }
            ids.append(next)
        }
        return Self.complete(tokenizer.decodeBytes(Array(ids[self.ids.count...])))
    }

    private func filled(_ model: RobertaModel) -> String? {
        var ids = ids
        let masks = ids.indices.filter { ids[$0] == SpecialToken.mask.id }
        let logits = model.logits(inputIDs: ids, sequenceOffsets: [0, ids.count], rows: masks)
        let rows = model.configuration.vocabSize
        for (index, place) in masks.enumerated() {
            let scores = logits[index * rows..<(index + 1) * rows]
            var best: (id: Int32, score: Float)?
            for (id, score) in scores.enumerated() where id < allowed.count && allowed[id] && score.isFinite {
                if best.map({ score > $0.score }) ?? true { best = (Int32(id), score) }
            }
            guard let best else { return nil }
            ids[place] = best.id
        }
        return Self.complete(tokenizer.decodeBytes(ids, skipSpecialTokens: true))
            .trimmingPrefix { $0 == " " }.description
    }

    /// Chooses a token by the Gumbel-max trick: the largest of the scores, to each of which noise of its own is added.
    private func choose(_ logits: [Float], place: Int) -> Int32? {
        func isAllowed(_ id: Int) -> Bool {
            id < allowed.count && allowed[id] && (place >= shortest || !ends.contains(Int32(id)))
        }
        var largest = -Float.infinity
        for (id, logit) in logits.enumerated() where logit.isFinite && isAllowed(id) { largest = max(largest, logit) }
        guard largest.isFinite else { return nil }
        let threshold = largest + Self.temperature * log(Self.minP)
        var best: (id: Int32, score: Float)?
        for (id, logit) in logits.enumerated() where logit >= threshold && isAllowed(id) {
            let word = random.block(step: UInt32(place), index: UInt64(id))[0]
            let uniform = (Float(word >> 8) + 0.5) * 0x1p-24
            let score = logit / Self.temperature - log(-log(uniform))
            if best.map({ score > $0.score }) ?? true { best = (Int32(id), score) }
        }
        return best?.id
    }

    /// Decodes bytes, without a character that is incomplete because the text ends in it.
    private static func complete(_ bytes: [UInt8]) -> String {
        var end = bytes.count
        while end > 0, bytes.count - end < 3, bytes[end - 1] & 0xC0 == 0x80 { end -= 1 }
        if end > 0, bytes[end - 1] >= 0xC0 {
            let length = bytes[end - 1] >= 0xF0 ? 4 : bytes[end - 1] >= 0xE0 ? 3 : 2
            if bytes.count - end + 1 < length { return String(decoding: bytes[..<(end - 1)], as: UTF8.self) }
        }
        return String(decoding: bytes, as: UTF8.self)
    }

    /// Returns the largest number of tokens that can be added to a prompt while the forward passes, one for each, have at most
    /// `limit` tokens in total.
    private static func tokens(after prompt: Int, forwarding limit: Int) -> Int {
        var (count, sum) = (0, 0)
        while count < newTokens.upperBound, sum + prompt + count <= limit {
            sum += prompt + count
            count += 1
        }
        return count
    }

    // MARK: - Prompts

    /// Reads the recipe's prompt. Returns nil if it is too long, or has no mask for a masked model.
    private static func prompt(
        _ text: String, _ objective: Objective, _ tokenizer: ByteLevelBPETokenizer, longest: Int
    ) -> (ids: [Int32], shown: String)? {
        var ids: [Int32]
        switch objective {
        case .mlm:
            ids = tokenizer.encode(text, specialTokens: .maskOnly, addSpecialTokens: true)
            guard ids.contains(SpecialToken.mask.id) else { return nil }
        case .clm:
            ids = [SpecialToken.bos.id]
            let body = tokenizer.encode(text, specialTokens: .asText)
            if let markers = tokenizer.conversationMarkers {
                ids += [markers.user] + body + [markers.end, markers.assistant]
            } else {
                ids += body
            }
        }
        return (2...max(2, longest)).contains(ids.count) ? (ids, text) : nil
    }

    /// Takes a prompt from held-out text.
    private static func prompt(
        _ heldOut: TokenShard, _ objective: Objective, _ tokenizer: ByteLevelBPETokenizer
    ) -> (ids: [Int32], shown: String)? {
        let markers = tokenizer.conversationMarkers
        var longest: [Int32] = []
        for row in 0..<min(heldOut.rows, rowsSearched) {
            var ids: [Int32] = []
            heldOut.append(row: row, to: &ids)
            if objective == .clm, let markers, let message = message(ids, markers, tokenizer) { return message }
            let text = Array(ids.drop(while: tokenizer.isSpecial).prefix { !tokenizer.isSpecial($0) })
            if text.count > longest.count { longest = text }
            if text.count >= 12 { break }
        }
        guard longest.count > 2 else { return nil }
        switch objective {
        case .clm:
            // Ends before a word, so that the model does not have to guess the rest of one.
            let most = min(12, longest.count - 1)
            let end = (4...max(4, most)).last { $0 <= most && tokenizer.beginsWord(longest[$0]) } ?? min(8, most)
            let ids = Array(longest[..<end])
            return ([SpecialToken.bos.id] + ids, complete(tokenizer.decodeBytes(ids)))
        case .mlm: return masked(Array(longest.prefix(longestSentence)), tokenizer)
        }
    }

    /// Returns the row up to the beginning of the first reply, and the message before it; nil if it is no conversation, or its
    /// beginning is too long.
    private static func message(
        _ row: [Int32], _ markers: ConversationMarkers, _ tokenizer: ByteLevelBPETokenizer
    ) -> (ids: [Int32], shown: String)? {
        guard let reply = row.prefix(longestPrompt).firstIndex(of: markers.assistant),
            let begin = row[..<reply].lastIndex(of: markers.user)
        else { return nil }
        let shown = complete(tokenizer.decodeBytes(Array(row[begin..<reply]), skipSpecialTokens: true))
        return shown.isEmpty ? nil : (Array(row[...reply]), shown)
    }

    /// Masks a few whole words of a sentence, or else a token in its middle.
    private static func masked(
        _ sentence: [Int32], _ tokenizer: ByteLevelBPETokenizer
    ) -> (ids: [Int32], shown: String) {
        // Words of one token.
        let words = sentence.indices.dropFirst().filter { place in
            let bytes = tokenizer.decodeBytes([sentence[place]])
            let isLast = place + 1 == sentence.count
            return bytes.count > 3 && tokenizer.beginsWord(sentence[place])
                && bytes.dropFirst().allSatisfy { $0 >= 0x80 || ($0 | 0x20) >= 0x61 && ($0 | 0x20) <= 0x7A }
                && !isLast && !tokenizer.continuesWord(sentence[place + 1])
        }
        let count = min(mostMasks, words.count)
        var masks = Set((0..<count).map { words[words.count * (2 * $0 + 1) / (2 * count)] })
        if masks.isEmpty { masks = [sentence.count / 2] }
        var ids = sentence
        var shown: [UInt8] = []
        for (place, id) in sentence.enumerated() {
            let bytes = tokenizer.decodeBytes([id])
            guard masks.contains(place) else {
                shown += bytes
                continue
            }
            if bytes.first == 0x20 { shown.append(0x20) }
            shown += SpecialToken.mask.content.utf8
            ids[place] = SpecialToken.mask.id
        }
        return (
            [SpecialToken.bos.id] + ids + [SpecialToken.eos.id],
            complete(shown).trimmingPrefix { $0 == " " }.description
        )
    }
}

extension ByteLevelBPETokenizer {
    fileprivate func beginsWord(_ id: Int32) -> Bool {
        decodeBytes([id]).first.map { $0 == 0x20 || $0 == 0x0A } ?? false
    }

    /// Whether a token begins with a letter or a digit, or a part of another character.
    fileprivate func continuesWord(_ id: Int32) -> Bool {
        decodeBytes([id]).first.map {
            $0 >= 0x80 || ($0 | 0x20) >= 0x61 && ($0 | 0x20) <= 0x7A || $0 >= 0x30 && $0 <= 0x39
        }
            ?? false
    }
}

extension ClosedRange<Int> {
    fileprivate func clamped(_ value: Int) -> Int { Swift.min(Swift.max(value, lowerBound), upperBound) }
}
