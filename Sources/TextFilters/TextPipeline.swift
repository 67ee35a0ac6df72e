/// A sequence of filters that is applied to valid UTF-8.
public struct TextPipeline: Sendable {
    private let filters: [TextFilter]

    public init(_ filters: [TextFilter]) { self.filters = filters }

    /// Whether there are no filters.
    public var isEmpty: Bool { filters.isEmpty }

    /// Applies the filters to a text.
    /// - Parameter seen: the texts that `dedupeLines` has passed so far
    /// - Returns: false if one of the filters drops the text
    public func apply(to text: inout [UInt8], seen: SeenTexts) -> Bool {
        for filter in filters {
            switch filter {
            case .lowercase: text.lowercase()
            case .keep(let characters): text.keep(characters)
            case .stripURLs: text.stripURLs()
            case .stripMentions: text.stripMentions()
            case .minWords(let least): guard text.wordCount(upTo: least) == least else { return false }
            case .maxWords(let most): guard text.wordCount(upTo: most + 1) <= most else { return false }
            case .dedupeLines: guard seen.insert(text) else { return false }
            }
        }
        return true
    }

    /// Applies the filters that modify text to a prompt.
    /// - Parameter mark: a token in the text that is left unchanged, such as `<mask>`; nil filters the whole text
    public func prompt(_ text: String, keeping mark: String?) -> String {
        let prompting = TextPipeline(filters.filter(\.appliesToPrompts))
        guard !prompting.isEmpty else { return text }
        let nothingSeen = SeenTexts()
        func filtered(_ text: Substring) -> String {
            var bytes = Array(text.utf8)
            _ = prompting.apply(to: &bytes, seen: nothingSeen)
            return String(decoding: bytes, as: UTF8.self)
        }
        guard let mark else { return filtered(text[...]) }
        return text.split(separator: mark, omittingEmptySubsequences: false).map(filtered).joined(separator: mark)
    }
}

/// The texts seen so far, represented by 64-bit hashes. Among ten million texts, the probability of a collision is
/// about 3 in a million. Not thread-safe.
public final class SeenTexts {
    private var hashes: Set<UInt64> = []

    public init() {}

    /// - Returns: false if the text was inserted before
    func insert(_ text: [UInt8]) -> Bool {
        // FNV-1a. The set applies its own hash function on top.
        var hash: UInt64 = 0xcbf2_9ce4_8422_2325
        for byte in text { hash = (hash ^ UInt64(byte)) &* 0x0000_0100_0000_01b3 }
        return hashes.insert(hash).inserted
    }
}

extension [UInt8] {
    /// Equivalent to `len(text.split())`, but stops counting at `limit`.
    func wordCount(upTo limit: Int) -> Int {
        var words = 0
        var isInside = false
        var index = 0
        while index < count {
            let byte = self[index]
            var length = 1
            let isSpace: Bool
            if byte < 0x80 {
                isSpace = byte <= 0x20 && isWhiteSpace(UInt32(byte))
            } else {
                let (scalar, bytes) = character(at: index)
                isSpace = isWhiteSpace(scalar)
                length = bytes
            }
            if !isSpace && !isInside {
                words += 1
                if words == limit { return words }
            }
            isInside = !isSpace
            index += length
        }
        return words
    }
}
