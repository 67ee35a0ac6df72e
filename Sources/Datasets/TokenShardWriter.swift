import Durable

/// Writes a `TokenShard` row by row; only the row offsets are kept in memory.
final class TokenShardWriter {
    private let file: AtomicFile
    private let isWide: Bool
    private var totals: ShardTotals
    private var offsets: [UInt64] = [0]
    private var digest = ShardDigest()
    private var buffer: [UInt8] = []
    private static let bufferBytes = 1 << 20

    /// - Parameters:
    ///   - vocabularySize: exclusive upper bound of the token ids; up to 65,536, a token takes two bytes
    ///   - key: hash of the source of the shard
    init(path: String, vocabularySize: Int, key: UInt64) throws(DatasetError) {
        file = try wrap { () throws(DurableError) in try AtomicFile(for: path) }
        isWide = vocabularySize > 1 << 16
        totals = ShardTotals(key: key)
        put(TokenShard.magic)
        put(TokenShard.version)
        put(UInt32(isWide ? 4 : 2))
    }

    /// Rows written so far.
    var rows: Int { totals.rows }

    /// Appends the rows of one sample.
    /// - Parameters:
    ///   - textBytes: size of the text that is learned in bytes
    ///   - textTokens: number of tokens of that text, before truncation
    func append(rows: [[Int32]], textBytes: Int, textTokens: Int) throws(DatasetError) {
        for row in rows {
            for id in row {
                if isWide { put(UInt32(id)) } else { put(UInt16(id)) }
            }
            totals.tokens += row.count
            totals.longestRow = max(totals.longestRow, row.count)
            offsets.append(UInt64(totals.tokens))
        }
        totals.rows += rows.count
        totals.textBytes += textBytes
        totals.textTokens += textTokens
        if buffer.count >= TokenShardWriter.bufferBytes { try flush() }
    }

    /// - Returns: the checksum of the shard
    func finish() throws(DatasetError) -> UInt64 {
        buffer.append(contentsOf: repeatElement(0, count: (8 - buffer.count % 8) % 8))
        for offset in offsets {
            put(offset)
            if buffer.count >= TokenShardWriter.bufferBytes { try flush() }
        }
        for word in totals.words { put(word) }
        try flush()
        let checksum = digest.value
        put(checksum)
        try flush()
        try wrap { () throws(DurableError) in try file.publish() }
        return checksum
    }

    private func put(_ value: some FixedWidthInteger) {
        withUnsafeBytes(of: value) { buffer.append(contentsOf: $0) }
    }

    /// Writes all complete words and keeps the rest.
    private func flush() throws(DatasetError) {
        let whole = buffer.count & ~7
        let words = Array(buffer[..<whole])
        do {
            try words.span.bytes.withUnsafeBytes { bytes throws(DurableError) in
                digest.add(bytes)
                try file.append(bytes)
            }
        } catch {
            throw .file(error)
        }
        buffer.removeFirst(whole)
    }
}

/// Wraps a failed file operation in a `DatasetError`.
func wrap<Value>(_ body: () throws(DurableError) -> Value) throws(DatasetError) -> Value {
    do {
        return try body()
    } catch {
        throw .file(error)
    }
}
