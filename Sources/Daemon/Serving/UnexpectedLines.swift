import Inference

/// Ranks lines by how unexpected they are to a model, in two ways, because each alone misses errors that the other finds:
/// by their four most unexpected consecutive tokens, such as the bytes of a wrong encoding, and by the bits per byte of the
/// whole line, such as one with a space after each letter.
///
/// Bits per byte of a short line say little, so the line is scored as if 64 bytes of average text followed it. The order is
/// that of the better of the two ranks. See `docs/serving.md` for what was measured. A pure value type.
package struct UnexpectedLines {
    package struct Line: Equatable, Sendable {
        /// Index of the line in the order of `add`.
        package var index: Int
        /// Bits of the four most unexpected consecutive tokens.
        package var bits: Double
        package var bitsPerByte: Double
        /// Where these tokens are in the text, in Unicode characters; nil if filters changed the text.
        package var place: Range<Int>?
    }

    package struct Result: Sendable {
        /// The most unexpected first.
        package var lines: [Line] = []
        /// Of all lines together; nil if there are none.
        package var bitsPerByte: Double?
    }

    private static let window = 4
    private static let priorBytes = 64

    private var lines: [(line: Line, bits: Double, bytes: Int)] = []
    private var (bits, bytes) = (0.0, 0)

    package init() {}

    package var count: Int { lines.count }

    package mutating func add(_ text: String, _ surprise: LineSurprise) {
        let tokens = surprise.tokens
        let total = tokens.reduce(0) { $0 + $1.bits }
        let size = max(1, tokens.last.map { $0.offset + $0.bytes } ?? 0)
        var (highest, start) = (0.0, 0)
        for index in 0...max(0, tokens.count - Self.window) {
            let sum = tokens.dropFirst(index).prefix(Self.window).reduce(0) { $0 + $1.bits }
            if sum > highest { (highest, start) = (sum, index) }
        }
        let found = tokens.dropFirst(start).prefix(Self.window)
        var place: Range<Int>?
        if !surprise.isFiltered, let first = found.first, let last = found.last {
            place = Self.characters(of: text, first.offset..<last.offset + last.bytes)
        }
        let line = Line(index: lines.count, bits: highest, bitsPerByte: total / Double(size), place: place)
        lines.append((line, total, size))
        bits += total
        bytes += size
    }

    package func result(_ limit: Int) -> Result {
        guard bytes > 0 else { return Result() }
        let mean = bits / Double(bytes)
        let prior = Double(Self.priorBytes)
        let byWindow = ranks { $0.line.bits }
        let byMean = ranks { ($0.bits + prior * mean) / (Double($0.bytes) + prior) }
        let order = lines.indices.sorted {
            (min(byWindow[$0], byMean[$0]), byWindow[$0]) < (min(byWindow[$1], byMean[$1]), byWindow[$1])
        }
        return Result(lines: order.prefix(limit).map { lines[$0].line }, bitsPerByte: mean)
    }

    /// Returns the rank of each line, of equal ones in their order.
    private func ranks(_ score: ((line: Line, bits: Double, bytes: Int)) -> Double) -> [Int] {
        let scores = lines.map(score)
        var ranks = [Int](repeating: 0, count: lines.count)
        let order = scores.indices.sorted { scores[$0] != scores[$1] ? scores[$0] > scores[$1] : $0 < $1 }
        for (rank, index) in order.enumerated() { ranks[index] = rank }
        return ranks
    }

    /// Converts a range of bytes to one of characters (Unicode scalars), those that begin in it.
    private static func characters(of text: String, _ bytes: Range<Int>) -> Range<Int> {
        var (byte, start, end) = (0, 0, 0)
        for scalar in text.unicodeScalars {
            let next = byte + UTF8.width(scalar)
            if next <= bytes.lowerBound { start += 1 }
            if byte < bytes.upperBound { end += 1 }
            byte = next
        }
        return start..<max(start, end)
    }
}
