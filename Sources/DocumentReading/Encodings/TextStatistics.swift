/// How often each pair of neighboring bytes occurs in a region, and a sample of the places with bytes outside ASCII.
struct TextStatistics {
    /// The counts of pairs with a byte outside ASCII.
    private(set) var pairs: [(one: UInt8, other: UInt8, count: Int)] = []
    /// The counts of single bytes.
    private(set) var counts = [Int](repeating: 0, count: 256)
    /// Blocks of the region that hold bytes outside ASCII, from all of it.
    private(set) var sample: [[UInt8]] = []

    private static let blockBytes = 4 << 10
    private static let mostBlocks = 32

    /// The number of bytes outside ASCII.
    var highBytes: Int { counts[0x80...].reduce(0, +) }

    init(_ region: FileRegion) throws {
        var table = PairTable()
        var blocks = BlockSample(most: Self.mostBlocks)
        var position = 0
        try region.forEachPiece { piece in
            table.add(piece)
            for start in stride(from: 0, to: piece.count, by: Self.blockBytes) {
                let end = min(piece.count, start + Self.blockBytes)
                blocks.add(
                    UnsafeRawBufferPointer(rebasing: piece[start..<end]), isFirst: position + start == 0,
                    isLast: position + end >= region.bytes)
            }
            position += piece.count
        }
        set(table)
        sample = blocks.kept
    }

    /// The statistics of a part of a sample.
    init(part: ArraySlice<UInt8>) {
        var table = PairTable()
        part.withUnsafeBytes { table.add($0) }
        set(table)
    }

    /// Collects the statistics of lines that need not follow each other.
    struct Collector {
        private var table = PairTable()
        private var blocks = BlockSample(most: mostBlocks)
        private var block: [UInt8] = []

        mutating func add(_ lines: UnsafeRawBufferPointer) {
            table.add(lines)
            block.append(contentsOf: lines)
            if block.count >= blockBytes { sample() }
        }

        mutating func finish() -> TextStatistics {
            if !block.isEmpty { sample() }
            return TextStatistics(table, blocks)
        }

        private mutating func sample() {
            block.withUnsafeBytes { bytes in
                for start in stride(from: 0, to: bytes.count, by: blockBytes) {
                    let end = min(bytes.count, start + blockBytes)
                    blocks.add(
                        UnsafeRawBufferPointer(rebasing: bytes[start..<end]), isFirst: start == 0,
                        isLast: end == bytes.count)
                }
            }
            block.removeAll(keepingCapacity: true)
        }
    }

    private init(_ table: PairTable, _ blocks: BlockSample) {
        set(table)
        sample = blocks.kept
    }

    private mutating func set(_ table: PairTable) {
        table.forEach { one, other, count in
            counts[Int(other)] += count
            if one >= 0x80 || other >= 0x80 { pairs.append((one, other, count)) }
        }
    }
}

/// Counts pairs of neighboring bytes. A text begins and ends like a line.
private struct PairTable {
    private var table = [UInt32](repeating: 0, count: 1 << 16)
    private var last = UInt8(ascii: "\n")

    mutating func add(_ piece: UnsafeRawBufferPointer) {
        var last = last
        table.withUnsafeMutableBufferPointer { table in
            for byte in piece {
                table[Int(last) << 8 | Int(byte)] &+= 1
                last = byte
            }
        }
        self.last = last
    }

    func forEach(_ body: (UInt8, UInt8, Int) -> Void) {
        let end = Int(last) << 8 | Int(UInt8(ascii: "\n"))
        for index in table.indices where table[index] > 0 || index == end {
            body(UInt8(index >> 8), UInt8(index & 0xFF), Int(table[index]) + (index == end ? 1 : 0))
        }
    }
}

/// Keeps some of many blocks, evenly spread.
private struct BlockSample {
    private(set) var kept: [[UInt8]] = []
    private let most: Int
    private var step = 1
    private var seen = 0

    init(most: Int) { self.most = most }

    mutating func add(_ block: UnsafeRawBufferPointer, isFirst: Bool, isLast: Bool) {
        // Inside the region, a block begins and ends with a character that is never part of a longer one.
        let last = isLast ? nil : block.lastIndex(where: Self.isBoundary)
        let to = last ?? block.count - 1
        guard let from = isFirst ? 0 : block.firstIndex(where: Self.isBoundary), from <= to,
            block[from...to].contains(where: { $0 >= 0x80 })
        else { return }
        if seen % step == 0 {
            if kept.count == most {
                kept = stride(from: 0, to: kept.count, by: 2).map { kept[$0] }
                step *= 2
            }
            if seen % step == 0 { kept.append(Array(block[from...to])) }
        }
        seen += 1
    }

    /// Whether a byte is a whole character in all encodings.
    private static func isBoundary(_ byte: UInt8) -> Bool { byte < 0x30 }
}
