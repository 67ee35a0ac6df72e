/// Composes plain text from the pieces of a document: collapses white space, separates lines and paragraphs, and puts
/// notes after the paragraph that refers to them.
///
/// Separators are written only between texts, so that there are no empty paragraphs. Memory is bounded by what is added
/// between two calls of `takeOutput`, and by `longestNotes`.
struct ParagraphWriter {
    enum Separator: UInt8, Comparable {
        case none, tab, line, paragraph

        static func < (left: Self, right: Self) -> Bool { left.rawValue < right.rawValue }
    }

    private enum Space { case none, breaking, noBreak }

    /// The state of the text before a note began.
    private struct Place {
        var output: [UInt8]
        var separator: Separator
        var space: Space
        var hasText: Bool
    }

    /// Bytes of notes, and of the text around those that have begun, that are held back until the end of their paragraph.
    /// A paragraph with more is ended early.
    static let longestNotes = 1 << 20
    /// Maximum indentation of a preformatted line; white space beyond it is left out.
    private static let mostIndentation = 400
    /// Number of output bytes that are retained for `joinToNext`.
    private static let keptBytes = 4

    private var output: [UInt8] = []
    private var separator = Separator.none
    private var space = Space.none
    /// White space before the next text of a preformatted line.
    private var indentation: [UInt8] = []
    private var hasText = false
    /// Whether the last byte was 0xC2, which begins a no-break space and a soft hyphen.
    private var isAfterC2 = false
    private var notes: [UInt8] = []
    private var places: [Place] = []
    /// Number of bytes in `places`.
    private var bytesInPlaces = 0

    /// Whether any text was written.
    private(set) var hasContent = false
    /// Whether text was written since `beginItem`.
    private(set) var isAtItemStart = false
    /// Number of paragraphs begun.
    private(set) var paragraphs = 0

    /// Number of bytes of output that are held.
    var heldBytes: Int { output.count + notes.count + bytesInPlaces }
    var isInNote: Bool { !places.isEmpty }
    /// Number of paragraphs that will have begun when the next text is written.
    var nextParagraph: Int { paragraphs + (separator == .paragraph || !hasText ? 1 : 0) }

    /// Passes the output so far to `take` and forgets it.
    mutating func takeOutput(_ take: (UnsafeRawBufferPointer) throws -> Void) rethrows {
        guard places.isEmpty, output.count > Self.keptBytes else { return }
        // Cut before a character, so that pieces are valid by themselves.
        var end = output.count - Self.keptBytes
        while end > 0, output[end] & 0xC0 == 0x80 { end -= 1 }
        guard end > 0 else { return }
        try output.withUnsafeBytes { try take(UnsafeRawBufferPointer(rebasing: $0[..<end])) }
        output.removeFirst(end)
    }

    /// Ends the text and passes the rest of the output to `take`.
    mutating func finish(_ take: (UnsafeRawBufferPointer) throws -> Void) rethrows {
        while isInNote { endNote() }
        separate(.paragraph)
        if hasContent { output.append(UInt8(ascii: "\n")) }
        if !output.isEmpty { try output.withUnsafeBytes(take) }
        output = []
    }

    // MARK: Text

    /// Adds text whose white space is collapsed.
    mutating func text(_ bytes: UnsafeBufferPointer<UInt8>) {
        var index = bytes.startIndex
        if isAfterC2 { index = afterC2(bytes, index) }
        while index < bytes.endIndex {
            let begin = index
            index = endOfRun(bytes, index)
            if index > begin {
                beginText()
                output.append(contentsOf: UnsafeBufferPointer(rebasing: bytes[begin..<index]))
            }
            guard index < bytes.endIndex else { return }
            let byte = bytes[index]
            index += 1
            switch byte {
            case 0xC2:
                isAfterC2 = true
                index = afterC2(bytes, index)
            default: space = .breaking
            }
        }
    }

    /// Returns the end of the text at an index that is written unchanged: words with single spaces between them.
    @inline(__always)
    private func endOfRun(_ bytes: UnsafeBufferPointer<UInt8>, _ begin: Int) -> Int {
        guard begin < bytes.count, isPlain(bytes[begin]) else { return begin }
        var index = begin &+ 1
        while index < bytes.count {
            if isPlain(bytes[index]) {
                index &+= 1
            } else if bytes[index] == 0x20, index &+ 1 < bytes.count, isPlain(bytes[index &+ 1]) {
                index &+= 2
            } else {
                break
            }
        }
        return index
    }

    /// Whether a byte is written unchanged. Control characters count as white space.
    @inline(__always)
    private func isPlain(_ byte: UInt8) -> Bool { byte > 0x20 && byte != 0xC2 }

    /// Adds text whose lines and spaces stay.
    mutating func preformatted(_ bytes: UnsafeBufferPointer<UInt8>) {
        var begin = bytes.startIndex
        for index in bytes.indices where bytes[index] <= 0x20 {
            addRun(bytes[begin..<index])
            begin = index + 1
            switch bytes[index] {
            case UInt8(ascii: "\n"): newLine()
            // Decoded text has no NUL.
            case 0, UInt8(ascii: "\r"): break
            default: if indentation.count < Self.mostIndentation { indentation.append(bytes[index]) }
            }
        }
        addRun(bytes[begin...])
    }

    mutating func text(_ scalar: Unicode.Scalar) { scalar.withUTF8 { text($0) } }

    private mutating func addRun(_ bytes: Slice<UnsafeBufferPointer<UInt8>>) {
        guard !bytes.isEmpty else { return }
        beginText()
        output.append(contentsOf: UnsafeBufferPointer(rebasing: bytes))
    }

    /// Handles the byte after 0xC2 if it has arrived.
    private mutating func afterC2(_ bytes: UnsafeBufferPointer<UInt8>, _ index: Int) -> Int {
        guard index < bytes.endIndex else { return index }
        isAfterC2 = false
        switch bytes[index] {
        case 0xA0:
            // Padding such as `&nbsp; &nbsp;` is like other white space.
            space = space == .none ? .noBreak : .breaking
            return index + 1
        // A soft hyphen is only visible at the end of a line.
        case 0xAD: return index + 1
        default:
            beginText()
            output.append(0xC2)
            return index
        }
    }

    @inline(__always)
    private mutating func beginText() {
        if separator != .none || space != .none || !hasText || !indentation.isEmpty { writeSeparator() }
    }

    private mutating func writeSeparator() {
        if hasText {
            switch (separator, space) {
            case (.none, .none): break
            case (.none, .breaking): output.append(UInt8(ascii: " "))
            case (.none, .noBreak): output.append(contentsOf: [0xC2, 0xA0])
            case (.tab, _): output.append(UInt8(ascii: "\t"))
            case (.line, _): output.append(UInt8(ascii: "\n"))
            case (.paragraph, _):
                output.append(UInt8(ascii: "\n"))
                output.append(UInt8(ascii: "\n"))
            }
        }
        if !indentation.isEmpty {
            output.append(contentsOf: indentation)
            indentation.removeAll(keepingCapacity: true)
        }
        if separator == .paragraph || !hasText { paragraphs += 1 }
        (separator, space) = (.none, .none)
        (hasText, hasContent, isAtItemStart) = (true, true, false)
    }

    // MARK: Separators

    /// Separates the text so far from the text that follows by at least this separator.
    mutating func separate(_ wanted: Separator) {
        separator = max(separator, wanted)
        (space, isAfterC2) = (.none, false)
        if !indentation.isEmpty { indentation.removeAll(keepingCapacity: true) }
        if separator == .paragraph, !notes.isEmpty, places.isEmpty { writeNotes() }
    }

    /// Separates by exactly this separator, unless nothing was written since the beginning of the item.
    mutating func endItem(_ wanted: Separator) {
        if !isAtItemStart, separator >= wanted { separator = wanted } else { separate(wanted) }
        isAtItemStart = false
    }

    /// Begins a list item or a table cell: a paragraph at its very beginning needs no separator of its own.
    mutating func beginItem(_ wanted: Separator) {
        separate(wanted)
        isAtItemStart = true
    }

    /// Begins a paragraph.
    mutating func beginParagraph() {
        if !isAtItemStart { separate(.paragraph) }
    }

    /// Breaks the line; a second break without text between them ends the paragraph.
    mutating func newLine() { separate(separator == .line ? .paragraph : .line) }

    /// Adds white space.
    mutating func addSpace() { if space == .none { space = .breaking } }

    /// Joins the word so far to the text that follows, without a hyphen at the end of the word.
    mutating func joinToNext() {
        guard separator == .none, hasText else { return }
        (space, isAfterC2) = (.none, false)
        for hyphen in Self.hyphens where output.suffix(hyphen.count).elementsEqual(hyphen) {
            output.removeLast(hyphen.count)
            return
        }
    }

    private static let hyphens = ["-", "\u{2010}", "\u{00AC}", "\u{2E17}"].map { Array($0.utf8) }

    // MARK: Notes

    /// Begins a note: text up to `endNote` is written after the current paragraph.
    mutating func beginNote() {
        bytesInPlaces += output.count
        places.append(Place(output: output, separator: separator, space: space, hasText: hasText))
        (output, separator, space, hasText) = ([], .none, .none, false)
    }

    mutating func endNote() {
        guard let place = places.popLast() else { return }
        bytesInPlaces -= place.output.count
        let note = output
        (output, separator, space, hasText) = (place.output, place.separator, place.space, place.hasText)
        isAfterC2 = false
        indentation.removeAll(keepingCapacity: true)
        guard !note.isEmpty else { return }
        if !notes.isEmpty { notes.append(contentsOf: Array("\n\n".utf8)) }
        notes.append(contentsOf: note)
        if notes.count > Self.longestNotes { separate(.paragraph) }
    }

    /// Ends the notes that have begun if they, with those inside them, are too long to be held back.
    mutating func boundNotes() {
        guard isInNote, heldBytes > Self.longestNotes else { return }
        while isInNote { endNote() }
    }

    private mutating func writeNotes() {
        if hasText { output.append(contentsOf: Array("\n\n".utf8)) }
        output.append(contentsOf: notes)
        notes.removeAll()
        (hasText, separator) = (true, .paragraph)
    }
}
