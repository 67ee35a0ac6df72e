import FoundationEssentials
import GRDB

/// Determines which rows are too old to be kept.
public struct RowAge: Sendable, Equatable {
    /// Rows recorded before this time are removed.
    public var cutoff: Date
    /// Whether rows that are too old according to the clock are kept, because the clock jumped ahead while nothing was
    /// recorded.
    public var isJump: Bool

    public init(cutoff: Date, isJump: Bool) {
        self.cutoff = cutoff
        self.isJump = isJump
    }
}

extension StateStore {
    /// Returns the time before which rows are removed. Clock changes do not make rows too old.
    ///
    /// Age is measured between consecutive events: an interval counts as at most a fraction of `seconds`, and as zero if the clock
    /// was set back. A clock that was set ahead, even by years, or a machine that was off therefore does not make rows too old.
    /// - Parameter seconds: the maximum age of rows
    public func age(keeping seconds: Double, now: Date) throws(MetricsError) -> RowAge {
        let byClock = now.addingTimeInterval(-seconds)
        let most = StateStore.longestGap(keeping: seconds)
        return try read("determine the age of events") { db in
            var age = 0.0
            var (isCapped, isJump) = (false, false)
            var later = now
            let events = try Row.fetchCursor(db, sql: "SELECT time FROM events ORDER BY id DESC")
            while let row = try events.next() {
                guard let text = row["time"] as String?, let time = try? Date(text, strategy: timeStyle) else {
                    continue
                }
                let gap = later.timeIntervalSince(time)
                age += min(max(gap, 0), most)
                if gap > most { isCapped = true }
                if age > seconds {
                    // Times have a resolution of a millisecond, so this event is too old as well.
                    let cutoff = isCapped ? min(time.addingTimeInterval(0.001), byClock) : byClock
                    return RowAge(cutoff: cutoff, isJump: isJump)
                }
                if isCapped, time < byClock { isJump = true }
                later = time
            }
            // The time since the last event.
            return RowAge(cutoff: .distantPast, isJump: isJump)
        }
    }

    /// The longest interval between events that does not count as a clock jump: a tenth of `seconds`, but at least a
    /// day if `seconds` is longer than that.
    private static func longestGap(keeping seconds: Double) -> Double { max(seconds / 10, min(seconds, 86_400)) }

    /// Removes the steps, evaluations and events recorded before `date`, except for those of unfinished runs. The runs themselves are
    /// kept, because they record which corpora a model was trained on.
    /// - Returns: the number of rows removed
    public func removeRows(before date: Date) throws(MetricsError) -> Int {
        try write("remove old rows") { db in
            let time = date.formatted(timeStyle)
            var rows = 0
            for table in ["steps", "evaluations", "events"] {
                try db.execute(
                    sql: """
                        DELETE FROM \(table) WHERE time < ?
                        AND (run IS NULL OR run NOT IN (SELECT id FROM runs WHERE finished IS NULL))
                        """, arguments: [time])
                rows += db.changesCount
            }
            return rows
        }
    }
}
