import FoundationEssentials
import GRDB

extension StateStore {
    /// Records a file that was received, durably: see `record(_:replacing:)` for several.
    public func record(_ corpus: CorpusRecord) throws(MetricsError) -> CorpusRecord? {
        try record([corpus], replacing: false)[0]?.record
    }

    /// A corpus that was recorded now.
    public struct Recorded: Sendable {
        public var record: CorpusRecord
        /// The corpora that came from the same path in the inbox and the same owner, the newest first: those that are
        /// replaced, or else the one that models were last trained on.
        public var earlierVersions: [EarlierVersion]
    }

    /// Records files that were received, durably and together: either all are recorded or none.
    ///
    /// A record with the state `admitted` is stored as a duplicate if its corpus was admitted before. If that corpus was set aside,
    /// it becomes available for training again.
    /// - Parameter replacing: whether to remove earlier versions of the files. A text that another file has as well remains
    ///   in use for that file.
    /// - Returns: what was recorded, nil for each file (`source`) that is already recorded
    public func record(_ corpora: [CorpusRecord], replacing: Bool) throws(MetricsError) -> [Recorded?] {
        try writeDurably("record \(corpora.count == 1 ? "a corpus" : "\(corpora.count) corpora")") { db in
            var lines: [CorpusRecord] = []
            var replacedRows: [Int: [CorpusRecord]] = [:]
            var recorded = try corpora.enumerated().map { index, corpus -> Recorded? in
                guard let record = try insert(corpus, db) else { return nil }
                lines.append(record)
                guard record.state != .rejected, let owner = Self.identifiedOwner(of: record) else {
                    return Recorded(record: record, earlierVersions: [])
                }
                guard replacing else {
                    let last = try lastVersion(before: record, of: owner, db)
                    return Recorded(record: record, earlierVersions: last.map { [$0] } ?? [])
                }
                let replaced = try replace(versionsBefore: record, of: owner, db)
                lines += replaced
                replacedRows[index] = replaced
                return Recorded(record: record, earlierVersions: [])
            }
            // A later file may have the same text as a version that an earlier one replaced.
            for (index, rows) in replacedRows { recorded[index]?.earlierVersions = try versions(rows, db) }
            if !lines.isEmpty { try ledger.append(lines) }
            return recorded
        }
    }

    /// Restores records that are already in the ledger.
    public func restore(_ corpora: [CorpusRecord]) throws(MetricsError) {
        try writeDurably("restore corpora") { db in
            for corpus in corpora {
                _ = try insert(corpus, db)
                if let removed = corpus.removed {
                    if corpus.supersededBy == nil {
                        try remove(corpus.sha256, at: removed, db)
                    } else {
                        try supersede(
                            CorpusRecord.filter(
                                Column("sha256") == corpus.sha256 && Column("name") == corpus.name
                                    && Column("owner") == corpus.owner && Column("state") != "rejected"
                                    && Column("removed") == nil), [corpus], db)
                    }
                } else if corpus.state != .rejected {
                    try setAside(corpus.sha256, at: corpus.setAside, because: corpus.reason, db)
                }
            }
        }
    }

    private func insert(_ corpus: CorpusRecord, _ db: Database) throws -> CorpusRecord? {
        var corpus = corpus.bounded
        corpus.id = nil
        if let source = corpus.source, try recordedState(source, db) != nil { return nil }
        if corpus.state == .admitted, try admitted(corpus.sha256, db) != nil {
            corpus.state = .duplicate
            try setAside(corpus.sha256, at: nil, because: nil, db)
        }
        try corpus.insert(db)
        corpus.id = db.lastInsertedRowID
        return corpus
    }

    /// Returns the corpora in the order of arrival.
    /// - Parameter state: limits the list to this state; nil returns all
    public func corpora(state: CorpusRecord.State? = nil) throws(MetricsError) -> [CorpusRecord] {
        try read("list corpora") { db in
            var request = CorpusRecord.order(Column("id"))
            if let state { request = request.filter(Column("state") == state.rawValue) }
            return try request.fetchAll(db)
        }
    }

    /// Returns the states of those of the files (`source`) that are recorded.
    public func recordedStates(ofFiles sources: [String]) throws(MetricsError) -> [String: CorpusRecord.State] {
        try read("find files") { db in
            var states: [String: CorpusRecord.State] = [:]
            for source in sources { states[source] = try recordedState(source, db) }
            return states
        }
    }

    private func recordedState(_ source: String, _ db: Database) throws -> CorpusRecord.State? {
        let statement = try db.cachedStatement(sql: "SELECT state FROM corpora WHERE source = ?")
        return try String.fetchOne(statement, arguments: [source]).flatMap(CorpusRecord.State.init)
    }

    /// Returns those of the corpora (SHA-256) that are admitted, but were set aside.
    public func setAside(among corpora: [String]) throws(MetricsError) -> Set<String> {
        try read("find corpora that were set aside") { db in
            let statement = try db.cachedStatement(
                sql: """
                    SELECT 1 FROM corpora
                    WHERE sha256 = ? AND state = 'admitted' AND removed IS NULL AND set_aside IS NOT NULL
                    """)
            return Set(try corpora.filter { try Int.fetchOne(statement, arguments: [$0]) != nil })
        }
    }

    /// Returns the admitted corpus with this SHA-256, or nil if there is none.
    public func corpus(sha256: String) throws(MetricsError) -> CorpusRecord? {
        try read("find a corpus") { db in try admitted(sha256, db) }
    }

    /// Returns those of the corpora (SHA-256) that were admitted and not removed, each as it was first received.
    public func remaining(of corpora: [String]) throws(MetricsError) -> [CorpusRecord] {
        try read("find corpora") { db in
            let statement = try db.cachedStatement(
                sql: """
                    SELECT * FROM corpora WHERE sha256 = ? AND state <> 'rejected' AND removed IS NULL ORDER BY id LIMIT 1
                    """)
            return try corpora.compactMap { try CorpusRecord.fetchOne(statement, arguments: [$0]) }
        }
    }

    /// Returns the corpora a model may be trained on, in the order in which they first fed it: those that feed all models, and those
    /// that feed only this one, including duplicates of corpora of another model. Each is returned as it was first received for
    /// this model.
    public func corpora(feeding model: String) throws(MetricsError) -> [CorpusRecord] {
        try read("list a model's corpora") { db in
            try CorpusRecord.fetchAll(
                db, sql: "SELECT * FROM corpora \(Self.whereFeeding) ORDER BY id", arguments: [model])
        }
    }

    /// Returns the size in bytes of the corpora that a model may be trained on.
    public func bytes(feeding model: String) throws(MetricsError) -> Int {
        try read("add up a model's corpora") { db in
            try Int.fetchOne(db, sql: "SELECT sum(bytes) FROM corpora \(Self.whereFeeding)", arguments: [model]) ?? 0
        }
    }

    private static let whereFeeding = """
        WHERE id IN (SELECT min(id) FROM corpora
                     WHERE state <> 'rejected' AND removed IS NULL AND set_aside IS NULL
                           AND (model IS NULL OR model = ?)
                     GROUP BY sha256)
        """

    /// Durably removes a corpus from all training, including its duplicates.
    /// - Returns: false if there is no such corpus
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

    /// Durably excludes a corpus from training until it is retried, including its duplicates.
    /// - Returns: false if there is no such corpus
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

    /// Makes the corpora of a model that were set aside available again, for this model and the others they feed.
    /// - Returns: their SHA-256, in the order of arrival
    public func tryAgain(corporaOf model: String) throws(MetricsError) -> [String] {
        try writeDurably("retry corpora that were set aside") { db in
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

    /// - Parameter time: nil clears it
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

    /// Returns the removed corpora whose files can be deleted: not admitted again, and not used by a run that may be resumed.
    public func unneededCorpora() throws(MetricsError) -> [String] {
        try read("list the corpora that can be deleted") { db in
            try String.fetchAll(
                db,
                sql: """
                    SELECT DISTINCT sha256 FROM corpora AS gone WHERE removed IS NOT NULL
                    AND NOT EXISTS (SELECT 1 FROM corpora
                                    WHERE sha256 = gone.sha256 AND state <> 'rejected' AND removed IS NULL)
                    AND NOT EXISTS (SELECT 1 FROM run_corpora JOIN runs ON runs.id = run_corpora.run
                                    WHERE run_corpora.sha256 = gone.sha256
                                          AND runs.state IN ('queued', 'running', 'interrupted'))
                    """)
        }
    }

    /// Returns the SHA-256 of the corpora a run is trained on, in the order in which it reads them.
    public func corpora(ofRun run: String) throws(MetricsError) -> [String] {
        try read("list a run's corpora") { db in
            try String.fetchAll(
                db, sql: "SELECT sha256 FROM run_corpora WHERE run = ? ORDER BY position", arguments: [run])
        }
    }

    func admitted(_ sha256: String, _ db: Database) throws -> CorpusRecord? {
        let statement = try db.cachedStatement(
            sql: "SELECT * FROM corpora WHERE sha256 = ? AND state = 'admitted' AND removed IS NULL")
        return try CorpusRecord.fetchOne(statement, arguments: [sha256])
    }
}
