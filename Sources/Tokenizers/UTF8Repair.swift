/// Replaces invalid UTF-8 by U+FFFD, one per maximal subpart, in the same way as Python's `errors="replace"`.
enum UTF8Repair {
    /// Decodes the first `count` bytes. Returns nil unless they are exactly one well-formed character.
    static func character(_ text: UnsafePointer<UInt8>, _ count: Int) -> UInt32? {
        guard let length = wellFormedLength(text, count), length == count else { return nil }
        switch count {
        case 1: return UInt32(text[0])
        case 2: return UInt32(text[0] & 0x1F) << 6 | UInt32(text[1] & 0x3F)
        case 3: return UInt32(text[0] & 0x0F) << 12 | UInt32(text[1] & 0x3F) << 6 | UInt32(text[2] & 0x3F)
        default:
            return UInt32(text[0] & 0x07) << 18 | UInt32(text[1] & 0x3F) << 12 | UInt32(text[2] & 0x3F) << 6
                | UInt32(text[3] & 0x3F)
        }
    }

    /// Returns the bytes with every invalid subpart replaced, or nil if all bytes are valid.
    static func repaired(_ bytes: UnsafeBufferPointer<UInt8>) -> [UInt8]? {
        guard let text = bytes.baseAddress else { return nil }
        let valid = validPrefix(text, bytes.count)
        guard valid < bytes.count else { return nil }
        var result = [UInt8](bytes[..<valid])
        result.reserveCapacity(bytes.count + 16)
        var position = valid
        while position < bytes.count {
            result += [0xEF, 0xBF, 0xBD]
            position += maximalPart(text + position, bytes.count - position)
            let valid = validPrefix(text + position, bytes.count - position)
            result += bytes[position..<position + valid]
            position += valid
        }
        return result
    }

    /// Returns the length of the longest valid prefix.
    static func validPrefix(_ text: UnsafePointer<UInt8>, _ count: Int) -> Int {
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

    /// Returns the number of trailing bytes that may be the start of a character that continues after them.
    static func unfinishedSuffix(_ text: UnsafePointer<UInt8>, _ count: Int) -> Int {
        for length in 1...3 where length <= count {
            let first = text[count - length]
            if first & 0xC0 == 0x80 { continue }
            guard first >= 0xC2 && first < 0xF5 else { return 0 }
            let whole = first < 0xE0 ? 2 : first < 0xF0 ? 3 : 4
            return length < whole && maximalPart(text + (count - length), length) == length ? length : 0
        }
        return 0
    }

    /// Returns the length of the character that starts with a byte, and the valid range of the second byte (Unicode
    /// Standard, table 3-7).
    @inline(__always)
    private static func form(_ first: UInt8) -> (length: Int, second: ClosedRange<UInt8>)? {
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

    @inline(__always)
    private static func wellFormedLength(_ text: UnsafePointer<UInt8>, _ count: Int) -> Int? {
        if text[0] < 0x80 { return 1 }
        guard let form = form(text[0]), form.length <= count, form.second.contains(text[1]) else { return nil }
        for index in 2..<max(form.length, 2) where text[index] & 0xC0 != 0x80 { return nil }
        return form.length
    }

    /// Returns the length of the maximal subpart at `text`, where no well-formed character starts. At least 1.
    private static func maximalPart(_ text: UnsafePointer<UInt8>, _ count: Int) -> Int {
        guard let form = form(text[0]), count > 1, form.second.contains(text[1]) else { return 1 }
        var length = 2
        while length < form.length && length < count && text[length] & 0xC0 == 0x80 { length += 1 }
        return length
    }
}
