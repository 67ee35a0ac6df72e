/// Cuts text into words as GPT-2's pattern does, without a regular-expression engine:
///
///     's|'t|'re|'ve|'m|'ll|'d| ?\p{L}+| ?\p{N}+| ?[^\s\p{L}\p{N}]+|\s+(?!\S)|\s+
///
/// Every character belongs to exactly one of the pattern's four classes, so that a word is a run of one class, with at
/// most one space before it. The text must be valid UTF-8: nothing is checked here.
struct PreTokenizer {
    private let classes = UnicodeClasses.shared
    private let ofByte = UnicodeClasses.shared.ofByte

    /// The end of the word that begins at `start`, where `start < end`.
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

    /// Bytes of a word that are counted as one word. A longer one, as a line without a space makes it, is counted in pieces:
    /// what is held of a text is bounded whatever its words.
    static let longestCounted = 4096
    /// So many bytes more are still one word, so that what follows a piece begins as the word went on: a piece never begins
    /// with an apostrophe that takes a letter with it, or with a space that belongs to the next word.
    private static let slack = 8
    /// What stands closer to the end of a block may look otherwise with the text that follows.
    private static let lookahead = 16

    /// The end of the first piece of the word `start..<end`: its own end, where it is not too long to be counted as one.
    func pieceEnd(_ text: UnsafePointer<UInt8>, _ start: Int, _ end: Int) -> Int {
        guard end - start > Self.longestCounted + Self.slack else { return end }
        var cut = start + Self.longestCounted
        while text[cut] & 0xC0 == 0x80, cut > start + Self.longestCounted - 4 { cut -= 1 }
        return cut
    }

    /// Where a block of valid UTF-8 can be cut that `lastCut` and `lastCutBetweenClasses` find no place in: behind the last
    /// word that is whole whatever follows, else behind the last whole piece of the word that fills it.
    /// - Parameter end: more than `longestCounted` and what is looked ahead
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

    /// The end of the run of characters of one class that goes on at `start`.
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

    /// `\s+(?!\S)|\s+`: all spaces up to the end of the text, else all but the last, else the one there is.
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

    /// The length of `'s`, `'t`, `'re`, `'ve`, `'m`, `'ll` or `'d` at the beginning of `text`.
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

    /// Whether the character before `position` is a space of the pattern.
    func isSpace(before position: Int, of text: UnsafePointer<UInt8>) -> Bool {
        var start = position - 1
        while start > 0 && position - start < 4 && text[start] & 0xC0 == 0x80 { start -= 1 }
        // Bytes that are no character become U+FFFD, which is none either.
        guard let code = UTF8Repair.character(text + start, position - start) else { return false }
        return classes.of(code) == UnicodeClasses.space
    }

    /// The last place up to `end` where the text can be cut so that the words of both sides are the words of the whole:
    /// before ASCII white space that follows something else. The text need not be valid UTF-8.
    /// - Returns: null where there is no such place behind `start`
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

    /// As `lastCut`, for valid UTF-8 without white space to cut at: between two classes, but never at an apostrophe,
    /// which may take letters with it.
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
