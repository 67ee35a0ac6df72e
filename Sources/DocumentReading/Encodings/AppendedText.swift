/// Finds ASCII or UTF-8 that a program appended to UTF-16: a log written by two programs, for example. Read as UTF-16, it
/// would be ideographs.
enum AppendedText {
    /// Number of bytes that count as appended regardless of what precedes them.
    private static let certainBytes = 32
    /// Number of bytes that count as appended if they end a line and nothing similar precedes them.
    private static let fewestBytes = 8
    /// Number of bytes before and after the beginning of the appended text that are compared.
    private static let comparedBytes = 4 << 10

    /// Returns about how many bytes at the end of UTF-16 are appended; nil if there are none.
    static func count(in region: FileRegion) throws -> Int? {
        // Rules out most texts: the end of a line in UTF-16 contains a NUL.
        let last = try bytes(of: region, in: region.bytes - fewestBytes..<region.bytes)
        guard last.count == fewestBytes, last.allSatisfy({ $0 >= 0x80 || isText($0) }) else { return nil }
        var run = Run()
        try region.forEachPiece { run.append($0) }
        // A unit whose second byte alone looks like text is not appended.
        let begin = run.begin + run.begin % 2
        let count = region.bytes - begin
        guard count >= fewestBytes else { return nil }
        let appended = try bytes(of: region, in: begin..<min(region.bytes, begin + comparedBytes))
        guard isVaried(appended) else { return nil }
        if count >= certainBytes { return count }
        guard last.last == UInt8(ascii: "\n") else { return nil }
        let before = try bytes(of: region, in: max(0, begin - comparedBytes)..<begin)
        guard before.count >= 2 * fewestBytes, !hasPairs(before) else { return nil }
        return count
    }

    private static func bytes(of region: FileRegion, in range: Range<Int>) throws -> [UInt8] {
        guard range.lowerBound >= 0 else { return [] }
        var bytes = [UInt8](repeating: 0, count: range.count)
        let got = try bytes.withUnsafeMutableBytes { try region.read(at: range.lowerBound, into: $0) }
        return Array(bytes[..<got])
    }

    /// Whether a byte is an ASCII character that occurs in text.
    fileprivate static func isText(_ byte: UInt8) -> Bool {
        byte >= 0x20 && byte < 0x7F || byte == 0x09 || byte == 0x0A || byte == 0x0D
    }

    /// Whether text is mostly ASCII, and no byte recurs at the same place of most UTF-16 units. In scripts whose high byte
    /// equals ASCII white space, that byte does.
    private static func isVaried(_ text: [UInt8]) -> Bool {
        guard text.count(where: { $0 < 0x80 }) * 2 >= text.count else { return false }
        for place in 0..<2 {
            var counts = [Int](repeating: 0, count: 256)
            let places = stride(from: place, to: text.count, by: 2)
            for index in places { counts[Int(text[index])] += 1 }
            if counts.max()! * 2 > (text.count + 1 - place) / 2 { return false }
        }
        return true
    }

    /// Whether UTF-16 has a unit of two visible characters of ASCII.
    private static func hasPairs(_ text: [UInt8]) -> Bool {
        stride(from: 0, to: text.count - 1, by: 2).contains { index in
            text[index...index + 1].allSatisfy { $0 >= 0x20 && $0 < 0x7F }
        }
    }
}

extension AppendedText {
    /// Finds where the last bytes that are all text in UTF-8 begin.
    private struct Run {
        private(set) var begin = 0
        private var position = 0
        /// Number of bytes of the current character that have not arrived.
        private var missing = 0

        mutating func append(_ piece: UnsafeRawBufferPointer) {
            for byte in piece {
                switch byte {
                case 0x00..<0x80:
                    if !AppendedText.isText(byte) { begin = position + 1 } else if missing > 0 { begin = position }
                    missing = 0
                case 0x80..<0xC0: if missing > 0 { missing -= 1 } else { begin = position + 1 }
                default:
                    if missing > 0 { begin = position }
                    missing =
                        switch byte {
                        case 0xC2..<0xE0: 1
                        case 0xE0..<0xF0: 2
                        case 0xF0..<0xF5: 3
                        default: 0
                        }
                    if missing == 0 { begin = position + 1 }
                }
                position += 1
            }
        }
    }
}
