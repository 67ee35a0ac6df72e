import UTF8Sequences

/// Replaces invalid UTF-8 by U+FFFD, one per maximal subpart, in the same way as Python's `errors="replace"`.
enum UTF8Repair {
    /// Decodes the first `count` bytes. Returns nil unless they are exactly one well-formed character.
    static func character(_ text: UnsafePointer<UInt8>, _ count: Int) -> UInt32? {
        guard let length = UTF8Sequence.wellFormedLength(text, count), length == count else { return nil }
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
        let valid = UTF8Sequence.validPrefix(text, bytes.count)
        guard valid < bytes.count else { return nil }
        var result = [UInt8](bytes[..<valid])
        result.reserveCapacity(bytes.count + 16)
        var position = valid
        while position < bytes.count {
            result += UTF8Sequence.replacement
            position += UTF8Sequence.maximalPart(text + position, bytes.count - position)
            let valid = UTF8Sequence.validPrefix(text + position, bytes.count - position)
            result += bytes[position..<position + valid]
            position += valid
        }
        return result
    }

    /// Returns the number of trailing bytes that may be the start of a character that continues after them.
    static func unfinishedSuffix(_ text: UnsafePointer<UInt8>, _ count: Int) -> Int {
        for length in 1...3 where length <= count {
            let first = text[count - length]
            if first & 0xC0 == 0x80 { continue }
            guard let form = UTF8Sequence.form(first) else { return 0 }
            let isPrefix = UTF8Sequence.maximalPart(text + (count - length), length) == length
            return length < form.length && isPrefix ? length : 0
        }
        return 0
    }
}
