/// Encodes a text incrementally, with the same ids as `encode` for the whole text, in constant memory.
///
/// The text is split only at word boundaries, and never inside or directly after an added token. If the tokenizer
/// truncates long texts, the whole text is encoded at once.
public struct TokenStream: Sendable {
    /// Thrown if the text cannot be split because of a long word.
    public struct WordTooLong: Error, Equatable, CustomStringConvertible {
        public let limit: Int
        public init(limit: Int) { self.limit = limit }
        public var description: String { "has a word of more than \(limit) bytes" }
    }

    /// Size of a part in bytes, if the text can be split there.
    public static let partBytes = 1 << 16
    /// Maximum number of bytes without a possible split.
    public static let longestWord = 1 << 18

    private let tokenizer: ByteLevelBPETokenizer
    private let specialTokens: SpecialTokensInText
    private let added: [[UInt8]]
    private var text: String
    private var position = 0
    private let count: Int

    /// - Parameter specialTokens: how special tokens that occur in the text are encoded
    public init(_ tokenizer: ByteLevelBPETokenizer, _ text: String, specialTokens: SpecialTokensInText) {
        self.tokenizer = tokenizer
        self.specialTokens = specialTokens
        var text = text
        text.makeContiguousUTF8()
        self.text = text
        count = text.utf8.count
        let added = tokenizer.findsAddedTokens(specialTokens) ? tokenizer.components.addedTokens : []
        self.added = added.map { Array($0.content.utf8) }.filter { !$0.isEmpty }
    }

    /// Maximum size in bytes of the next part.
    public var nextBytes: Int { min(count - position, Self.partBytes) }

    /// Returns the ids of the next part, or nil at the end.
    public mutating func next() throws(WordTooLong) -> [Int32]? {
        guard position < count else { return nil }
        guard tokenizer.components.truncation == nil else {
            position = count
            return tokenizer.encode(text, specialTokens: specialTokens)
        }
        let start = position
        let found: (ids: [Int32], end: Int)? = text.withUTF8 { [tokenizer, specialTokens, added, count] text in
            guard let end = Self.end(of: text.baseAddress!, from: start, count: count, added: added) else { return nil }
            let part = UnsafeBufferPointer(rebasing: text[start..<end])
            return (tokenizer.encodePart(part, specialTokens: specialTokens, continues: start > 0), end)
        }
        guard let found else { throw WordTooLong(limit: Self.longestWord) }
        position = found.end
        return found.ids
    }

    /// Returns the end of the part that starts at `start`, or nil if there is no split within `longestWord` bytes.
    private static func end(
        of text: UnsafePointer<UInt8>, from start: Int, count: Int, added: [[UInt8]]
    ) -> Int? {
        let preTokenizer = PreTokenizer()
        /// Whether no added token spans or ends at `cut`.
        func isFree(_ cut: Int) -> Bool {
            added.allSatisfy { content in
                (1...content.count).allSatisfy { before in
                    let first = cut - before
                    guard first >= 0, first + content.count <= count else { return true }
                    return !content.indices.allSatisfy { content[$0] == text[first + $0] }
                }
            }
        }
        var size = partBytes
        while true {
            guard size < count - start else { return count }
            var end = start + size
            while let cut = preTokenizer.lastCut(text, from: start, to: end) {
                if isFree(cut) { return cut }
                end = cut
            }
            end = start + size
            while text[end] & 0xC0 == 0x80 { end -= 1 }
            if let cut = preTokenizer.lastCutBetweenClasses(text, from: start, to: end, where: isFree) { return cut }
            guard size < longestWord else { return nil }
            size *= 2
        }
    }
}
