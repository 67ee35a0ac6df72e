import Random

/// The rows that each epoch of a warm start visits: all rows of the new text, and a number of rows of the old text,
/// drawn anew in each epoch, so that the model does not forget it.
public struct Replay: Sendable, Equatable, Codable {
    /// Ascending ranges that do not overlap.
    public let newRows: [Range<Int>]
    public let newCount: Int
    /// Number of rows of old text in each epoch.
    public let replayedCount: Int
    private let rows: Int

    /// - Parameters:
    ///   - newRows: the rows of the new text, as ascending ranges that do not overlap
    ///   - rows: the number of all rows, at least 1
    ///   - ratio: rows of old text for each new row
    public init(newRows: [Range<Int>], of rows: Int, ratio: Double) {
        precondition(rows > 0 && (newRows.last?.upperBound ?? 0) <= rows)
        self.newRows = newRows
        self.rows = rows
        newCount = newRows.reduce(0) { $0 + $1.count }
        let old = rows - newCount
        // Without new text to train on, an epoch consists of a single row, because a run has at least one step.
        let wanted = max((ratio * Double(newCount)).rounded(.up), newCount == 0 ? 1 : 0)
        replayedCount = Int(min(wanted, Double(old)))
    }

    /// Number of rows in an epoch.
    public var count: Int { newCount + replayedCount }

    /// Returns the rows of an epoch, the new ones first.
    func rows(epoch: Int, _ generator: Philox) -> [UInt32] {
        var chosen: [UInt32] = []
        chosen.reserveCapacity(count)
        for range in newRows { chosen += UInt32(range.lowerBound)..<UInt32(range.upperBound) }
        var old: [UInt32] = []
        old.reserveCapacity(rows - newCount)
        var start = 0
        for range in newRows + [rows..<rows] {
            old += UInt32(start)..<UInt32(range.lowerBound)
            start = range.upperBound
        }
        // The first steps of a Fisher–Yates shuffle draw without replacement.
        for place in 0..<replayedCount {
            let block = generator.block(step: UInt32(epoch), index: UInt64(place) / 4)
            old.swapAt(place, place + Int(Philox.below(UInt32(old.count - place), block[place % 4])))
        }
        return chosen + old.prefix(replayedCount)
    }
}
