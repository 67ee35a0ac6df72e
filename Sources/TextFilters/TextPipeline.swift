/// A sequence of filters that is applied to valid UTF-8.
public struct TextPipeline: Sendable {
    private let filters: [TextFilter]
    private let joiner: LineJoiner?
    private let words: HyphenatedWords

    /// - Parameters:
    ///   - joiner: joins lines for `unwrap`, which otherwise has no effect
    ///   - words: words that `dehyphenate` joins
    public init(_ filters: [TextFilter], joiner: LineJoiner? = nil, words: HyphenatedWords = HyphenatedWords()) {
        self.filters = filters.filter { !$0.appliesToCorpus }
        self.joiner = joiner
        self.words = words
    }

    /// Whether there are no filters.
    public var isEmpty: Bool { filters.isEmpty }

    /// The names of the filters, in order, with counts of zero.
    public var counts: [FilterCount] { filters.map { FilterCount($0.name) } }

    /// Applies the filters to a text.
    /// - Parameter seen: the texts that `dedupeLines` has passed so far
    /// - Returns: false if one of the filters drops the text
    public func apply(to text: inout [UInt8], seen: SeenTexts) -> Bool {
        filters.allSatisfy { apply($0, to: &text, seen) }
    }

    /// Applies the filters to a text and counts what each of them leaves. A filter that leaves only white space drops
    /// the text.
    /// - Parameter counts: has the form of `self.counts`
    public func apply(to text: inout [UInt8], seen: SeenTexts, counts: inout ArraySlice<FilterCount>) -> Bool {
        precondition(counts.count == filters.count)
        for (filter, index) in zip(filters, counts.indices) {
            counts[index].addBefore(bytes: text.count)
            guard apply(filter, to: &text, seen), text.wordCount(upTo: 1) == 1 else { return false }
            counts[index].addAfter(bytes: text.count)
        }
        return true
    }

    /// Returns false if the filter drops the text.
    private func apply(_ filter: TextFilter, to text: inout [UInt8], _ seen: SeenTexts) -> Bool {
        switch filter {
        case .lowercase: text.lowercase()
        case .keep(let characters): text.keep(characters)
        case .stripURLs: text.stripURLs()
        case .stripMentions: text.stripMentions()
        case .stripANSI: text.stripANSI()
        case .unwrap: joiner?.join(&text)
        case .dehyphenate: words.joinHyphenated(&text)
        case .minWords(let least): return text.wordCount(upTo: least) == least
        case .maxWords(let most): return text.wordCount(upTo: most + 1) <= most
        case .dedupeLines: return seen.insert(text)
        case .gutenberg, .dedupeDocuments, .nearDuplicates: break
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
    private var documents: Set<UInt64> = []
    /// By the share of the text that they have in common.
    private var nearDuplicates: [Double: NearDuplicates] = [:]

    public init() {}

    /// Inserts the hash of a whole line, paragraph or record for `dedupe_documents`.
    /// - Returns: false if it was inserted before
    public func insertDocument(hash: UInt64) -> Bool { documents.insert(hash).inserted }

    /// Inserts a whole line, paragraph or record for `near_duplicates`.
    /// - Returns: false if it has the share of its text in common with one that was inserted before with the same share
    public func insertDocument(_ sketch: TextSketch, share: Double) -> Bool {
        let seen = nearDuplicates[share] ?? NearDuplicates(share: share)
        nearDuplicates[share] = seen
        return seen.insert(sketch)
    }

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
