/// Splits text into words according to GPT-2's pattern, without a regular expression engine:
///
///     's|'t|'re|'ve|'m|'ll|'d| ?\p{L}+| ?\p{N}+| ?[^\s\p{L}\p{N}]+|\s+(?!\S)|\s+
///
/// Every character belongs to exactly one of the four classes of the pattern, so a word is a run of one class,
/// optionally preceded by one space. The text must be valid UTF-8, which is not checked.
struct PreTokenizer {
    private let classes = UnicodeClasses.shared
    private let ofByte = UnicodeClasses.shared.ofByte

    /// Returns the end of the word that starts at `start`, where `start < end`.
    @inline(__always)
    func wordEnd(_ text: UnsafePointer<UInt8>, _ start: Int, _ end: Int) -> Int {
        let first = text[start]
        if first == UInt8(ascii: " ") {
            if start + 1 == end { return end }
            let next = classes.ofCharacter(text + (start + 1))
            if next.class == UnicodeClasses.space { return spacesEnd(text, start, end) }
            return runEnd(text, start + 1 + next.length, end, of: next.class)
        }
        if first == UInt8(ascii: "'"), let length = contraction(text + start, end - start) { return start + length }
        let this = classes.ofCharacter(text + start)
        if this.class == UnicodeClasses.space { return spacesEnd(text, start, end) }
        return runEnd(text, start + this.length, end, of: this.class)
    }

    /// Maximum number of bytes that are counted as one word. A longer word, such as a line without spaces, is counted
    /// in pieces, which bounds memory.
    static let longestCounted = 4096
    /// A word that is longer by at most this many bytes is still one word. Prevents a piece from starting with an
    /// apostrophe that belongs to a contraction or with a space that belongs to the next word.
    private static let slack = 8
    /// The boundaries of words closer than this to the end of a block may depend on the following text.
    private static let lookahead = 16

    /// Returns the end of the first piece of the word `start..<end`, which is `end` unless the word is too long.
    func pieceEnd(_ text: UnsafePointer<UInt8>, _ start: Int, _ end: Int) -> Int {
        guard end - start > Self.longestCounted + Self.slack else { return end }
        var cut = start + Self.longestCounted
        while text[cut] & 0xC0 == 0x80, cut > start + Self.longestCounted - 4 { cut -= 1 }
        return cut
    }

    /// Returns a position to split a block of valid UTF-8 in which `lastCut` and `lastCutBetweenClasses` find none:
    /// after the last word that cannot continue, or else after the last complete piece of the word that fills the
    /// block.
    /// - Parameter end: greater than `longestCounted + lookahead`
    func lastCutOfPieces(_ text: UnsafePointer<UInt8>, to end: Int) -> Int {
        let last = end - Self.lookahead
        var start = 0
        while true {
            let wordEnd = wordEnd(text, start, end)
            guard wordEnd <= last else {
                if start > 0 { return start }
                break
            }
            start = wordEnd
        }
        while true {
            let piece = pieceEnd(text, start, end)
            guard piece <= last else { return start }
            start = piece
        }
    }

    /// Returns the end of the run of characters of one class that continues at `start`.
    @inline(__always)
    private func runEnd(_ text: UnsafePointer<UInt8>, _ start: Int, _ end: Int, of wanted: UInt8) -> Int {
        var position = start
        while position < end {
            let single = ofByte[Int(text[position])]
            if single == wanted {
                position &+= 1
            } else if single == UnicodeClasses.multibyte {
                let next = classes.ofCharacter(text + position)
                if next.class != wanted { break }
                position &+= next.length
            } else {
                break
            }
        }
        return position
    }

    /// Matches `\s+(?!\S)|\s+`: all spaces at the end of the text, otherwise all but the last space, but at least one.
    private func spacesEnd(_ text: UnsafePointer<UInt8>, _ start: Int, _ end: Int) -> Int {
        var position = start
        var last = start
        while position < end {
            let next = classes.ofCharacter(text + position)
            if next.class != UnicodeClasses.space { return last > start ? last : position }
            last = position
            position += next.length
        }
        return end
    }

    /// Returns the length of `'s`, `'t`, `'re`, `'ve`, `'m`, `'ll` or `'d` at the start of `text`, or nil.
    @inline(__always)
    private func contraction(_ text: UnsafePointer<UInt8>, _ count: Int) -> Int? {
        guard count >= 2 else { return nil }
        switch text[1] {
        case UInt8(ascii: "s"), UInt8(ascii: "t"), UInt8(ascii: "m"), UInt8(ascii: "d"): return 2
        case UInt8(ascii: "r"), UInt8(ascii: "v"): return count >= 3 && text[2] == UInt8(ascii: "e") ? 3 : nil
        case UInt8(ascii: "l"): return count >= 3 && text[2] == UInt8(ascii: "l") ? 3 : nil
        default: return nil
        }
    }

    /// Whether the character before `position` is in the class `\s`.
    func isSpace(before position: Int, of text: UnsafePointer<UInt8>) -> Bool {
        var start = position - 1
        while start > 0 && position - start < 4 && text[start] & 0xC0 == 0x80 { start -= 1 }
        // Invalid bytes become U+FFFD, which is not a space.
        guard let code = UTF8Repair.character(text + start, position - start) else { return false }
        return classes.of(code) == UnicodeClasses.space
    }

    /// Returns the last position before `end` where the text can be split without changing its words: before ASCII
    /// white space that follows a character of another class. The text may contain invalid UTF-8.
    /// - Returns: nil if there is no such position after `start`
    func lastCut(_ text: UnsafePointer<UInt8>, from start: Int, to end: Int) -> Int? {
        var position = end - 1
        while position > start {
            if ofByte[Int(text[position])] == UnicodeClasses.space && !isSpace(before: position, of: text) {
                return position
            }
            position -= 1
        }
        return nil
    }

    /// Same as `lastCut`, but for valid UTF-8 without white space: splits between two classes, except at an apostrophe,
    /// which may start a contraction.
    func lastCutBetweenClasses(
        _ text: UnsafePointer<UInt8>, from start: Int, to end: Int, where isAllowed: (Int) -> Bool = { _ in true }
    ) -> Int? {
        var position = start
        var before: UInt8?
        var cut: Int?
        while position < end {
            let this = classes.ofCharacter(text + position)
            if let before, before != this.class, before != UnicodeClasses.space,
                text[position - 1] != UInt8(ascii: "'"), isAllowed(position)
            {
                cut = position
            }
            before = this.class
            position += this.length
        }
        return cut
    }
}
