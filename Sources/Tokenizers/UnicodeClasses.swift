/// The character classes of GPT-2's pattern: `\p{L}`, `\p{N}`, `\s`, and everything else.
///
/// A two-stage table with one byte per code point: blocks of 128 code points, with equal blocks stored once.
final class UnicodeClasses: @unchecked Sendable {
    // @unchecked: immutable after `init`.

    static let other: UInt8 = 0
    static let letter: UInt8 = 1
    static let number: UInt8 = 2
    static let space: UInt8 = 3
    /// Used in `ofByte` for bytes of multi-byte characters.
    static let multibyte: UInt8 = 4

    static let shared = UnicodeClasses()

    /// `[256]`, the class of an ASCII byte, or `multibyte`.
    let ofByte: UnsafeMutablePointer<UInt8>
    private let blockOf: UnsafeMutablePointer<UInt16>
    private let blocks: UnsafeMutablePointer<UInt8>

    private init() {
        let blockCount = 0x110000 >> 7
        blockOf = .allocate(capacity: blockCount)
        ofByte = .allocate(capacity: 256)
        var stored: [UInt8] = []
        var known: [[UInt8]: UInt16] = [:]
        var range = 0
        for block in 0..<blockCount {
            let content = (0..<128).map { low in
                let code = UInt32(block << 7 | low)
                while range + 1 < Self.ranges.count && Self.ranges[range + 1] >> 2 <= code { range += 1 }
                return UInt8(Self.ranges[range] & 3)
            }
            if let same = known[content] {
                blockOf[block] = same
            } else {
                let index = UInt16(known.count)
                known[content] = index
                blockOf[block] = index
                stored += content
            }
        }
        blocks = .allocate(capacity: stored.count)
        for (index, value) in stored.enumerated() { blocks[index] = value }
        for byte in 0..<256 { ofByte[byte] = byte < 0x80 ? stored[Int(blockOf[0]) << 7 | byte] : Self.multibyte }
    }

    @inline(__always)
    func of(_ code: UInt32) -> UInt8 { blocks[Int(blockOf[Int(code >> 7)]) << 7 | Int(code & 127)] }

    /// Returns the class and the length in bytes of the character at `text`, which must be valid UTF-8.
    @inline(__always)
    func ofCharacter(_ text: UnsafePointer<UInt8>) -> (class: UInt8, length: Int) {
        let first = text[0]
        let single = ofByte[Int(first)]
        if single != Self.multibyte { return (single, 1) }
        let second = UInt32(text[1] & 0x3F)
        if first < 0xE0 { return (of(UInt32(first & 0x1F) << 6 | second), 2) }
        let third = UInt32(text[2] & 0x3F)
        if first < 0xF0 { return (of(UInt32(first & 0x0F) << 12 | second << 6 | third), 3) }
        let fourth = UInt32(text[3] & 0x3F)
        return (of(UInt32(first & 0x07) << 18 | second << 12 | third << 6 | fourth), 4)
    }
}
