import Parallel
import Synchronization

/// A byte-level BPE tokenizer with GPT-2's pattern that is compatible with Hugging Face. Encoding and decoding is
/// lossless.
///
/// Immutable and safe to use from multiple threads. Texts are UTF-8; each invalid subpart is treated as U+FFFD.
public final class ByteLevelBPETokenizer: Sendable {
    let model: BPEModel
    let components: TokenizerComponents
    /// Whether the tokenizer was loaded from `vocab.json` and `merges.txt` only.
    let isBare: Bool

    /// Added tokens by id.
    private let added: [Int32: AddedToken]
    private let asText: AddedTokenMatchers
    private let maskOnly: AddedTokenMatchers
    private let recognized: AddedTokenMatchers
    /// The concatenated bytes of all tokens. Token `id` is `decodedStart[id]..<decodedStart[id + 1]`.
    private let decoded: [UInt8]
    private let decodedStart: [Int]
    /// Encoders that are not in use, with their caches.
    private let idle = Mutex<[SendableEncoder]>([])

    private struct SendableEncoder: @unchecked Sendable {
        // @unchecked: used by one thread at a time, which removes it from `idle`.
        let encoder: WordEncoder
    }

    /// - Parameter components: the id of each added token must be that of its content in the model, or be contiguous
    ///   with the ids of the model
    init(model: BPEModel, components: TokenizerComponents, isBare: Bool = false) {
        self.model = model
        self.components = components
        self.isBare = isBare
        var added: [Int32: AddedToken] = [:]
        for token in components.addedTokens { added[token.id] = token }
        self.added = added
        asText = AddedTokenMatchers(components.addedTokens, .asText)
        maskOnly = AddedTokenMatchers(components.addedTokens, .maskOnly)
        recognized = AddedTokenMatchers(components.addedTokens, .recognized)
        vocabularySize = max(model.contents.count, components.addedTokens.map { Int($0.id) + 1 }.max() ?? 0)
        var decoded: [UInt8] = []
        var decodedStart = [0]
        for id in 0..<vocabularySize {
            let content = added[Int32(id)].map { Array($0.content.utf8) } ?? model.contents[id]
            decoded += ByteLevelAlphabet.decode(content)
            decodedStart.append(decoded.count)
        }
        self.decoded = decoded
        self.decodedStart = decodedStart
    }

    /// Returns the same tokenizer with empty caches.
    public func withEmptyCache() -> ByteLevelBPETokenizer {
        ByteLevelBPETokenizer(model: model, components: components, isBare: isBare)
    }

    /// Number of tokens, including added tokens. Valid ids are `0..<vocabularySize`.
    public let vocabularySize: Int

    /// Returns a token as written in `vocab.json`, such as `Ġof`, or nil if the id is invalid.
    public func token(_ id: Int32) -> String? {
        guard id >= 0 && id < vocabularySize else { return nil }
        return added[id]?.content ?? String(decoding: model.contents[Int(id)], as: UTF8.self)
    }

    /// Returns the id of a token as written in `vocab.json`, or nil if there is none.
    public func id(of token: String) -> Int32? {
        let content = Array(token.utf8)
        return model.id(of: content) ?? components.addedTokens.first { Array($0.content.utf8) == content }?.id
    }

    /// Whether decoding omits this token if special tokens are skipped.
    public func isSpecial(_ id: Int32) -> Bool { added[id]?.special ?? false }

    // MARK: Encoding

    private func matchers(_ specialTokens: SpecialTokensInText) -> AddedTokenMatchers {
        switch specialTokens {
        case .asText: asText
        case .maskOnly: maskOnly
        case .recognized: recognized
        }
    }

    /// Whether an encoding may find added tokens in a text.
    func findsAddedTokens(_ specialTokens: SpecialTokensInText) -> Bool { !matchers(specialTokens).isEmpty }

    /// Encodes a text.
    /// - Parameters:
    ///   - specialTokens: how special tokens that occur in the text are encoded
    ///   - addSpecialTokens: whether the post-processor adds `<s>` and `</s>`
    ///   - maxLength: maximum number of ids, including special tokens; longer texts are truncated at the end. Nil
    ///     applies
    ///     the truncation of `tokenizer.json`, which usually has none.
    public func encode(
        _ text: String, specialTokens: SpecialTokensInText, addSpecialTokens: Bool = false, maxLength: Int? = nil
    ) -> [Int32] {
        var text = text
        let matchers = matchers(specialTokens)
        return text.withUTF8 { text in
            var ids: [Int32] = []
            ids.reserveCapacity(text.count / 3 + 4)
            withEncoder { encode(valid: text, with: $0, matchers, addSpecialTokens, maxLength, into: &ids) }
            return ids
        }
    }

    /// Same as `encode(_:)`, but for UTF-8 bytes. Each invalid subpart is treated as U+FFFD.
    public func encode(
        utf8: UnsafeRawBufferPointer, specialTokens: SpecialTokensInText, addSpecialTokens: Bool = false,
        maxLength: Int? = nil
    ) -> [Int32] {
        var ids: [Int32] = []
        ids.reserveCapacity(utf8.count / 3 + 4)
        encode(
            utf8: utf8, specialTokens: specialTokens, addSpecialTokens: addSpecialTokens, maxLength: maxLength,
            appendingTo: &ids)
        return ids
    }

    /// Same as `encode(utf8:)`, but appends to `ids`.
    public func encode(
        utf8: UnsafeRawBufferPointer, specialTokens: SpecialTokensInText, addSpecialTokens: Bool = false,
        maxLength: Int? = nil, appendingTo ids: inout [Int32]
    ) {
        let matchers = matchers(specialTokens)
        let text = utf8.bindMemory(to: UInt8.self)
        withEncoder { encoder in
            if let repaired = UTF8Repair.repaired(text) {
                repaired.withUnsafeBufferPointer {
                    encode(valid: $0, with: encoder, matchers, addSpecialTokens, maxLength, into: &ids)
                }
            } else {
                encode(valid: text, with: encoder, matchers, addSpecialTokens, maxLength, into: &ids)
            }
        }
    }

    /// Encodes texts independently of each other, on all threads of the pool.
    public func encodeBatch(
        _ texts: [String], specialTokens: SpecialTokensInText, addSpecialTokens: Bool = false
    ) -> [[Int32]] {
        let matchers = matchers(specialTokens)
        let pieces = min(texts.count, ThreadPool.shared.threads * 16)
        return [[Int32]](unsafeUninitializedCapacity: texts.count) { results, count in
            let start = results.baseAddress!
            ThreadPool.shared.forEach(pieces) { piece in
                withEncoder { encoder in
                    for index in texts.count * piece / pieces..<texts.count * (piece + 1) / pieces {
                        var text = texts[index]
                        var ids: [Int32] = []
                        text.withUTF8 { text in
                            ids.reserveCapacity(text.count / 3 + 4)
                            encode(valid: text, with: encoder, matchers, addSpecialTokens, nil, into: &ids)
                        }
                        (start + index).initialize(to: ids)
                    }
                }
            }
            count = texts.count
        }
    }

    /// Returns the tokens that this tokenizer divides a token of another one into: a single one if it has the same token.
    ///
    /// The bytes of the token are merged as one word. They need not be valid UTF-8: a token may be part of a character.
    public func pieces(of token: Int32, from other: ByteLevelBPETokenizer) -> [Int32] {
        guard let text = other.token(token) else { return [] }
        if let id = id(of: text) { return [id] }
        return withEncoder { $0.encodeWord(other.decodeBytes([token])) }
    }

    private func withEncoder<Result>(_ body: (WordEncoder) -> Result) -> Result {
        let taken = idle.withLock { $0.popLast() } ?? SendableEncoder(encoder: WordEncoder(model: model))
        defer { idle.withLock { $0.append(taken) } }
        return body(taken.encoder)
    }

    private func encode(
        valid text: UnsafeBufferPointer<UInt8>, with encoder: WordEncoder, _ matchers: AddedTokenMatchers,
        _ addSpecialTokens: Bool, _ maxLength: Int?, into ids: inout [Int32]
    ) {
        var around: (cls: Int32, sep: Int32)?
        if addSpecialTokens, case .roberta(let cls, let sep, _) = components.postProcessor { around = (cls.id, sep.id) }
        if let around { ids.append(around.cls) }
        let body = ids.count
        encodeAll(text, with: encoder, matchers, continues: false, into: &ids)
        if let limit = maxLength ?? components.truncation?.maxLength {
            let room = max(limit - (around == nil ? 0 : 2), 0)
            let excess = ids.count - body - room
            if excess > 0 {
                let cutsLeft = maxLength == nil && components.truncation?.direction == .left
                if cutsLeft { ids.removeSubrange(body..<body + excess) } else { ids.removeLast(excess) }
            }
        }
        if let around { ids.append(around.sep) }
    }

    /// - Parameter continues: whether the preceding text was encoded separately and did not end with an added token
    private func encodeAll(
        _ text: UnsafeBufferPointer<UInt8>, with encoder: WordEncoder, _ matchers: AddedTokenMatchers, continues: Bool,
        into ids: inout [Int32]
    ) {
        guard let bytes = text.baseAddress else { return }
        split(
            bytes, 0, text.count, by: matchers.first,
            else: { start, end in
                split(
                    bytes, start, end, by: matchers.second,
                    else: { start, end in
                        encodePiece(
                            bytes + start, end - start, begins: !continues || start > 0, with: encoder, into: &ids)
                    }, token: { ids.append($0) })
            }, token: { ids.append($0) })
    }

    /// Encodes one part of a text that was split by `TokenStream`.
    func encodePart(
        _ text: UnsafeBufferPointer<UInt8>, specialTokens: SpecialTokensInText, continues: Bool
    ) -> [Int32] {
        let matchers = matchers(specialTokens)
        var ids: [Int32] = []
        ids.reserveCapacity(text.count / 3 + 4)
        withEncoder { encodeAll(text, with: $0, matchers, continues: continues, into: &ids) }
        return ids
    }

    /// Calls `token` for each added token found by `matcher` and `piece` for the text between them, in order.
    @inline(__always)
    private func split(
        _ text: UnsafePointer<UInt8>, _ start: Int, _ end: Int, by matcher: AddedTokenMatcher,
        else piece: (Int, Int) -> Void, token: (Int32) -> Void
    ) {
        guard !matcher.isEmpty else { return start < end ? piece(start, end) : () }
        var done = 0
        var position = 0
        while let (match, resume) = matcher.next(text + start, from: position, floor: done, end: end - start) {
            if done < match.start { piece(start + done, start + match.start) }
            token(match.id)
            done = match.end
            position = resume
        }
        if done < end - start { piece(start + done, end) }
    }

    private func encodePiece(
        _ text: UnsafePointer<UInt8>, _ count: Int, begins: Bool, with encoder: WordEncoder, into ids: inout [Int32]
    ) {
        if begins && components.preTokenizer.addPrefixSpace && text[0] != UInt8(ascii: " ") {
            let prefixed = [UInt8(ascii: " ")] + UnsafeBufferPointer(start: text, count: count)
            prefixed.withUnsafeBufferPointer { encoder.encode($0.baseAddress!, $0.count, into: &ids) }
        } else {
            encoder.encode(text, count, into: &ids)
        }
    }

    // MARK: Decoding

    /// Decodes ids to text. Invalid UTF-8 is replaced by U+FFFD, and invalid ids are ignored.
    public func decode(_ ids: [Int32], skipSpecialTokens: Bool = false) -> String {
        String(decoding: decodeBytes(ids, skipSpecialTokens: skipSpecialTokens), as: UTF8.self)
    }

    /// Decodes ids to bytes. A character may be split between tokens.
    public func decodeBytes(_ ids: [Int32], skipSpecialTokens: Bool = false) -> [UInt8] {
        var bytes: [UInt8] = []
        bytes.reserveCapacity(ids.count * 4)
        for id in ids where id >= 0 && id < vocabularySize && !(skipSpecialTokens && isSpecial(id)) {
            bytes += decoded[decodedStart[Int(id)]..<decodedStart[Int(id) + 1]]
        }
        return bytes
    }
}
