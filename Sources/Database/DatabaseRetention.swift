import FoundationEssentials
import GRDB

/// From when on rows are kept.
public struct RowAge: Sendable, Equatable {
    /// What was recorded before goes.
    public var cutoff: Date
    /// Whether rows are older by the clock and stay all the same, since the clock went ahead while nothing was recorded.
    public var isJump: Bool

    public init(cutoff: Date, isJump: Bool) {
        self.cutoff = cutoff
        self.isJump = isJump
    }
}

extension StateStore {
    /// From when on rows are kept, whatever was done to the clock.
    ///
    /// Age is what has gone by while things were recorded: from one event to the next, in the order they came, no more than a
    /// share of `seconds` counts, and nothing where the clock was set back. So a clock that is set ahead, by years even, makes
    /// nothing old, and nor does a machine that was off.
    /// - Parameter seconds: the age up to which rows are kept
    public func age(keeping seconds: Double, now: Date) throws(MetricsError) -> RowAge {
        let byClock = now.addingTimeInterval(-seconds)
        let most = StateStore.longestGap(keeping: seconds)
        return try read("find out what is old") { db in
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
                    // Times have milliseconds: this event is old too.
                    let cutoff = isCapped ? min(time.addingTimeInterval(0.001), byClock) : byClock
                    return RowAge(cutoff: cutoff, isJump: isJump)
                }
                if isCapped, time < byClock { isJump = true }
                later = time
            }
            // Nothing has been recorded for so long.
            return RowAge(cutoff: .distantPast, isJump: isJump)
        }
    }

    /// How long nothing may happen before it is the clock that is to be doubted: a tenth, but not less than a day where that is
    /// kept.
    private static func longestGap(keeping seconds: Double) -> Double { max(seconds / 10, min(seconds, 86_400)) }

    /// Removes the steps, evaluations and events of before `date`, but for those of runs that are not over. The runs
    /// themselves stay: what a model has learned is theirs to say.
    /// - Returns: how many rows
    public func removeRows(before date: Date) throws(MetricsError) -> Int {
        try write("remove old rows") { db in
            let time = date.formatted(Date.ISO8601FormatStyle(includingFractionalSeconds: true))
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
