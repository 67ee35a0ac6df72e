import GRDB
import Glibc
import Synchronization

/// `metrics.db`: what was received, trained, published and told. One process writes it; others of its user may read it.
///
/// Calls block for the time SQLite takes, usually well below a millisecond, longer where they force the disk.
public final class StateStore: Sendable {
    /// A database that could not be used any more, and what became of it.
    public struct Rebuild: Sendable {
        /// Where the old one lies now.
        public let aside: String
        public let reason: MetricsError
    }

    public let path: String
    /// What was received, once more: see `CorpusLedger`.
    public let ledger: CorpusLedger
    private let pool: Mutex<DatabasePool>
    private let renewing = Mutex(())
    /// Nil where damage is an error.
    private let whenRenewed: (@Sendable (Rebuild, StateStore) -> Void)?

    /// Opens the database, making it or bringing its tables up to date where needed.
    public convenience init(path: String) throws(MetricsError) {
        self.init(path: path, pool: try Self.open(path), whenRenewed: nil)
    }

    private init(
        path: String, pool: DatabasePool, whenRenewed: (@Sendable (Rebuild, StateStore) -> Void)?
    ) {
        self.path = path
        self.pool = Mutex(pool)
        self.whenRenewed = whenRenewed
        ledger = CorpusLedger(beside: path)
    }

    /// As `init`; a database that is damaged, or of another version, is set aside and begun anew, now and whenever it turns
    /// out to be.
    /// - Parameter whenRenewed: called with the new and empty one
    public static func renewable(
        path: String, whenRenewed: @escaping @Sendable (Rebuild, StateStore) -> Void
    ) throws(MetricsError) -> StateStore {
        do throws(MetricsError) {
            let store = StateStore(path: path, pool: try open(path), whenRenewed: whenRenewed)
            try store.completeLedger()
            return store
        } catch {
            guard error.isDamage, access(path, F_OK) == 0 else { throw error }
            let renewal = Rebuild(aside: try Quarantine.move(path, because: error), reason: error)
            let store = StateStore(path: path, pool: try open(path), whenRenewed: whenRenewed)
            whenRenewed(renewal, store)
            return store
        }
    }

    private static func open(_ path: String) throws(MetricsError) -> DatabasePool {
        var configuration = Configuration()
        configuration.label = "metrics"
        configuration.busyMode = .timeout(5)
        configuration.prepareDatabase { db in
            // With WAL a power cut may undo the last commits, but never tears one; `writeDurably` is for the others.
            try db.execute(sql: "PRAGMA synchronous = NORMAL")
        }
        do {
            let pool = try DatabasePool(path: path, configuration: configuration)
            // Who can open a file can lock it, and a lock of somebody else's would stop every change. SQLite gives the log
            // and its index the database's mode.
            for suffix in ["", "-wal", "-shm"] { chmod(path + suffix, 0o600) }
            let newer = try pool.read { db in try Schema.migrator.hasBeenSuperseded(db) }
            guard !newer else {
                throw MetricsError(
                    "open the tables", path: path, cause: "a newer version of this program has changed them",
                    hint: "install that version again, or move the file away", isNewer: true)
            }
            let failureReason = try pool.read { db in try String.fetchOne(db, sql: "PRAGMA quick_check(1)") }
            guard failureReason == "ok" else {
                throw MetricsError("open the tables", path: path, cause: failureReason ?? "no answer", isDamage: true)
            }
            try Schema.migrator.migrate(pool)
            return pool
        } catch let error as MetricsError {
            throw error
        } catch {
            throw MetricsError("open the tables", path: path, cause: error)
        }
    }

    /// Sets a database aside that turned out to be damaged, unless another thread has done so.
    private func renew(_ old: DatabasePool, because reason: MetricsError) throws(MetricsError) {
        let aside: String? = try renewing.withLock { _ throws(MetricsError) in
            guard pool.withLock({ $0 === old }) else { return nil }
            // Closing it by its path later would take the new one's log away.
            try? old.close()
            let aside = try Quarantine.move(path, because: reason)
            let new = try Self.open(path)
            pool.withLock { $0 = new }
            return aside
        }
        if let aside { whenRenewed?(Rebuild(aside: aside, reason: reason), self) }
    }

    private func perform<Value>(
        _ operation: String, _ body: (DatabasePool) throws -> Value
    ) throws(MetricsError) -> Value {
        let current = pool.withLock { $0 }
        let failure: MetricsError
        do {
            return try body(current)
        } catch let error as MetricsError {
            failure = error
        } catch {
            failure = MetricsError(operation, path: path, cause: error)
        }
        let isReplaced = pool.withLock { $0 !== current }
        guard whenRenewed != nil, failure.isCorruption || isReplaced else { throw failure }
        if !isReplaced { try renew(current, because: failure) }
        do {
            return try body(pool.withLock { $0 })
        } catch {
            throw MetricsError(operation, path: path, cause: error)
        }
    }

    func read<Value>(_ operation: String, _ body: (Database) throws -> Value) throws(MetricsError) -> Value {
        try perform(operation) { try $0.read(body) }
    }

    /// One transaction: all of it or nothing.
    @discardableResult
    func write<Value>(_ operation: String, _ body: (Database) throws -> Value) throws(MetricsError) -> Value {
        try perform(operation) { try $0.write(body) }
    }

    /// As `write`, and on the disk when it returns: for what is acted on afterwards (a file is removed, a model serves).
    @discardableResult
    func writeDurably<Value>(_ operation: String, _ body: (Database) throws -> Value) throws(MetricsError) -> Value {
        try perform(operation) { pool in
            try pool.writeWithoutTransaction { db in
                try db.execute(sql: "PRAGMA synchronous = FULL")
                defer { try? db.execute(sql: "PRAGMA synchronous = NORMAL") }
                var value: Value?
                try db.inTransaction {
                    value = try body(db)
                    return .commit
                }
                return value!
            }
        }
    }
}
