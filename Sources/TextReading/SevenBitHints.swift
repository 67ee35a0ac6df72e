import Glibc

/// Counts in ASCII the sequences of HZ (RFC 1843) and UTF-7 (RFC 2152), so that a text that may be in one of them is given
/// to a reader that can decode them.
package struct SevenBitHints {
    /// Fewer sequences may occur by chance.
    private static let fewest = 3
    /// Number of bytes with at least one sequence of UTF-7 on average: mails in it have one in each line.
    private static let bytesPerSequence = 500

    private var hzSequences = 0
    private var utf7Sequences = 0
    /// Whether UTF-7 is ruled out by a plus sign that begins no sequence.
    private var hasOtherPlus = false
    private var bytes = 0

    package init() {}

    package var mayBeHZ: Bool { hzSequences >= Self.fewest }
    package var mayBeUTF7: Bool {
        !hasOtherPlus && utf7Sequences >= Self.fewest && utf7Sequences >= bytes / Self.bytesPerSequence
    }

    /// Counts in a piece of the text. A sequence that is split between pieces is not counted.
    package mutating func append(_ piece: UnsafeRawBufferPointer) {
        bytes += piece.count
        forEach(UInt8(ascii: "~"), in: piece) { index in
            if index + 1 < piece.count, piece[index + 1] == UInt8(ascii: "{") { hzSequences += 1 }
            return index + 1
        }
        guard !hasOtherPlus else { return }
        forEach(UInt8(ascii: "+"), in: piece) { index in
            var end = index + 1
            while end < piece.count, piece[end].base64Value != nil { end += 1 }
            guard end < piece.count else { return nil }
            let count = end - index - 1
            if Self.isSequence(count, last: piece[end - 1]) {
                utf7Sequences += 1
            } else if count > 0 || piece[end] != UInt8(ascii: "-") {
                hasOtherPlus = true
            }
            return hasOtherPlus ? nil : end
        }
    }

    /// Calls `body` with the place of each `byte`. It returns the index to continue at, or nil to stop.
    private func forEach(_ byte: UInt8, in piece: UnsafeRawBufferPointer, _ body: (Int) -> Int?) {
        var index = 0
        while index < piece.count,
            let found = memchr(piece.baseAddress! + index, Int32(byte), piece.count - index)
        {
            guard let next = body(UnsafeRawPointer(found) - piece.baseAddress!) else { return }
            index = next
        }
    }

    /// Whether this number of Base64 characters encodes whole units of UTF-16, so that the unused last bits are zero.
    private static func isSequence(_ count: Int, last: UInt8) -> Bool {
        guard count > 0, let value = last.base64Value else { return false }
        return switch count % 8 {
        case 0: true
        case 3: value & 0b11 == 0
        case 6: value & 0b1111 == 0
        default: false
        }
    }
}
