/// The ids of a text a part at a time: those that `encode` gives for the whole text, in memory that does not grow with it.
///
/// A text is cut where words end anyway, never in, and never right behind, an added token. Where `tokenizer.json` cuts
/// texts that are too long, the text is one part.
public struct TokenStream: Sendable {
    /// A text without a place to cut it.
    public struct WordTooLong: Error, Equatable, CustomStringConvertible {
        public let limit: Int
        public init(limit: Int) { self.limit = limit }
        public var description: String { "has a word of more than \(limit) bytes" }
    }

    /// Bytes of a part, where the text can be cut in time.
    public static let partBytes = 1 << 16
    /// Bytes without a place to cut: more than that is no text.
    public static let longestWord = 1 << 18

    private let tokenizer: ByteLevelBPETokenizer
    private let added: [[UInt8]]
    private var text: String
    private var position = 0
    private let count: Int

    public init(_ tokenizer: ByteLevelBPETokenizer, _ text: String) {
        self.tokenizer = tokenizer
        var text = text
        text.makeContiguousUTF8()
        self.text = text
        count = text.utf8.count
        added = tokenizer.components.addedTokens.map { Array($0.content.utf8) }.filter { !$0.isEmpty }
    }

    /// Bytes that the next part may have at most.
    public var nextBytes: Int { min(count - position, Self.partBytes) }

    /// The ids of the next part; nil at the end.
    public mutating func next() throws(WordTooLong) -> [Int32]? {
        guard position < count else { return nil }
        guard tokenizer.components.truncation == nil else {
            position = count
            return tokenizer.encode(text)
        }
        let start = position
        let found: (ids: [Int32], end: Int)? = text.withUTF8 { [tokenizer, added, count] text in
            guard let end = Self.end(of: text.baseAddress!, from: start, count: count, added: added) else { return nil }
            let part = UnsafeBufferPointer(rebasing: text[start..<end])
            return (tokenizer.encodePart(part, continues: start > 0), end)
        }
        guard let found else { throw WordTooLong(limit: Self.longestWord) }
        position = found.end
        return found.ids
    }

    /// Where a part ends that begins at `start`; nil where no place is near enough.
    private static func end(
        of text: UnsafePointer<UInt8>, from start: Int, count: Int, added: [[UInt8]]
    ) -> Int? {
        let preTokenizer = PreTokenizer()
        /// Whether an added token lies across `cut`, or ends there.
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
