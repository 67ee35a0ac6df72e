import Durable
import FoundationEssentials
import Jobs

/// The rows of a training shard that hold the text of each corpus: `rows.json` beside the shards.
public struct CorpusRows: Codable, Sendable, Equatable {
    /// Whether samples were held out by the hash of their text alone, because there are enough of them.
    public let heldOutByHash: Bool
    /// In ascending order of the rows; corpora without a training row are missing. With packed rows, the last row of a
    /// corpus may be the first of the next one.
    private let corpora: [Entry]
    /// Checksum of the training shard, in hexadecimal.
    private let checksum: String

    struct Entry: Codable, Sendable, Equatable {
        let sha256: String
        let start: Int
        let end: Int

        init(sha256: String, rows: Range<Int>) {
            self.sha256 = sha256
            (start, end) = (rows.lowerBound, rows.upperBound)
        }
    }

    init(heldOutByHash: Bool, corpora: [Entry], checksum: UInt64) {
        self.heldOutByHash = heldOutByHash
        self.corpora = corpora
        self.checksum = String(checksum, radix: 16)
    }

    /// Returns the rows with text of corpora other than `old`, as ascending ranges that do not overlap.
    public func rows(besides old: Set<String>) -> [Range<Int>] {
        var ranges: [Range<Int>] = []
        for entry in corpora where !old.contains(entry.sha256) && entry.start < entry.end {
            if let last = ranges.last, entry.start <= last.upperBound {
                ranges[ranges.count - 1] = last.lowerBound..<max(last.upperBound, entry.end)
            } else {
                ranges.append(entry.start..<entry.end)
            }
        }
        return ranges
    }

    private static let fileName = "rows.json"
    private static let mostBytes = 1 << 27

    /// Returns nil if the file is missing or does not belong to the shard.
    static func read(_ directory: String, of shard: TokenShard) -> CorpusRows? {
        guard let json = try? Durable.read("\(directory)/\(fileName)", atMost: mostBytes),
            let rows = try? JobCoding.decode(CorpusRows.self, from: Data(json)),
            rows.checksum == String(shard.totals.checksum, radix: 16), rows.fits(rowCount: shard.rows)
        else { return nil }
        return rows
    }

    /// Whether every range is valid and begins no earlier than the last row of the one before.
    private func fits(rowCount: Int) -> Bool {
        var end = 0
        for entry in corpora {
            guard entry.start >= max(0, end - 1), entry.start <= entry.end, entry.end <= rowCount else { return false }
            end = entry.end
        }
        return true
    }

    func write(_ directory: String) throws {
        try Durable.write(try JobCoding.encode(self), to: "\(directory)/\(CorpusRows.fileName)")
    }
}
