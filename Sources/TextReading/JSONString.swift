import UTF8Sequences

/// Decodes one string of JSON. A lone surrogate, which has no encoding in UTF-8, and NUL, which corpora do not contain,
/// become U+FFFD.
struct JSONString {
    /// The text in UTF-8, or the part of it that is kept.
    private(set) var text: [UInt8] = []
    /// Number of bytes of the whole text.
    private(set) var byteCount = 0
    /// Number of characters that were replaced.
    private(set) var replaced = 0

    private var mostKept = 0
    /// Number of digits of the current `\u` escape; nil outside of one.
    private var digits: Int?
    private var unit: UInt32 = 0
    /// The pending high surrogate of a pair.
    private var high: UInt32?

    /// - Parameter mostKept: number of bytes after which the text is cut
    mutating func begin(keeping mostKept: Int) {
        self.mostKept = mostKept
        text.removeAll(keepingCapacity: true)
        (byteCount, replaced, digits, high) = (0, 0, nil, nil)
    }

    /// Takes characters that are not escaped.
    mutating func take(_ bytes: UnsafeBufferPointer<UInt8>) {
        if high != nil { replaceCharacter() }
        keep(bytes)
    }

    mutating func finish() {
        if high != nil { replaceCharacter() }
    }

    /// Takes a byte after a backslash.
    /// - Returns: whether the escape is complete; nil if it is invalid
    mutating func takeEscaped(_ byte: UInt8) -> Bool? {
        if let digits { return takeDigit(byte, after: digits) }
        let character: UInt8
        switch byte {
        case UInt8(ascii: "u"):
            (digits, unit) = (0, 0)
            return false
        case UInt8(ascii: "\""), UInt8(ascii: "\\"), UInt8(ascii: "/"): character = byte
        case UInt8(ascii: "b"): character = 0x08
        case UInt8(ascii: "f"): character = 0x0C
        case UInt8(ascii: "n"): character = 0x0A
        case UInt8(ascii: "r"): character = 0x0D
        case UInt8(ascii: "t"): character = 0x09
        default: return nil
        }
        if high != nil { replaceCharacter() }
        byteCount += 1
        if text.count < mostKept { text.append(character) }
        return true
    }

    private mutating func takeDigit(_ byte: UInt8, after count: Int) -> Bool? {
        let digit: UInt8
        switch byte {
        case UInt8(ascii: "0")...UInt8(ascii: "9"): digit = byte - UInt8(ascii: "0")
        case UInt8(ascii: "a")...UInt8(ascii: "f"): digit = byte - UInt8(ascii: "a") + 10
        case UInt8(ascii: "A")...UInt8(ascii: "F"): digit = byte - UInt8(ascii: "A") + 10
        default: return nil
        }
        unit = unit << 4 | UInt32(digit)
        guard count == 3 else {
            digits = count + 1
            return false
        }
        digits = nil
        takeUnit()
        return true
    }

    private mutating func takeUnit() {
        if let first = high, (0xDC00...0xDFFF).contains(unit) {
            high = nil
            return keep(0x10000 + ((first - 0xD800) << 10) + (unit - 0xDC00))
        }
        if high != nil { replaceCharacter() }
        switch unit {
        case 0xD800...0xDBFF: high = unit
        case 0xDC00...0xDFFF, 0: replaceCharacter()
        default: keep(unit)
        }
    }

    private mutating func replaceCharacter() {
        high = nil
        replaced += 1
        keep(0xFFFD)
    }

    private mutating func keep(_ scalar: UInt32) {
        Array(UTF8.encode(Unicode.Scalar(scalar)!)!).withUnsafeBufferPointer { keep($0) }
    }

    private mutating func keep(_ bytes: UnsafeBufferPointer<UInt8>) {
        byteCount += bytes.count
        if text.count < mostKept { text.append(contentsOf: bytes.prefix(mostKept - text.count)) }
    }
}

extension UTF8Sequence {
    /// U+FEFF.
    static let byteOrderMark: [UInt8] = [0xEF, 0xBB, 0xBF]
}
