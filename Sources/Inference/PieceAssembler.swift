/// Assembles the bytes of generated tokens into pieces of text that can be shown immediately.
///
/// A piece is valid UTF-8, cannot be changed by later tokens, and contains no part of a stop string: an incomplete
/// character is held back until it is complete, and text that may be the start of a stop string is held back until that
/// is decided. The concatenated pieces are the whole text.
package struct PieceAssembler: Sendable {
    private let stops: [[UInt8]]
    /// An incomplete character, at most three bytes.
    private var unfinished: [UInt8] = []
    /// Valid UTF-8 that may be the start of a stop string.
    private var held: [UInt8] = []
    /// Whether a stop string was found. No further pieces are returned.
    package private(set) var hasStopped = false

    /// - Parameter stops: non-empty strings
    package init(stops: [String]) {
        self.stops = stops.map { Array($0.utf8) }
    }

    /// Appends bytes and returns the text that can be shown now, which is often empty.
    package mutating func append(_ bytes: [UInt8]) -> String {
        guard !hasStopped else { return "" }
        unfinished += bytes
        let ready = unfinished.count - PieceAssembler.unfinishedSuffix(of: unfinished)
        let text = String(decoding: unfinished[..<ready], as: UTF8.self)
        unfinished.removeFirst(ready)
        held += text.utf8
        return release()
    }

    /// Ends the input and returns the text that was held back.
    package mutating func finish() -> String {
        guard !hasStopped else { return "" }
        held += String(decoding: unfinished, as: UTF8.self).utf8
        unfinished = []
        let piece = release()
        defer { held = [] }
        return hasStopped ? piece : piece + String(decoding: held, as: UTF8.self)
    }

    /// Returns how many of the parts, which together begin with a text, begin before its end.
    package static func countOfParts(_ parts: [ArraySlice<UInt8>], in text: String) -> Int {
        var (unfinished, length) = ([] as [UInt8], 0)
        for (index, part) in parts.enumerated() {
            if let first = part.first, first & 0b1100_0000 != 0b1000_0000 {
                // Not continued: the incomplete character has become U+FFFD.
                length += String(decoding: unfinished, as: UTF8.self).utf8.count
                unfinished = []
            }
            guard length < text.utf8.count else { return index }
            unfinished += part
            let ready = unfinished.count - unfinishedSuffix(of: unfinished)
            length += String(decoding: unfinished[..<ready], as: UTF8.self).utf8.count
            unfinished.removeFirst(ready)
        }
        return parts.count
    }

    private mutating func release() -> String {
        let found = stops.compactMap { PieceAssembler.firstRange(of: $0, in: held) }
            .min { ($0.upperBound, $0.lowerBound) < ($1.upperBound, $1.lowerBound) }
        if let found {
            hasStopped = true
            return String(decoding: held[..<found.lowerBound], as: UTF8.self)
        }
        let waiting = stops.map { PieceAssembler.longestBeginning(of: $0, atEndOf: held) }.max() ?? 0
        let piece = String(decoding: held.dropLast(waiting), as: UTF8.self)
        held.removeFirst(held.count - waiting)
        return piece
    }

    /// Returns the number of trailing bytes that are an incomplete character. Decoding them separately from the bytes
    /// before them yields the same text as decoding both together.
    private static func unfinishedSuffix(of bytes: [UInt8]) -> Int {
        for length in 1...3 where length <= bytes.count {
            let byte = bytes[bytes.count - length]
            if byte & 0b1100_0000 == 0b1000_0000 { continue }
            let needed =
                switch byte {
                case 0xC2...0xDF: 2
                case 0xE0...0xEF: 3
                case 0xF0...0xF4: 4
                default: 1
                }
            return needed > length ? length : 0
        }
        return 0
    }

    private static func firstRange(of pattern: [UInt8], in bytes: [UInt8]) -> Range<Int>? {
        guard pattern.count <= bytes.count else { return nil }
        let start = (0...bytes.count - pattern.count).first { bytes[$0...].starts(with: pattern) }
        return start.map { $0..<$0 + pattern.count }
    }

    private static func longestBeginning(of pattern: [UInt8], atEndOf bytes: [UInt8]) -> Int {
        let longest = min(pattern.count - 1, bytes.count)
        return stride(from: longest, to: 0, by: -1).first { bytes.suffix($0).elementsEqual(pattern.prefix($0)) } ?? 0
    }
}
