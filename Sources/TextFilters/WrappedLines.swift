/// Tells whether the lines of a text were wrapped at a fixed width, from a part of the text.
///
/// A program that wraps lines ends one where the next word has no room. So in a wrapped text the first word of nearly
/// every line would not have fit on the line before it; in verse, lists and text with one sentence per line, it would.
public struct WrappedLines: Sendable {
    /// Lines that another line follows, without a blank line in between, and the line that follows.
    private var pairs: [(line: LineShape, next: LineShape)] = []

    /// Widths that text is wrapped at.
    private static let widths = 25...160
    private static let fewestPairs = 4

    public init() {}

    public mutating func add(_ line: LineShape, before next: LineShape) {
        if line.hasWords, next.hasWords, !next.startsBlock { pairs.append((line, next)) }
    }

    /// The width that the lines were wrapped at, in characters; nil if they were not wrapped.
    public var width: Int? {
        guard pairs.count >= WrappedLines.fewestPairs else { return nil }
        // Longer lines are exceptions, such as an address that cannot be wrapped.
        let lengths = pairs.map(\.line.length).sorted()
        let width = lengths[(lengths.count - 1) * 95 / 100]
        guard WrappedLines.widths.contains(width) else { return nil }
        let cased = pairs.compactMap(\.next.startsWithCapital)
        // Verse and sentences begin with a capital letter, and sentences end with a period.
        let isVerse = 2 * cased.count > pairs.count && share(of: cased) { $0 } > 0.75
        let isWrapped =
            share(of: pairs) { $0.line.isFull(before: $0.next, width: width) } >= 0.7
            && share(of: pairs) { $0.line.endsSentence } < 0.6 && share(of: pairs) { $0.line.isTabular } < 0.4
        return isWrapped && !isVerse ? width : nil
    }

    /// The width that lines were wrapped at if they were, regardless of other evidence; nil if there is none.
    public var likelyWidth: Int? {
        let lengths = pairs.map(\.line.length).filter { $0 <= WrappedLines.widths.upperBound }.sorted()
        return lengths.isEmpty ? nil : max(lengths[(lengths.count - 1) * 95 / 100], WrappedLines.widths.lowerBound)
    }

    private func share<Element>(of elements: [Element], where isCounted: (Element) -> Bool) -> Double {
        elements.isEmpty ? 0 : Double(elements.count(where: isCounted)) / Double(elements.count)
    }
}
