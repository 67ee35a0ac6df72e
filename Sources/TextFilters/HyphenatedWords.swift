/// The words of a text that are hyphenated at the end of a line and occur elsewhere in one piece.
///
/// Found in two passes over the text: `collect` its hyphenated words, then `look` for them and `finish`. Words are
/// represented by 64-bit hashes of their letters, without regard to the case of ASCII letters.
public struct HyphenatedWords: Sendable, Equatable {
    /// Maximum number of words that are looked for; hyphens in others are kept.
    public static let mostWords = 1 << 18
    /// Maximum size of a word in bytes.
    static let longestWord = 64

    private var candidates: Set<UInt64> = []
    private var found: Set<UInt64> = []

    public init() {}

    /// Whether there is nothing to look for.
    public var isEmpty: Bool { candidates.isEmpty }

    /// Number of words that occur in one piece.
    public var foundCount: Int { found.count }

    /// Adds the word that ends at the end of a line and continues on the next one, if any.
    /// - Parameter line, next: valid UTF-8
    public mutating func collect(_ line: [UInt8], _ next: [UInt8]) {
        var line = line
        while let last = line.last, last == 0x20 || last == 0x09 { line.removeLast() }
        guard candidates.count < HyphenatedWords.mostWords, let hyphen = LineEnd.Hyphen(line), !hyphen.isSoft else {
            return
        }
        let end = next.drop { $0 == 0x20 || $0 == 0x09 }.firstWord
        let start = line.lastWord(before: line.count - hyphen.bytes)
        if let word = HyphenatedWords.hash(start, end) { candidates.insert(word) }
    }

    /// Looks for the collected words in a line.
    /// - Parameter line: valid UTF-8
    public mutating func look(in line: [UInt8]) {
        guard !candidates.isEmpty else { return }
        var start: Int?
        var index = 0
        while index < line.count {
            let (scalar, length) = line.character(at: index)
            if isLetter(scalar) {
                start = start ?? index
            } else if let first = start {
                note(line[first..<index])
                start = nil
            }
            index += length
        }
        if let start { note(line[start...]) }
    }

    /// Ends the passes and forgets the words that are not needed any more.
    public mutating func finish() { candidates = [] }

    private mutating func note(_ word: ArraySlice<UInt8>) {
        if let hash = HyphenatedWords.hash(word, []), candidates.contains(hash) { found.insert(hash) }
    }

    /// Joins the hyphenated words of a text that occur in one piece, and those with a soft hyphen. The rest of a word and
    /// the punctuation after it move up to its line; lines are otherwise kept.
    /// - Parameter text: valid UTF-8; lines end with `\n` or another of `LineEnd`
    func joinHyphenated(_ text: inout [UInt8]) {
        var lines = text.splitIntoLines()
        var emptied: Set<Int> = []
        var isChanged = false
        for index in lines.indices.dropLast() {
            var line = lines[index]
            while let last = line.last, last == 0x20 || last == 0x09 { line.removeLast() }
            guard let hyphen = LineEnd.Hyphen(line) else { continue }
            let next = lines[index + 1].drop { $0 == 0x20 || $0 == 0x09 }
            let start = line.lastWord(before: line.count - hyphen.bytes)
            guard !next.firstWord.isEmpty, hyphen.isSoft || contains(start, next.firstWord) else { continue }
            line.removeLast(hyphen.bytes)
            let end = next.firstIndex { $0 == 0x20 || $0 == 0x09 } ?? next.endIndex
            lines[index] = line + next[..<end]
            lines[index + 1] = Array(next[end...].drop { $0 == 0x20 || $0 == 0x09 })
            if lines[index + 1].isEmpty { emptied.insert(index + 1) }
            isChanged = true
        }
        guard isChanged else { return }
        lines = lines.indices.filter { !emptied.contains($0) }.map { lines[$0] }
        text = Array(lines.joined(separator: [UInt8(ascii: "\n")]))
    }

    /// Whether the word with these two parts occurs in one piece.
    func contains(_ start: ArraySlice<UInt8>, _ end: ArraySlice<UInt8>) -> Bool {
        HyphenatedWords.hash(start, end).map(found.contains) ?? false
    }

    /// Returns the FNV-1a hash of a word, or nil if a part is empty or the word too long.
    private static func hash(_ start: ArraySlice<UInt8>, _ end: ArraySlice<UInt8>) -> UInt64? {
        guard !start.isEmpty, start.count + end.count <= longestWord else { return nil }
        var hash: UInt64 = 0xcbf2_9ce4_8422_2325
        for part in [start, end] {
            for byte in part {
                let folded = byte &- UInt8(ascii: "A") < 26 ? byte | 0x20 : byte
                hash = (hash ^ UInt64(folded)) &* 0x0000_0100_0000_01b3
            }
        }
        return hash
    }
}
