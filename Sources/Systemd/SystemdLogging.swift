import Glibc
import Logging
import Synchronization

/// Where a program's log goes.
public enum SystemdLogging {
    private static let leastLevel = Mutex(Logger.Level.info)

    /// The least important level that is written, by every logger that has none of its own; may change at any time.
    public static var level: Logger.Level {
        get { leastLevel.withLock { $0 } }
        set { leastLevel.withLock { $0 = newValue } }
    }

    /// To the journal where standard error is connected to it, else as lines for people to standard error.
    ///
    /// To be called once, before the first `Logger` is made.
    public static func bootstrap(level: Logger.Level = .info) {
        self.level = level
        let stream = getenv("JOURNAL_STREAM").map { String(cString: $0) }
        if standardErrorIsJournal(stream) {
            LoggingSystem.bootstrap { JournalLogHandler(label: $0) }
        } else {
            LoggingSystem.bootstrap { _ in StandardErrorLogHandler() }
        }
    }

    /// - Parameter stream: `JOURNAL_STREAM`, which systemd sets to `DEVICE:INODE`; a child that was given another
    ///   standard error inherits the variable, but not the file
    package static func standardErrorIsJournal(_ stream: String?) -> Bool {
        var status = stat()
        guard fstat(STDERR_FILENO, &status) == 0 else { return false }
        return stream == "\(status.st_dev):\(status.st_ino)"
    }
}
