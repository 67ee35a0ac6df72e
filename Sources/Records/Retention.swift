import FoundationEssentials
import GRDB

extension MetricsStore {
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
