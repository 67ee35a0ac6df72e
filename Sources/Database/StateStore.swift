import GRDB
import Glibc
import Synchronization

/// The database `metrics.db`: corpora, runs, measurements, generations and events. One process writes it; other processes of its
/// user may read it.
///
/// Calls block while SQLite works, usually for well under a millisecond; durable writes take longer.
public final class StateStore: Sendable {
    /// Describes the replacement of a database that could not be used any more.
    public struct Rebuild: Sendable {
        /// The new path of the old database.
        public let aside: String
        public let reason: MetricsError
    }

    public let path: String
    /// A second record of the corpora; see `CorpusLedger`.
    public let ledger: CorpusLedger
    private let pool: Mutex<DatabasePool>
    private let renewing = Mutex(())
    /// Nil if damage is reported as an error.
    private let whenRenewed: (@Sendable (Rebuild, StateStore) -> Void)?

    /// Opens the database. Creates or migrates it if necessary.
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

    /// Opens the database like `init`. If it is damaged or was written by a newer version, it is moved aside and replaced by a new
    /// one, now or as soon as that is noticed.
    /// - Parameter whenRenewed: called with the new, empty database
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
            // With WAL, a power failure may undo the last commits, but never corrupts the database. `writeDurably` is for commits
            // that must not be undone.
            try db.execute(sql: "PRAGMA synchronous = NORMAL")
        }
        do {
            let pool = try DatabasePool(path: path, configuration: configuration)
            // A user who can open the file can lock it, which would block all changes. SQLite creates the log and its index with
            // the mode of the database.
            for suffix in ["", "-wal", "-shm"] { chmod(path + suffix, 0o600) }
            let newer = try pool.read { db in try Schema.migrator.hasBeenSuperseded(db) }
            guard !newer else {
                throw MetricsError(
                    "open the tables", path: path, cause: "a newer version of this program has changed them",
                    hint: "install that version again or move the file away", isNewer: true)
            }
            let finding = try pool.read { db in try String.fetchOne(db, sql: "PRAGMA quick_check(1)") }
            guard finding == "ok" else {
                throw MetricsError("open the tables", path: path, cause: finding ?? "no answer", isDamage: true)
            }
            try Schema.migrator.migrate(pool)
            // Passive, so that no reader delays or prevents the start; `checkpoint` is called again later.
            _ = try? pool.writeWithoutTransaction { db in try db.checkpoint(.passive) }
            return pool
        } catch let error as MetricsError {
            throw error
        } catch {
            throw MetricsError("open the tables", path: path, cause: error)
        }
    }

    /// Replaces a damaged database, unless another thread has already done so.
    private func renew(_ old: DatabasePool, because reason: MetricsError) throws(MetricsError) {
        let aside: String? = try renewing.withLock { _ throws(MetricsError) in
            guard pool.withLock({ $0 === old }) else { return nil }
            // If it were closed later, SQLite would delete the log of the new database, which has the same path.
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

    /// Copies the changes in the log `metrics.db-wal` into `metrics.db`, as far as no reader needs the old pages. Otherwise
    /// SQLite does so only once the log has a thousand pages.
    public func checkpoint() throws(MetricsError) {
        try perform("copy the log into the database") { pool in
            try pool.writeWithoutTransaction { db in _ = try db.checkpoint(.passive) }
        }
    }

    /// Copies the log into the database, empties it and closes the database. The store cannot be used any more.
    public func close() throws(MetricsError) {
        try checkpoint()
        try perform("close the database") { pool in
            // Impossible if another process reads the database, which then needs the log.
            _ = try? pool.writeWithoutTransaction { db in try db.checkpoint(.truncate) }
            try pool.close()
        }
    }

    func read<Value>(_ operation: String, _ body: (Database) throws -> Value) throws(MetricsError) -> Value {
        try perform(operation) { try $0.read(body) }
    }

    /// Runs `body` in a transaction.
    @discardableResult
    func write<Value>(_ operation: String, _ body: (Database) throws -> Value) throws(MetricsError) -> Value {
        try perform(operation) { try $0.write(body) }
    }

    /// Runs `body` in a transaction that is on disk when this returns: for records that must survive before the next action, such
    /// as removing a file or serving a model.
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
