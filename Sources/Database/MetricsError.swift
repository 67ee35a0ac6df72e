import GRDB

/// The database could not do what was asked.
public struct MetricsError: Error, CustomStringConvertible {
    /// What was being done, in words.
    public let operation: String
    public let path: String
    public let cause: String
    /// Something the reader can act on, or null.
    public let hint: String?
    /// Whether the file is no database that this program can use: damaged, or of a newer version.
    public let isDamage: Bool
    /// Whether nothing is wrong with it: a newer version of this program can use it.
    public let isNewer: Bool
    /// Whether SQLite found the file damaged.
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
            // Less is there than there was.
            || error.extendedResultCode == .SQLITE_IOERR_SHORT_READ
        // The others pass, or are the machine's.
        isDamage =
            isCorruption
            || ![.SQLITE_FULL, .SQLITE_BUSY, .SQLITE_LOCKED, .SQLITE_IOERR, .SQLITE_NOMEM].contains(
                error.resultCode)
        hint =
            switch error.resultCode {
            case .SQLITE_FULL: "the disk is full: free some space, what was recorded before is safe"
            case .SQLITE_NOTADB, .SQLITE_CORRUPT:
                "the file is damaged: move it and its -wal and -shm away, a new one is made; models and corpora do not need it"
            case .SQLITE_CANTOPEN, .SQLITE_READONLY: "the service must be able to write the file and its folder"
            case .SQLITE_BUSY: "another program holds the database"
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
