/// Recognizes well-formed UTF-8 byte sequences (Unicode Standard 16, table 3-7), and the maximal parts of ill-formed
/// ones.
public enum UTF8Sequence {
    /// U+FFFD, which replaces every maximal part of an ill-formed sequence.
    public static let replacement: [UInt8] = [0xEF, 0xBF, 0xBD]

    /// Returns the length of a sequence that begins with `first` and the second bytes that it allows.
    /// - Returns: nil if `first` is ASCII or cannot begin a sequence
    @inlinable @inline(__always)
    public static func form(_ first: UInt8) -> (length: Int, second: ClosedRange<UInt8>)? {
        switch first {
        case 0xC2...0xDF: (2, 0x80...0xBF)
        case 0xE0: (3, 0xA0...0xBF)
        case 0xED: (3, 0x80...0x9F)
        case 0xE1...0xEF: (3, 0x80...0xBF)
        case 0xF0: (4, 0x90...0xBF)
        case 0xF1...0xF3: (4, 0x80...0xBF)
        case 0xF4: (4, 0x80...0x8F)
        default: nil
        }
    }

    /// Returns the length of the well-formed sequence at the beginning of `count` bytes, or nil if there is none.
    /// - Precondition: `count` is at least 1.
    @inlinable @inline(__always)
    public static func wellFormedLength(_ text: UnsafePointer<UInt8>, _ count: Int) -> Int? {
        if text[0] < 0x80 { return 1 }
        guard let form = form(text[0]), form.length <= count, form.second.contains(text[1]) else { return nil }
        for index in 2..<max(form.length, 2) where text[index] & 0xC0 != 0x80 { return nil }
        return form.length
    }

    /// Returns the length of the longest well-formed prefix.
    @inlinable
    public static func validPrefix(_ text: UnsafePointer<UInt8>, _ count: Int) -> Int {
        var position = 0
        while position < count {
            let words = UnsafeRawPointer(text + position)
            if position + 8 <= count && words.loadUnaligned(as: UInt64.self) & 0x8080_8080_8080_8080 == 0 {
                position += 8
            } else {
                guard let length = wellFormedLength(text + position, count - position) else { return position }
                position += length
            }
        }
        return position
    }

    /// Returns the length of the maximal part of an ill-formed sequence at the beginning of `count` bytes, which is
    /// what one U+FFFD replaces ("U+FFFD Substitution of Maximal Subparts", section 3.9), at least 1.
    /// - Precondition: `wellFormedLength` is nil.
    @inlinable
    public static func maximalPart(_ text: UnsafePointer<UInt8>, _ count: Int) -> Int {
        guard let form = form(text[0]), count > 1, form.second.contains(text[1]) else { return 1 }
        var length = 2
        while length < form.length && length < count && text[length] & 0xC0 == 0x80 { length += 1 }
        return length
    }

    /// Returns whether all of `count` bytes begin one sequence that more bytes can complete.
    /// - Precondition: `count` is at least 1, and `wellFormedLength` is nil.
    @inlinable
    public static func isIncomplete(_ text: UnsafePointer<UInt8>, _ count: Int) -> Bool {
        guard let form = form(text[0]), count < form.length else { return false }
        return maximalPart(text, count) == count
    }
}
