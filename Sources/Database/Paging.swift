import GRDB
import Jobs

/// A page of a list: at most the requested number of rows, in order, each with the key that the next page can start after.
public struct Page<Element: Sendable>: Sendable {
    public var rows: [(key: Int64, value: Element)]
    /// Whether this is the last page.
    public var isLast: Bool

    /// - Parameter rows: one more than `limit` if this is not the last page
    init(_ rows: [(key: Int64, value: Element)], limit: Int) {
        self.rows = Array(rows.prefix(limit))
        isLast = rows.count <= limit
    }
}

extension CorpusRecord {
    /// The state of a corpus in lists, where `removed` and `set_aside` replace the recorded state.
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
    /// The listed state in SQL. Must match the expression of the index `corpora_listed`.
    private static let listedState = """
        CASE WHEN removed IS NOT NULL THEN 'removed' WHEN set_aside IS NOT NULL THEN 'set_aside' ELSE state END
        """

    /// - Parameters:
    ///   - state: limits the list to this state; nil returns all
    ///   - key: the key of the row that precedes the page; nil starts with the first row
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
            // GRDB uses the leftmost column of a name, so long texts recorded by older versions are truncated by SQLite.
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

    /// Returns the number of corpora in each state.
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

    /// Returns a page, newest first.
    /// - Parameter model: limits the list to this model; nil returns all
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

    /// Returns a page, newest first.
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

    /// Returns a page of a run's steps and evaluations after `step`. Both lists are complete up to the same step.
    /// - Parameters:
    ///   - limit: maximum number of steps
    ///   - evaluationLimit: maximum number of evaluations, whose samples of text make them larger
    /// - Returns: `next` is the step that the next page starts after; nil if this is the last page
    public func measurements(
        ofRun run: String, after step: Int? = nil, limit: Int, evaluationLimit: Int = .max
    ) throws(MetricsError) -> (steps: [StepRecord], evaluations: [EvaluationRecord], next: Int?) {
        try read("list steps") { db in
            let evaluationLimit = min(limit, evaluationLimit)
            func rows<Record: MetricsRecord>(_ type: Record.Type, _ limit: Int) throws -> [Record] {
                var request = Record.filter(Column("run") == run).order(Column("step"))
                if let step { request = request.filter(Column("step") > step) }
                return try request.limit(limit + 1).fetchAll(db)
            }
            var (steps, evaluations) = (
                try rows(StepRecord.self, limit), try rows(EvaluationRecord.self, evaluationLimit)
            )
            // If either list has more rows, both end at the last step on this page.
            let ends = [
                steps.count > limit ? steps[limit - 1].metrics.step : nil,
                evaluations.count > evaluationLimit ? evaluations[evaluationLimit - 1].step : nil,
            ].compactMap { $0 }
            guard let end = ends.min() else { return (steps, evaluations, nil) }
            steps = steps.filter { $0.metrics.step <= end }
            evaluations = evaluations.filter { $0.step <= end }
            return (steps, evaluations, end)
        }
    }
}
