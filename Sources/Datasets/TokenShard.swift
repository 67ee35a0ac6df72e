import Durable
import Glibc

/// A memory-mapped file of token rows. A corpus is tokenized once, and only the pages in use occupy memory.
///
/// File format, in native byte order (the file never leaves the run's folder):
/// ```
/// magic 8 bytes | version UInt32 | bytes per token, 2 or 4, UInt32
/// tokens of all rows, concatenated | zero padding to a multiple of 8
/// row offsets UInt64 [rows + 1], in tokens
/// ShardTotals, 7 × UInt64; the last one is a checksum of everything before it
/// ```
public final class TokenShard: @unchecked Sendable {
    // @unchecked: the mapping is read-only and lives as long as this object.

    public let totals: ShardTotals
    private let mapping: MappedFile
    private let offsets: UnsafePointer<UInt64>
    private let isWide: Bool

    static let magic: UInt64 = 0x3144_5248_534b_5442  // "BTKSHRD1"
    static let version: UInt32 = 1
    static let headerBytes = 16

    /// Opens a shard and validates its whole contents.
    /// - Parameters:
    ///   - key: hash of the expected source
    ///   - vocabularySize: exclusive upper bound of the token ids
    ///   - longestRow: maximum number of tokens in a row
    public init(path: String, key: UInt64, vocabularySize: Int, longestRow: Int) throws(DatasetError) {
        let mapping = try wrap { () throws(DurableError) in try MappedFile(path) }
        func require(_ condition: Bool, _ field: String, _ expected: String, _ found: String) throws(DatasetError) {
            guard condition else { throw .shard(path: path, field: field, expected: expected, found: found) }
        }
        let size = mapping.bytes.count
        let smallest = TokenShard.headerBytes + 8 + ShardTotals.bytes
        try require(size >= smallest && size % 8 == 0, "size", "a multiple of 8 from \(smallest)", "\(size)")
        let bytes = mapping.bytes
        let magic = bytes.load(as: UInt64.self)
        try require(magic == TokenShard.magic, "magic", "\(TokenShard.magic)", "\(magic)")
        let version = bytes.load(fromByteOffset: 8, as: UInt32.self)
        try require(version == TokenShard.version, "version", "\(TokenShard.version)", "\(version)")
        let width = bytes.load(fromByteOffset: 12, as: UInt32.self)
        try require(width == 2 || width == 4, "bytes per token", "2 or 4", "\(width)")

        var digest = ShardDigest()
        digest.add(UnsafeRawBufferPointer(rebasing: bytes.dropLast(8)))
        let totals = ShardTotals(bytes: UnsafeRawBufferPointer(rebasing: bytes.suffix(ShardTotals.bytes)))
        try require(totals.checksum == digest.value, "checksum", "\(digest.value)", "\(totals.checksum)")
        try require(totals.key == key, "key", "\(key)", "\(totals.key)")

        // Counts up to the file size cannot overflow in the following products.
        try require(
            (0...size).contains(totals.tokens) && (0...size).contains(totals.rows) && totals.textBytes >= 0
                && totals.textTokens >= 0 && totals.rows <= Int(UInt32.max), "counts", "counts that fit the file",
            "\(totals)")
        let tokenBytes = totals.tokens * Int(width)
        let padded = (tokenBytes + 7) & ~7
        let expectedSize = smallest + padded + totals.rows * 8
        try require(expectedSize == size, "size", "\(expectedSize)", "\(size)")

        offsets = (bytes.baseAddress! + TokenShard.headerBytes + padded).assumingMemoryBound(to: UInt64.self)
        isWide = width == 4
        self.mapping = mapping
        self.totals = totals
        var previous: UInt64 = 0
        var longest: UInt64 = 0
        for row in 0...totals.rows {
            let offset = offsets[row]
            try require(
                row == 0 ? offset == 0 : offset > previous, "offset of row \(row)",
                row == 0 ? "0" : "more than \(previous)", "\(offset)")
            longest = max(longest, offset - previous)
            previous = offset
        }
        try require(previous == totals.tokens, "end of the last row", "\(totals.tokens)", "\(previous)")
        try require(
            longest == totals.longestRow && longest <= longestRow, "longest row",
            "\(totals.longestRow), at most \(longestRow)", "\(longest)")
        // The checksum only detects accidental damage, and ids are used as indices into the embedding.
        let largest = largestToken
        try require(
            largest.map { $0 < vocabularySize } ?? true, "token", "less than \(vocabularySize)", "\(largest ?? 0)")
    }

    public var rows: Int { totals.rows }

    /// The whole file. Valid as long as this object.
    public var file: UnsafeRawBufferPointer { mapping.bytes }

    /// The largest token id; nil if the shard is empty.
    private var largestToken: UInt32? {
        let tokens = mapping.bytes.baseAddress! + TokenShard.headerBytes
        if isWide {
            return UnsafeBufferPointer(start: tokens.assumingMemoryBound(to: UInt32.self), count: totals.tokens).max()
        }
        return UnsafeBufferPointer(start: tokens.assumingMemoryBound(to: UInt16.self), count: totals.tokens).max()
            .map(UInt32.init)
    }

    /// Returns the number of tokens in a row, including special tokens.
    public func length(ofRow row: Int) -> Int {
        precondition((0..<rows).contains(row))
        return Int(offsets[row + 1] - offsets[row])
    }

    /// Returns the number of occurrences of each id below `vocabularySize`.
    public func tokenCounts(vocabularySize: Int) -> [Int] {
        var counts = [Int](repeating: 0, count: vocabularySize)
        var ids: [Int32] = []
        for row in 0..<rows {
            ids.removeAll(keepingCapacity: true)
            append(row: row, to: &ids)
            for id in ids { counts[Int(id)] += 1 }
        }
        return counts
    }

    public func append(row: Int, to ids: inout [Int32]) {
        precondition((0..<rows).contains(row))
        let tokens = mapping.bytes.baseAddress! + TokenShard.headerBytes
        let range = Int(offsets[row])..<Int(offsets[row + 1])
        if isWide {
            let wide = tokens.assumingMemoryBound(to: Int32.self)
            for place in range { ids.append(wide[place]) }
        } else {
            let narrow = tokens.assumingMemoryBound(to: UInt16.self)
            for place in range { ids.append(Int32(narrow[place])) }
        }
    }
}

/// Totals of a shard, stored at the end of its file.
public struct ShardTotals: Sendable, Equatable {
    public var rows = 0
    /// Number of tokens in all rows, including special tokens.
    public var tokens = 0
    /// Number of tokens in the longest row.
    public var longestRow = 0
    /// Size of the samples in UTF-8 bytes, including text that was truncated; of a conversation, that of its replies.
    public var textBytes = 0
    /// Number of tokens of that text, without special tokens and including tokens that were truncated.
    public var textTokens = 0
    /// Hash of the source the shard was made from.
    public internal(set) var key: UInt64 = 0
    /// Checksum of everything else in the file.
    public internal(set) var checksum: UInt64 = 0

    static let bytes = 7 * 8

    init(key: UInt64) { self.key = key }

    init(bytes: UnsafeRawBufferPointer) {
        func word(_ index: Int) -> UInt64 { bytes.loadUnaligned(fromByteOffset: 8 * index, as: UInt64.self) }
        rows = Int(truncatingIfNeeded: word(0))
        tokens = Int(truncatingIfNeeded: word(1))
        longestRow = Int(truncatingIfNeeded: word(2))
        textBytes = Int(truncatingIfNeeded: word(3))
        textTokens = Int(truncatingIfNeeded: word(4))
        key = word(5)
        checksum = word(6)
    }

    /// All words except the checksum, which covers them.
    var words: [UInt64] { [rows, tokens, longestRow, textBytes, textTokens].map { UInt64($0) } + [key] }
}

/// A fast checksum against accidental damage, not against forgery: FNV-1a over 8-byte words in four lanes.
package struct ShardDigest {
    private var lanes = SIMD4<UInt64>(0xcbf2_9ce4_8422_2325, 1, 2, 3)
    private var lane = 0

    package init() {}

    /// - Parameter bytes: length must be a multiple of 8
    package mutating func add(_ bytes: UnsafeRawBufferPointer) {
        precondition(bytes.count % 8 == 0)
        for offset in stride(from: 0, to: bytes.count, by: 8) {
            let word = bytes.loadUnaligned(fromByteOffset: offset, as: UInt64.self)
            // The rotation moves high bits down, which the multiplication alone cannot do.
            let mixed = (lanes[lane] ^ word) &* 0x0000_0100_0000_01b3
            lanes[lane] = (mixed << 29) | (mixed >> 35)
            lane = (lane + 1) & 3
        }
    }

    package var value: UInt64 {
        (0..<4).reduce(0) { value, lane in
            let mixed = (value ^ lanes[lane]) &* 0xbf58_476d_1ce4_e5b9
            return mixed ^ (mixed >> 31)
        }
    }
}
