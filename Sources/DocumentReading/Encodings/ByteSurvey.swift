import Glibc
import UTF8Sequences

/// Counts of the bytes of a whole region that matter for its encoding, found without decoding it.
struct ByteSurvey {
    /// Bytes that are not part of well-formed UTF-8.
    private(set) var invalidBytes = 0
    /// Number of well-formed sequences of several bytes, and of all bytes in them.
    private(set) var sequences = 0
    private(set) var sequenceBytes = 0
    /// Number of sequences of more than two bytes.
    private(set) var longSequences = 0
    /// NUL bytes by their position modulo 4.
    private(set) var nuls = [0, 0, 0, 0]
    /// Control characters that text does not contain.
    private(set) var controls = 0
    private(set) var hasEscape = false
    private(set) var bytes = 0

    var allNuls: Int { nuls.reduce(0, +) }
    var isASCII: Bool { invalidBytes == 0 && sequences == 0 }

    init(_ region: FileRegion) throws {
        var begun: [UInt8] = []
        try region.forEachPiece { piece in
            guard let first = piece.baseAddress else { return }
            countControls(piece)
            if !hasEscape { hasEscape = memchr(first, 0x1B, piece.count) != nil }
            bytes += piece.count
            if begun.isEmpty {
                begun = check(piece, isLast: bytes >= region.bytes)
            } else {
                begun = (begun + Array(piece)).withUnsafeBytes { check($0, isLast: bytes >= region.bytes) }
            }
        }
        invalidBytes += begun.count
    }

    private mutating func countControls(_ piece: UnsafeRawBufferPointer) {
        // Skips eight bytes at a time without control characters: text has at most a line break per line.
        var index = 0
        while index < piece.count {
            if index + 8 <= piece.count {
                let word = piece.loadUnaligned(fromByteOffset: index, as: UInt64.self)
                // Each byte below 0x20 borrows from its high bit ("hasless", Bit Twiddling Hacks).
                if (word &- 0x2020_2020_2020_2020) & ~word & 0x8080_8080_8080_8080 == 0 {
                    index += 8
                    continue
                }
            }
            for place in index..<min(index + 8, piece.count) { countControl(piece[place], at: bytes + place) }
            index += 8
        }
    }

    private mutating func countControl(_ byte: UInt8, at position: Int) {
        switch byte {
        case 0:
            nuls[position & 3] += 1
            controls += 1
        // Backspace, tab, line feed, line tabulation, form feed and carriage return; the end of a DOS file; escape.
        case 0x08...0x0D, 0x1A, 0x1B: break
        case 0x01..<0x20: controls += 1
        default: break
        }
    }

    /// Counts sequences.
    /// - Returns: an incomplete sequence at the end
    private mutating func check(_ piece: UnsafeRawBufferPointer, isLast: Bool) -> [UInt8] {
        piece.withMemoryRebound(to: UInt8.self) { bytes in
            guard let text = bytes.baseAddress else { return [] }
            var index = 0
            while index < bytes.count {
                if index + 8 <= bytes.count {
                    let word = UnsafeRawPointer(text + index).loadUnaligned(as: UInt64.self)
                    if word & 0x8080_8080_8080_8080 == 0 {
                        index += 8
                        continue
                    }
                }
                // Half of the bytes outside ASCII begin no sequence.
                if text[index] & 0xC0 == 0x80 {
                    invalidBytes += 1
                    index += 1
                    continue
                }
                if let length = UTF8Sequence.wellFormedLength(text + index, bytes.count - index) {
                    if length > 1 {
                        sequences += 1
                        sequenceBytes += length
                        if length > 2 { longSequences += 1 }
                    }
                    index += length
                    continue
                }
                let rest = bytes.count - index
                if !isLast, UTF8Sequence.isIncomplete(text + index, rest) { return Array(bytes[index...]) }
                let part = UTF8Sequence.maximalPart(text + index, rest)
                invalidBytes += part
                index += part
            }
            return []
        }
    }
}
