import UTF8Sequences

/// The lines of a region with bytes outside ASCII, divided into those that are UTF-8 and the others: a program appended
/// UTF-8 to a file of another encoding, or files of both were joined.
///
/// In East Asian encodings, short lines can be UTF-8 by accident, so that `EncodingDetection` compares the two groups.
struct MixedLines {
    /// Some of the lines of a region.
    struct Group {
        fileprivate(set) var lines = 0
        /// The number of the first line, from 1.
        fileprivate(set) var first = 0
        fileprivate(set) var text: TextStatistics
    }

    let utf8: Group
    let others: Group

    /// Longer lines are divided.
    private static let longestLine = 64 << 10

    /// - Returns: nil unless there are lines of both kinds
    init?(_ region: FileRegion) throws {
        var (utf8, others) = (Collector(), Collector())
        var line: [UInt8] = []
        var number = 1
        func add() {
            if line.contains(where: { $0 >= 0x80 }) {
                if line.isUTF8 { utf8.add(line, number) } else { others.add(line, number) }
            }
            line.removeAll(keepingCapacity: true)
        }
        try region.forEachPiece { piece in
            for byte in piece {
                line.append(byte)
                // Old Macintosh files have no line feeds.
                if byte == UInt8(ascii: "\n") || byte == UInt8(ascii: "\r") {
                    add()
                    if byte == UInt8(ascii: "\n") { number += 1 }
                } else if line.count > Self.longestLine, byte < 0x30 {
                    add()
                } else if line.count > 2 * Self.longestLine {
                    add()
                }
            }
        }
        add()
        guard let utf8 = utf8.group, let others = others.group else { return nil }
        (self.utf8, self.others) = (utf8, others)
    }

    private struct Collector {
        private var lines = 0
        private var first = 0
        private var last = 0
        private var text = TextStatistics.Collector()

        var group: Group? {
            mutating get { lines == 0 ? nil : Group(lines: lines, first: first, text: text.finish()) }
        }

        mutating func add(_ line: [UInt8], _ number: Int) {
            if lines == 0 { first = number }
            if lines == 0 || number != last { lines += 1 }
            last = number
            line.withUnsafeBytes { text.add($0) }
        }
    }
}
