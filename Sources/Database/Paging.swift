import GRDB

/// Part of a list: as many rows as were asked for, in order, each with the key that the next page can begin after.
public struct Page<Element: Sendable>: Sendable {
    public var rows: [(key: Int64, value: Element)]
    /// Whether nothing comes after them.
    public var isLast: Bool

    /// - Parameter rows: one more than `limit` where there are more
    init(_ rows: [(key: Int64, value: Element)], limit: Int) {
        self.rows = Array(rows.prefix(limit))
        isLast = rows.count <= limit
    }
}

extension CorpusRecord {
    /// A corpus's state as it is listed: what was taken out or set aside is neither admitted nor a duplicate.
    public enum ListedState: String, Sendable, CaseIterable {
        case admitted, duplicate, rejected, removed
        case setAside = "set_aside"
    }

    public var listedState: ListedState {
        if removed != nil { return .removed }
        return setAside != nil ? .setAside : ListedState(rawValue: state.rawValue) ?? .rejected
    }
}

extension StateStore {
    /// In SQL, as the index `corpora_listed` has it.
    private static let listedState = """
        CASE WHEN removed IS NOT NULL THEN 'removed' WHEN set_aside IS NOT NULL THEN 'set_aside' ELSE state END
        """

    /// - Parameters:
    ///   - state: only these; null for all
    ///   - key: of the row before the first; null begins with the first
    public func corpusPage(
        state: CorpusRecord.ListedState? = nil, newestFirst: Bool = false, after key: Int64? = nil, limit: Int
    ) throws(MetricsError) -> Page<CorpusRecord> {
        try read("list corpora") { db in
            var conditions: [String] = []
            var arguments: [any DatabaseValueConvertible] = []
            if let state {
                conditions.append("\(Self.listedState) = ?")
                arguments.append(state.rawValue)
            }
            if let key {
                conditions.append(newestFirst ? "id < ?" : "id > ?")
                arguments.append(key)
            }
            arguments.append(limit + 1)
            // Leftmost counts: a reason of megabytes, which older versions have recorded, stays in the database.
            let rows = try CorpusRecord.fetchAll(
                db,
                sql: """
                    SELECT substr(reason, 1, \(RecordedText.longestReason)) AS reason,
                           substr(name, 1, \(RecordedText.longestReason)) AS name, *
                    FROM corpora \(conditions.isEmpty ? "" : "WHERE \(conditions.joined(separator: " AND "))")
                    ORDER BY id \(newestFirst ? "DESC" : "") LIMIT ?
                    """, arguments: StatementArguments(arguments))
            return Page(rows.map { ($0.id ?? 0, $0.bounded) }, limit: limit)
        }
    }

    /// How many there are in each state.
    public func corpusCounts() throws(MetricsError) -> [CorpusRecord.ListedState: Int] {
        try read("count corpora") { db in
            var counts: [CorpusRecord.ListedState: Int] = [:]
            let sql = "SELECT \(Self.listedState) AS listed, count(*) AS count FROM corpora GROUP BY listed"
            for row in try Row.fetchAll(db, sql: sql) {
                if let state = CorpusRecord.ListedState(rawValue: row["listed"]) { counts[state] = row["count"] }
            }
            return counts
        }
    }

    /// The newest first.
    /// - Parameter model: only this model's; null for all
    public func runPage(
        model: String? = nil, after key: Int64? = nil, limit: Int
    ) throws(MetricsError) -> Page<RunRecord> {
        try read("list runs") { db in
            var request = RunRecord.select(Column("number"), AllColumns()).order(Column("number").desc)
            if let model { request = request.filter(Column("model") == model) }
            if let key { request = request.filter(Column("number") < key) }
            let rows = try Row.fetchAll(db, request.limit(limit + 1))
            return Page(try rows.map { ($0["number"], try RunRecord(row: $0).bounded) }, limit: limit)
        }
    }

    /// The newest first.
    public func generationPage(
        of model: String, after key: Int64? = nil, limit: Int
    ) throws(MetricsError) -> Page<GenerationRecord> {
        try read("list generations") { db in
            var request = GenerationRecord.filter(Column("model") == model).order(Column("number").desc)
            if let key { request = request.filter(Column("number") < key) }
            let rows = try request.limit(limit + 1).fetchAll(db)
            return Page(rows.map { (Int64($0.number), $0.bounded) }, limit: limit)
        }
    }

    /// A run's steps and evaluations after `step`, of both all up to the same step.
    /// - Returns: where the next page begins; null where there is no more
    public func measurements(
        ofRun run: String, after step: Int? = nil, limit: Int
    ) throws(MetricsError) -> (steps: [StepRecord], evaluations: [EvaluationRecord], next: Int?) {
        try read("list steps") { db in
            func rows<Record: MetricsRecord>(_ type: Record.Type) throws -> [Record] {
                var request = Record.filter(Column("run") == run).order(Column("step"))
                if let step { request = request.filter(Column("step") > step) }
                return try request.limit(limit + 1).fetchAll(db)
            }
            var (steps, evaluations) = (try rows(StepRecord.self), try rows(EvaluationRecord.self))
            // A list that goes on ends this page, and the other with it.
            let ends = [
                steps.count > limit ? steps[limit - 1].step : nil,
                evaluations.count > limit ? evaluations[limit - 1].step : nil,
            ].compactMap { $0 }
            guard let end = ends.min() else { return (steps, evaluations, nil) }
            steps = steps.filter { $0.step <= end }
            evaluations = evaluations.filter { $0.step <= end }
            return (steps, evaluations, end)
        }
    }
}
