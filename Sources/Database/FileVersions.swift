import Durable
import FoundationEssentials
import GRDB

/// Versions of a file: corpora that came from the same path in the inbox and the same owner.
extension StateStore {
    /// A corpus that came from the same path as a newer one.
    public struct EarlierVersion: Sendable {
        public var sha256: String
        public var name: String
        public var model: String?
        /// Whether the newer one took its place.
        public var isReplaced: Bool
        /// When the corpus was removed; nil if it is still in use, possibly because another file has the same text.
        public var removed: Date?
    }

    /// Returns the owner of a file if owner and name identify it. Names are shortened and escaped when they are recorded,
    /// so that long ones and those with an escape may belong to different files.
    static func identifiedOwner(of record: CorpusRecord) -> UInt32? {
        record.name.utf8.count < RecordedText.longestName - 3 && !RawPath.hasEscapeForDisplay(record.name)
            ? record.owner : nil
    }

    /// Returns the version of a file that models are or were trained on last.
    func lastVersion(
        before record: CorpusRecord, of owner: UInt32, _ db: Database
    ) throws -> EarlierVersion? {
        let statement = try db.cachedStatement(
            sql: """
                SELECT sha256, model FROM corpora
                WHERE name = ? AND owner = ? AND sha256 <> ? AND state <> 'rejected' AND removed IS NULL
                    AND set_aside IS NULL
                ORDER BY id DESC LIMIT 1
                """)
        let row = try Row.fetchOne(statement, arguments: [record.name, owner, record.sha256])
        return row.map {
            EarlierVersion(sha256: $0["sha256"], name: record.name, model: $0["model"], isReplaced: false, removed: nil)
        }
    }

    /// Removes the earlier versions of a file, also those that were set aside.
    /// - Returns: their rows, the newest first
    func replace(
        versionsBefore record: CorpusRecord, of owner: UInt32, _ db: Database
    ) throws -> [CorpusRecord] {
        let statement = try db.cachedStatement(
            sql: """
                SELECT * FROM corpora
                WHERE name = ? AND owner = ? AND sha256 <> ? AND state <> 'rejected' AND removed IS NULL
                ORDER BY id DESC LIMIT 100
                """)
        var replaced = try CorpusRecord.fetchAll(statement, arguments: [record.name, owner, record.sha256])
        for index in replaced.indices {
            (replaced[index].removed, replaced[index].supersededBy) = (record.received, record.sha256)
        }
        try supersede(CorpusRecord.filter(keys: replaced.compactMap(\.id)), replaced, db)
        return replaced
    }

    /// Marks rows as removed that were replaced by a newer version of their file. Other rows with the same text remain; the
    /// oldest of them takes the place of the admitted one.
    /// - Parameters:
    ///   - rows: the rows
    ///   - replaced: the same rows as they are afterwards
    func supersede(
        _ rows: QueryInterfaceRequest<CorpusRecord>, _ replaced: [CorpusRecord], _ db: Database
    ) throws {
        guard let removed = replaced.first?.removed, let version = replaced.first?.supersededBy else { return }
        _ = try rows.updateAll(
            db, Column("removed").set(to: removed.formatted(timeStyle)), Column("superseded_by").set(to: version))
        let statement = try db.cachedStatement(
            sql: """
                UPDATE corpora SET state = 'admitted'
                WHERE id = (SELECT min(id) FROM corpora
                            WHERE sha256 = :sha256 AND state <> 'rejected' AND removed IS NULL)
                    AND NOT EXISTS (SELECT 1 FROM corpora
                                    WHERE sha256 = :sha256 AND state = 'admitted' AND removed IS NULL)
                """)
        for sha256 in Set(replaced.map(\.sha256)) { try statement.execute(arguments: ["sha256": sha256]) }
    }

    /// Returns the corpora of rows that were replaced, each once.
    func versions(_ replaced: [CorpusRecord], _ db: Database) throws -> [EarlierVersion] {
        var known: Set<String> = []
        return try replaced.filter { known.insert($0.sha256).inserted }.map { row in
            let isInUse = try admitted(row.sha256, db) != nil
            return EarlierVersion(
                sha256: row.sha256, name: row.name, model: row.model, isReplaced: true,
                removed: isInUse ? nil : row.removed)
        }
    }
}
