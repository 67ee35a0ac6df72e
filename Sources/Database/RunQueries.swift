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
}
