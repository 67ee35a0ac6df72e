/// Joins the lines of hard-wrapped paragraphs.
///
/// Verse, lists, tables and headings keep their lines: a paragraph is joined only if most of its lines have no room for
/// the first word of the next one. A hyphen at the end of a line is removed only if the joined word is one of `words`,
/// because `pre-` and `eminent` may also be `pre-eminent`.
public struct LineJoiner: Sendable {
    /// The width that the text was wrapped at, in characters.
    public let width: Int
    private let words: HyphenatedWords
    private let checksForVerse: Bool

    /// - Parameters:
    ///   - words: words that occur in the text without a hyphen
    ///   - checksForVerse: whether paragraphs whose lines begin with capital letters are kept, because it is not known that
    ///     the text as a whole is not verse
    public init(width: Int, words: HyphenatedWords = HyphenatedWords(), checksForVerse: Bool = false) {
        self.width = width
        self.words = words
        self.checksForVerse = checksForVerse
    }

    /// Replaces the line ends in a paragraph, which has no blank lines, by a space or nothing.
    /// - Parameter paragraph: valid UTF-8; lines end with `\n` or another of `LineEnd`
    public func join(_ paragraph: inout [UInt8]) {
        var lines = paragraph.splitIntoLines()
        guard lines.count > 1 else { return }
        // A piece of a long paragraph may begin with the end of a line.
        let startsWithLineEnd = lines[0].isEmpty
        if startsWithLineEnd { lines.removeFirst() }
        let shapes = lines.map { LineShape($0) }
        guard isWrapped(shapes) || startsWithLineEnd && lines.count == 1 else { return }
        guard !(checksForVerse && isVerse(shapes)) else { return }
        var joined = lines[0]
        joined.reserveCapacity(paragraph.count)
        for index in 1..<lines.count {
            if continues(shapes[index - 1], shapes[index]) {
                append(lines[index], to: &joined)
            } else {
                joined.append(UInt8(ascii: "\n"))
                joined += lines[index]
            }
        }
        paragraph = startsWithLineEnd ? [0x20] + joined : joined
    }

    private func isWrapped(_ shapes: [LineShape]) -> Bool {
        var (pairs, full) = (0, 0)
        for (line, next) in zip(shapes, shapes.dropFirst()) where line.hasWords && next.hasWords && !next.startsBlock {
            pairs += 1
            if line.isFull(before: next, width: width), !line.isTabular { full += 1 }
        }
        return pairs > 0 && 5 * full >= 3 * pairs
    }

    private func isVerse(_ shapes: [LineShape]) -> Bool {
        let cased = shapes.dropFirst().compactMap(\.startsWithCapital)
        return cased.count > 1 && 4 * cased.count(where: { $0 }) > 3 * cased.count
    }

    private func continues(_ line: LineShape, _ next: LineShape) -> Bool {
        guard line.hasWords, next.hasWords, !next.startsBlock, !next.isTabular else { return false }
        // An indented line begins a paragraph, unless it continues a list item.
        if next.indentation > line.indentation + 1, !line.startsBlock { return false }
        // So does a line after one that ends early.
        return !(line.endsSentence && 3 * line.length < 2 * width)
    }

    private func append(_ line: [UInt8], to text: inout [UInt8]) {
        while let last = text.last, last == 0x20 || last == 0x09 { text.removeLast() }
        let start = line.firstIndex { $0 != 0x20 && $0 != 0x09 } ?? line.endIndex
        let next = line[start...]
        guard !next.isEmpty else { return }
        if let hyphen = LineEnd.Hyphen(text) {
            if hyphen.isSoft || words.contains(text.lastWord(before: text.count - hyphen.bytes), next.firstWord) {
                text.removeLast(hyphen.bytes)
            }
        } else if !text.isEmpty, !text.endsWithDash {
            let before = text.character(before: text.count)?.scalar ?? 0
            if !(isUnspaced(before) && isUnspaced(Array(next.prefix(4)).character(at: 0).scalar)) { text.append(0x20) }
        }
        text += next
    }
}

/// Hyphens at the ends of lines.
enum LineEnd {
    struct Hyphen {
        /// Whether the hyphen is invisible unless it ends a line (U+00AD).
        var isSoft: Bool
        var bytes: Int

        /// The hyphen that a text ends with, after a letter; nil if there is none.
        init?(_ text: [UInt8]) {
            guard let (scalar, length) = text.character(before: text.count),
                scalar == 0x2D || scalar == 0x2010 || scalar == 0xAD,
                let before = text.character(before: text.count - length)?.scalar, isLetter(before)
            else { return nil }
            (isSoft, bytes) = (scalar == 0xAD, length)
        }
    }
}

func isLetter(_ scalar: UInt32) -> Bool {
    if scalar < 128 { return (0x61...0x7A).contains(scalar | 0x20) }
    return Unicode.Scalar(scalar)?.properties.isAlphabetic ?? false
}

extension [UInt8] {
    /// Splits valid UTF-8 after `\n`, U+0085, U+2028 and U+2029, which are not part of the lines.
    public func splitIntoLines() -> [[UInt8]] {
        var lines: [[UInt8]] = []
        var start = 0
        var index = 0
        while index < count {
            let length = lengthOfLineEnd(at: index)
            if length > 0 {
                lines.append(Array(self[start..<index]))
                start = index + length
            }
            index += Swift.max(length, 1)
        }
        lines.append(Array(self[start...]))
        return lines
    }

    /// Returns the length of the line end at an index in bytes, or 0 if there is none.
    public func lengthOfLineEnd(at index: Int) -> Int {
        switch self[index] {
        case UInt8(ascii: "\n"): 1
        case 0xC2: index + 1 < count && self[index + 1] == 0x85 ? 2 : 0
        case 0xE2:
            index + 2 < count && self[index + 1] == 0x80 && (self[index + 2] == 0xA8 || self[index + 2] == 0xA9) ? 3 : 0
        default: 0
        }
    }

    /// Whether the text ends with `--` or an em dash that follows a word directly.
    fileprivate var endsWithDash: Bool {
        guard count > 2 else { return false }
        switch (self[count - 3], self[count - 2], self[count - 1]) {
        case (let before, 0x2D, 0x2D): return !isWhiteSpace(UInt32(before))
        case (0xE2, 0x80, 0x94): return character(before: count - 3).map { !isWhiteSpace($0.scalar) } ?? false
        default: return false
        }
    }

    /// The letters directly before an index.
    func lastWord(before end: Int) -> ArraySlice<UInt8> {
        var start = end
        while let (scalar, length) = character(before: start), isLetter(scalar) { start -= length }
        return self[start..<end]
    }
}

extension ArraySlice<UInt8> {
    /// The letters that the text begins with.
    var firstWord: ArraySlice<UInt8> {
        let bytes = Array(prefix(HyphenatedWords.longestWord + 4))
        var end = 0
        while end < bytes.count, end + bytes.character(at: end).length <= bytes.count {
            let (scalar, length) = bytes.character(at: end)
            guard isLetter(scalar) else { break }
            end += length
        }
        return prefix(end)
    }
}
