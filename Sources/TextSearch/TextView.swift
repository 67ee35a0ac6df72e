import UTF8Sequences

/// How a token is followed by the next one. Ordered as texts are sorted.
enum Separator: UInt8, Comparable {
    /// The end of the text, or more than `TextView.maximumSpace` bytes of white space. No match extends beyond it.
    case end
    /// The next token follows immediately.
    case adjacent
    case space

    static func < (left: Separator, right: Separator) -> Bool { left.rawValue < right.rawValue }
}

/// A text in memory that is split into tokens. Any bytes are accepted: an invalid one is a token.
///
/// The owner of the memory must outlive the view. All positions are in bytes. Reads are within `0..<count`.
struct TextView {
    /// Maximum length of a token in bytes. A longer word becomes several tokens.
    static let maximumToken = 256
    /// Maximum length of white space between tokens that are compared as a sequence, in bytes.
    static let maximumSpace = 256

    let base: UnsafePointer<UInt8>
    let count: Int
    private let classes = CharacterClass.table

    init(_ bytes: UnsafeRawBufferPointer) {
        base = bytes.baseAddress.map { $0.assumingMemoryBound(to: UInt8.self) } ?? Self.nothing
        count = bytes.count
    }

    init(base: UnsafePointer<UInt8>, count: Int) {
        self.base = base
        self.count = count
    }

    private nonisolated(unsafe) static let nothing: UnsafePointer<UInt8> = {
        let byte = UnsafeMutablePointer<UInt8>.allocate(capacity: 1)
        byte.initialize(to: 0)
        return UnsafePointer(byte)
    }()

    /// Returns the class and length of the character at a position.
    @inline(__always)
    private func character(at position: Int) -> (class: UInt8, length: Int) {
        let byte = base[position]
        return byte < 0x80 ? (classes[Int(byte)], 1) : decoded(at: position)
    }

    private func decoded(at position: Int) -> (class: UInt8, length: Int) {
        guard let (value, length) = scalar(at: position) else { return (CharacterClass.mark.rawValue, 1) }
        return value < CharacterClass.tableEnd
            ? (classes[Int(value)], length) : (CharacterClass.beyondTable(value).rawValue, length)
    }

    /// Returns the scalar at a position and its length, or nil if the bytes are not valid.
    func scalar(at position: Int) -> (value: UInt32, length: Int)? {
        precondition(position >= 0 && position < count)
        let bytes = base + position
        guard let length = UTF8Sequence.wellFormedLength(bytes, count - position) else { return nil }
        return switch length {
        case 1: (UInt32(bytes[0]), 1)
        case 2: (UInt32(bytes[0] & 0x1F) << 6 | UInt32(bytes[1] & 0x3F), 2)
        case 3: (UInt32(bytes[0] & 0x0F) << 12 | UInt32(bytes[1] & 0x3F) << 6 | UInt32(bytes[2] & 0x3F), 3)
        default:
            (
                UInt32(bytes[0] & 0x07) << 18 | UInt32(bytes[1] & 0x3F) << 12 | UInt32(bytes[2] & 0x3F) << 6
                    | UInt32(bytes[3] & 0x3F), 4
            )
        }
    }

    /// Returns the end of the token that begins at a position, at least one byte after it.
    func tokenEnd(from start: Int) -> Int {
        precondition(start >= 0 && start < count)
        let (word, extend, joiner) = (
            CharacterClass.word.rawValue, CharacterClass.extend.rawValue, CharacterClass.joiner.rawValue
        )
        let limit = min(count, start + Self.maximumToken)
        let first = character(at: start)
        var position = start + first.length
        guard first.class == word else {
            while position < limit, base[position] >= 0x80 {
                let next = character(at: position)
                guard next.class == extend, position + next.length <= limit else { break }
                position += next.length
            }
            return position
        }
        while position < limit {
            let next = character(at: position)
            if next.class == word || next.class == extend {
                guard position + next.length <= limit else { break }
                position += next.length
            } else if next.class == joiner, position + next.length < limit {
                let after = character(at: position + next.length)
                guard after.class == word, position + next.length + after.length <= limit else { break }
                position += next.length + after.length
            } else {
                break
            }
        }
        return position
    }

    /// Returns how the token that ends at a position is followed, and where the next one begins. That is `end` if there is
    /// none in the same sequence.
    @inline(__always)
    func separator(at end: Int) -> (kind: Separator, next: Int) {
        precondition(end >= 0 && end <= count)
        guard end < count else { return (.end, end) }
        let space = CharacterClass.space.rawValue
        var next = character(at: end)
        guard next.class == space else { return (.adjacent, end) }
        var position = end
        while next.class == space {
            position += next.length
            guard position < count, position - end <= Self.maximumSpace else { return (.end, end) }
            next = character(at: position)
        }
        return (.space, position)
    }

    /// Returns the beginning of the first token at or after a position, or `count`.
    func firstToken(from position: Int) -> Int {
        var position = position
        while position < count {
            let next = character(at: position)
            guard next.class == CharacterClass.space.rawValue else { break }
            position += next.length
        }
        return position
    }

    /// Returns the beginning of the token before the one that begins at `start`, or nil if there is none in the same
    /// sequence.
    func tokenStart(before start: Int) -> Int? {
        precondition(start >= 0 && start <= count)
        // Tokens never span white space, so splitting from behind it yields the same tokens as from the beginning.
        let lowest = max(0, start - 8 * Self.maximumToken)
        var sync = start
        var position = start
        repeat {
            guard sync > lowest else { return nil }
            sync -= 1
            while sync > lowest, base[sync - 1] > 0x20 { sync -= 1 }
            // At `lowest`, a character may be cut.
            var first = sync
            while first < start, base[first] & 0xC0 == 0x80 { first += 1 }
            // White space that is not ASCII does not count as a token either.
            position = firstToken(from: first)
        } while position >= start
        while position < start {
            let (kind, next) = separator(at: tokenEnd(from: position))
            guard kind != .end else { return nil }
            if next == start { return position }
            position = next
        }
        return nil
    }

    /// Returns whether the token that begins at a position is a word rather than a mark.
    func isWord(at start: Int) -> Bool {
        let found = character(at: start).class
        return found == CharacterClass.word.rawValue || found == CharacterClass.character.rawValue
    }

    @inline(__always)
    func isSpace(at position: Int) -> (Bool, length: Int) {
        precondition(position >= 0 && position < count)
        let next = character(at: position)
        return (next.class == CharacterClass.space.rawValue, next.length)
    }
}

/// Compares two tokens bytewise; the shorter of two with a common beginning comes first. Returns −1, 0 or 1.
@inline(__always)
func tokenOrder(
    _ left: UnsafePointer<UInt8>, _ leftCount: Int, _ right: UnsafePointer<UInt8>, _ rightCount: Int
) -> Int {
    var index = 0
    let common = min(leftCount, rightCount)
    while index < common {
        if left[index] != right[index] { return left[index] < right[index] ? -1 : 1 }
        index += 1
    }
    return leftCount == rightCount ? 0 : leftCount < rightCount ? -1 : 1
}

extension TextView {
    func string(_ range: Range<Int>) -> String {
        precondition(range.lowerBound >= 0 && range.upperBound <= count)
        return String(decoding: UnsafeBufferPointer(start: base + range.lowerBound, count: range.count), as: UTF8.self)
    }
}
