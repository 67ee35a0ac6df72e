import FoundationEssentials
import GRDB

extension StateStore {
    /// Records a file that was received; on the disk when this returns.
    ///
    /// What is offered as admitted, but has been admitted before, is recorded as the duplicate it is; where it was set aside,
    /// whoever brings it again wants it tried again.
    /// - Returns: the record as it stands, or null where this very file (`source`) is recorded already
    public func record(_ corpus: CorpusRecord) throws(MetricsError) -> CorpusRecord? {
        try writeDurably("record a corpus") { db in
            let recorded = try insert(corpus, db)
            if let recorded { try ledger.append([recorded]) }
            return recorded
        }
    }

    /// As `record`, of what the ledger has already.
    public func restore(_ corpora: [CorpusRecord]) throws(MetricsError) {
        try writeDurably("record corpora again") { db in
            for corpus in corpora {
                _ = try insert(corpus, db)
                if let removed = corpus.removed {
                    try remove(corpus.sha256, at: removed, db)
                } else if corpus.state != .rejected {
                    try setAside(corpus.sha256, at: corpus.setAside, because: corpus.reason, db)
                }
            }
        }
    }

    private func insert(_ corpus: CorpusRecord, _ db: Database) throws -> CorpusRecord? {
        var corpus = corpus.bounded
        corpus.id = nil
        if let source = corpus.source, try CorpusRecord.filter(Column("source") == source).fetchCount(db) > 0 {
            return nil
        }
        if corpus.state == .admitted, try admitted(corpus.sha256, db) != nil {
            corpus.state = .duplicate
            try setAside(corpus.sha256, at: nil, because: nil, db)
        }
        try corpus.insert(db)
        corpus.id = db.lastInsertedRowID
        return corpus
    }

    /// In the order they came.
    /// - Parameter state: only these; null for all
    public func corpora(state: CorpusRecord.State? = nil) throws(MetricsError) -> [CorpusRecord] {
        try read("list corpora") { db in
            var request = CorpusRecord.order(Column("id"))
            if let state { request = request.filter(Column("state") == state.rawValue) }
            return try request.fetchAll(db)
        }
    }

    /// Whether this very file (`source`) is recorded already, whatever became of it.
    public func isRecorded(source: String) throws(MetricsError) -> Bool {
        try read("find a file") { db in try CorpusRecord.filter(Column("source") == source).fetchCount(db) > 0 }
    }

    /// The admitted corpus of these bytes; null where there is none.
    public func corpus(sha256: String) throws(MetricsError) -> CorpusRecord? {
        try read("find a corpus") { db in try admitted(sha256, db) }
    }

    /// The admitted corpora a model may learn from, in the order they began to feed it: those that came for all, and
    /// those that came for it alone, be it as a duplicate of what came for another. Each as it first came for this model.
    public func corpora(feeding model: String) throws(MetricsError) -> [CorpusRecord] {
        try read("list a model's corpora") { db in
            try CorpusRecord.fetchAll(
                db,
                sql: """
                    SELECT * FROM corpora
                    WHERE id IN (SELECT min(id) FROM corpora
                                 WHERE state <> 'rejected' AND removed IS NULL AND set_aside IS NULL
                                       AND (model IS NULL OR model = ?)
                                 GROUP BY sha256)
                    ORDER BY id
                    """, arguments: [model])
        }
    }

    /// Takes a corpus out of what models learn from, however often it came; on the disk when this returns.
    /// - Returns: false where there is none of these bytes
    public func removeCorpus(sha256: String) throws(MetricsError) -> Bool {
        try writeDurably("remove a corpus") { db in
            let corpora = CorpusRecord.filter(Column("sha256") == sha256 && Column("removed") == nil)
            guard var last = try corpora.filter(Column("state") != "rejected").order(Column("id").desc).fetchOne(db)
            else { return false }
            let now = Date()
            try remove(sha256, at: now, db)
            last.removed = now
            try ledger.append([last])
            return true
        }
    }

    /// Keeps a corpus from models until somebody tries it again, however often it came; on the disk when this returns.
    /// - Returns: false where there is none of these bytes
    public func setAsideCorpus(sha256: String, because reason: String) throws(MetricsError) -> Bool {
        try writeDurably("set a corpus aside") { db in
            let corpora = CorpusRecord.filter(
                Column("sha256") == sha256 && Column("removed") == nil && Column("state") != "rejected")
            guard var last = try corpora.order(Column("id").desc).fetchOne(db) else { return false }
            let now = Date()
            try setAside(sha256, at: now, because: reason, db)
            (last.setAside, last.reason) = (now, reason)
            try ledger.append([last])
            return true
        }
    }

    /// Lets the corpora of a model that were set aside feed it, and the others that they feed, again.
    /// - Returns: their SHA-256, in the order they came
    public func tryAgain(corporaOf model: String) throws(MetricsError) -> [String] {
        try writeDurably("try corpora again that were set aside") { db in
            let corpora = try CorpusRecord.filter(
                Column("set_aside") != nil && Column("removed") == nil
                    && (Column("model") == nil || Column("model") == model)
            ).order(Column("id")).fetchAll(db)
            var tried: [String] = []
            for var corpus in corpora where !tried.contains(corpus.sha256) {
                try setAside(corpus.sha256, at: nil, because: nil, db)
                (corpus.setAside, corpus.reason) = (nil, nil)
                try ledger.append([corpus])
                tried.append(corpus.sha256)
            }
            return tried
        }
    }

    /// - Parameter time: nil takes it back
    private func setAside(_ sha256: String, at time: Date?, because reason: String?, _ db: Database) throws {
        var corpora = CorpusRecord.filter(
            Column("sha256") == sha256 && Column("state") != "rejected" && Column("removed") == nil)
        if time == nil { corpora = corpora.filter(Column("set_aside") != nil) }
        _ = try corpora.updateAll(
            db, Column("set_aside").set(to: time?.formatted(timeStyle)),
            Column("reason").set(to: time == nil ? nil : reason))
    }

    private func remove(_ sha256: String, at time: Date, _ db: Database) throws {
        try CorpusRecord.filter(
            Column("sha256") == sha256 && Column("state") != "rejected" && Column("removed") == nil
        ).updateAll(db, Column("removed").set(to: time.formatted(timeStyle)))
    }

    /// The removed corpora whose bytes nobody needs: not admitted again, and of no run that may go on.
    public func unneededCorpora() throws(MetricsError) -> [String] {
        try read("list the corpora that can go") { db in
            try String.fetchAll(
                db,
                sql: """
                    SELECT DISTINCT sha256 FROM corpora WHERE removed IS NOT NULL
                    EXCEPT SELECT sha256 FROM corpora WHERE state <> 'rejected' AND removed IS NULL
                    EXCEPT SELECT run_corpora.sha256 FROM run_corpora JOIN runs ON runs.id = run_corpora.run
                           WHERE runs.state IN ('queued', 'running', 'interrupted')
                    """)
        }
    }

    /// What a run was or is trained on, as SHA-256, in the order it reads them.
    public func corpora(ofRun run: String) throws(MetricsError) -> [String] {
        try read("list a run's corpora") { db in
            try String.fetchAll(
                db, sql: "SELECT sha256 FROM run_corpora WHERE run = ? ORDER BY position", arguments: [run])
        }
    }

    /// For every corpus that a finished run was trained on (by SHA-256): the names of the models, sorted.
    public func modelsByCorpus() throws(MetricsError) -> [String: [String]] {
        try read("list which models learned from which corpora") { db in
            let rows = try Row.fetchAll(
                db,
                sql: """
                    SELECT DISTINCT run_corpora.sha256, runs.model FROM run_corpora JOIN runs ON runs.id = run_corpora.run
                    WHERE runs.state = 'finished' ORDER BY runs.model
                    """)
            return Dictionary(grouping: rows) { row in row["sha256"] as String }
                .mapValues { rows in rows.map { $0["model"] } }
        }
    }

    private func admitted(_ sha256: String, _ db: Database) throws -> CorpusRecord? {
        try CorpusRecord.filter(Column("sha256") == sha256 && Column("state") == "admitted" && Column("removed") == nil)
            .fetchOne(db)
    }
}
