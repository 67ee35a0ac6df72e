import Durable
import GRDB
import Jobs

extension StateStore {
    /// Inserts or updates a run.
    /// - Parameter corpora: the SHA-256 of the corpora it is trained on, in order; nil keeps the recorded ones
    public func save(_ run: RunRecord, corpora: [String]? = nil) throws(MetricsError) {
        try write("record run \(run.id)") { db in
            try run.bounded.upsert(db)
            guard let corpora else { return }
            try db.execute(sql: "DELETE FROM run_corpora WHERE run = ?", arguments: [run.id])
            let insert = try db.cachedStatement(
                sql: "INSERT INTO run_corpora (run, position, sha256) VALUES (?, ?, ?)")
            for (position, sha256) in corpora.enumerated() {
                try insert.execute(arguments: [run.id, position, sha256])
            }
        }
    }

    public func run(_ id: String) throws(MetricsError) -> RunRecord? {
        try read("find run \(id)") { db in try RunRecord.filter(Column("id") == id).fetchOne(db) }
    }

    /// Returns runs, newest first.
    /// - Parameters:
    ///   - model: limits the list to this model; nil returns all
    ///   - states: limits the list to these states; nil returns all
    ///   - limit: the maximum number of runs; nil returns all
    public func runs(
        model: String? = nil, states: [RunRecord.State]? = nil, limit: Int? = nil
    ) throws(MetricsError) -> [RunRecord] {
        try read("list runs") { db in
            var request = RunRecord.order(Column("number").desc)
            if let model { request = request.filter(Column("model") == model) }
            if let states { request = request.filter(states.map(\.rawValue).contains(Column("state"))) }
            if let limit { request = request.limit(max(0, limit)) }
            return try request.fetchAll(db)
        }
    }

    /// Records steps. A step that is already recorded is replaced, because a resumed run repeats steps.
    public func record(_ steps: [StepRecord]) throws(MetricsError) {
        try write("record steps") { db in
            for step in steps { try step.insert(db) }
        }
    }

    public func record(_ evaluation: EvaluationRecord) throws(MetricsError) {
        try write("record an evaluation") { db in try evaluation.insert(db) }
    }

    /// Records the sample of text that belongs to an evaluation.
    public func record(_ sample: TextSample, ofRun run: String) throws(MetricsError) {
        try write("record a sample of text") { db in
            try db.execute(
                sql: "UPDATE evaluations SET prompt = ?, sample = ? WHERE run = ? AND step = ?",
                arguments: [sample.prompt, sample.text, run, sample.step])
        }
    }

    /// Returns the first corpora that a run is trained on, in the order in which it reads them, and the number and size of all.
    public func describedCorpora(
        ofRun run: String, limit: Int
    ) throws(MetricsError) -> (first: [(sha256: String, name: String, bytes: Int)], count: Int, bytes: Int) {
        try read("describe a run's corpora") { db in
            // A corpus is recorded once for each file that had its text.
            let rows = try Row.fetchAll(
                db,
                sql: """
                    SELECT sha256,
                           (SELECT substr(name, 1, \(RecordedText.longestReason)) FROM corpora
                            WHERE sha256 = run_corpora.sha256 AND state <> 'rejected' ORDER BY id DESC LIMIT 1) AS name,
                           (SELECT max(bytes) FROM corpora WHERE sha256 = run_corpora.sha256) AS bytes
                    FROM run_corpora WHERE run = ? ORDER BY position LIMIT ?
                    """, arguments: [run, limit])
            let total = try Row.fetchOne(
                db,
                sql: """
                    SELECT count(*) AS count,
                           coalesce(sum((SELECT max(bytes) FROM corpora WHERE sha256 = run_corpora.sha256)), 0) AS bytes
                    FROM run_corpora WHERE run = ?
                    """, arguments: [run])
            return (
                rows.map { row in
                    let name = (row["name"] as String?) ?? ""
                    return (
                        row["sha256"], name.boundedInTheMiddle(toBytes: RecordedText.longestName), row["bytes"] ?? 0
                    )
                }, total?["count"] ?? 0, total?["bytes"] ?? 0
            )
        }
    }

    /// Returns the message of the newest event of a kind about a run.
    public func lastMessage(ofKind kind: String, run: String) throws(MetricsError) -> String? {
        try read("find an event") { db in
            try String.fetchOne(
                db,
                sql: "SELECT substr(message, 1, 2048) FROM events WHERE run = ? AND kind = ? ORDER BY id DESC LIMIT 1",
                arguments: [run, kind])
        }
    }
}
