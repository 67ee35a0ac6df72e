import Glibc
import Logging
import Synchronization

/// Sets up the log of a program.
public enum SystemdLogging {
    private static let leastLevel = Mutex(Logger.Level.info)

    /// The log level of all loggers that have no level of their own. May be changed at any time.
    public static var level: Logger.Level {
        get { leastLevel.withLock { $0 } }
        set { leastLevel.withLock { $0 = newValue } }
    }

    /// Logs to the journal if standard error is connected to it, or else human-readable lines to standard error.
    ///
    /// Call it once, before the first `Logger` is created.
    public static func bootstrap(level: Logger.Level = .info) {
        self.level = level
        let stream = getenv("JOURNAL_STREAM").map { String(cString: $0) }
        if standardErrorIsJournal(stream) {
            LoggingSystem.bootstrap { JournalLogHandler(label: $0) }
        } else {
            LoggingSystem.bootstrap { _ in StandardErrorLogHandler() }
        }
    }

    /// - Parameter stream: `JOURNAL_STREAM`, which systemd sets to `DEVICE:INODE`. A child process whose standard error was
    ///   redirected inherits the variable, but not the file.
    package static func standardErrorIsJournal(_ stream: String?) -> Bool {
        var status = stat()
        guard fstat(STDERR_FILENO, &status) == 0 else { return false }
        return stream == "\(status.st_dev):\(status.st_ino)"
    }
}
