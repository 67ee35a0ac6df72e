import GRDB

/// A database operation that failed.
public struct MetricsError: Error, CustomStringConvertible {
    /// The operation, such as `record a run`.
    public let operation: String
    public let path: String
    public let cause: String
    /// Advice on how to solve the problem, if there is any.
    public let hint: String?
    /// Whether this program cannot use the file, because it is damaged or was written by a newer version.
    public let isDamage: Bool
    /// Whether the file was written by a newer version, and is intact.
    public let isNewer: Bool
    /// Whether SQLite reported that the file is corrupt.
    let isCorruption: Bool

    init(_ operation: String, path: String, cause: any Error) {
        self.operation = operation
        self.path = path
        isNewer = false
        guard let error = cause as? DatabaseError else {
            self.cause = "\(cause)"
            hint = nil
            isDamage = false
            isCorruption = false
            return
        }
        self.cause = error.message ?? "SQLite error \(error.extendedResultCode.rawValue)"
        isCorruption =
            [.SQLITE_NOTADB, .SQLITE_CORRUPT].contains(error.resultCode)
            // The file was truncated.
            || error.extendedResultCode == .SQLITE_IOERR_SHORT_READ
        // Other I/O errors are temporary, or faults of the machine.
        isDamage =
            isCorruption
            || ![.SQLITE_FULL, .SQLITE_BUSY, .SQLITE_LOCKED, .SQLITE_IOERR, .SQLITE_NOMEM].contains(
                error.resultCode)
        hint =
            switch error.resultCode {
            case .SQLITE_FULL: "the disk is full: free some space; existing records are safe"
            case .SQLITE_NOTADB, .SQLITE_CORRUPT:
                "the file is damaged: move it, its -wal and its -shm away; a new one is created, and models and corpora are kept"
            case .SQLITE_CANTOPEN, .SQLITE_READONLY: "the service needs permission to write the file and its directory"
            case .SQLITE_BUSY: "another program has locked the database"
            default: nil
            }
    }

    init(
        _ operation: String, path: String, cause: String, hint: String? = nil, isDamage: Bool = false,
        isNewer: Bool = false
    ) {
        self.operation = operation
        self.path = path
        self.cause = cause
        self.hint = hint
        self.isDamage = isDamage || isNewer
        self.isNewer = isNewer
        isCorruption = false
    }

    public var description: String {
        "cannot \(operation) in \(path): \(cause)" + (hint.map { " (\($0))" } ?? "")
    }
}
