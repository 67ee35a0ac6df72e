import GRDB

/// `metrics.db`: what was received, trained, published and told. One process writes it, any may read it.
///
/// Calls block for the time SQLite takes, usually well below a millisecond, longer where they force the disk.
public final class MetricsStore: Sendable {
    public let path: String
    private let pool: DatabasePool

    /// Opens the database, making it or bringing its tables up to date where needed.
    public init(path: String) throws(MetricsError) {
        self.path = path
        var configuration = Configuration()
        configuration.label = "metrics"
        configuration.busyMode = .timeout(5)
        configuration.prepareDatabase { db in
            // With WAL a power cut may undo the last commits, but never tears one; `writeDurably` is for the others.
            try db.execute(sql: "PRAGMA synchronous = NORMAL")
        }
        do {
            pool = try DatabasePool(path: path, configuration: configuration)
            let newer = try pool.read { db in try Schema.migrator.hasBeenSuperseded(db) }
            guard !newer else {
                throw MetricsError(
                    "open the tables", path: path, cause: "a newer version of this program has changed them",
                    hint: "install that version again, or move the file away")
            }
            try Schema.migrator.migrate(pool)
        } catch let error as MetricsError {
            throw error
        } catch {
            throw MetricsError("open the tables", path: path, cause: error)
        }
    }

    func read<Value>(_ operation: String, _ body: (Database) throws -> Value) throws(MetricsError) -> Value {
        do {
            return try pool.read(body)
        } catch {
            throw MetricsError(operation, path: path, cause: error)
        }
    }

    /// One transaction: all of it or nothing.
    @discardableResult
    func write<Value>(_ operation: String, _ body: (Database) throws -> Value) throws(MetricsError) -> Value {
        do {
            return try pool.write(body)
        } catch {
            throw MetricsError(operation, path: path, cause: error)
        }
    }

    /// As `write`, and on the disk when it returns: for what is acted on afterwards (a file is removed, a model serves).
    @discardableResult
    func writeDurably<Value>(_ operation: String, _ body: (Database) throws -> Value) throws(MetricsError) -> Value {
        do {
            return try pool.writeWithoutTransaction { db in
                try db.execute(sql: "PRAGMA synchronous = FULL")
                defer { try? db.execute(sql: "PRAGMA synchronous = NORMAL") }
                var value: Value?
                try db.inTransaction {
                    value = try body(db)
                    return .commit
                }
                return value!
            }
        } catch {
            throw MetricsError(operation, path: path, cause: error)
        }
    }
}
