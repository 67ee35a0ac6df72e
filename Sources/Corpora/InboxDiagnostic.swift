import Durable
import Glibc

/// A diagnostic from the inbox watcher.
public enum InboxDiagnostic: Sendable {
    /// A subdirectory cannot be watched or read. Everything else is unaffected. Reported once per directory.
    case unwatched(DurableError)
    /// An entry is ignored, because it is not a regular file or is a directory beyond a limit. Reported once per entry.
    case ignored(name: String, reason: String)
    /// Number of further entries that are ignored or not watched, reported as a summary because there are too many.
    case moreLeftAlone(count: Int)
    /// A folder is on a file system that does not report all changes, so the inbox is scanned periodically. Reported
    /// once.
    case polled(folder: String, fileSystem: String, every: Duration)
    /// The inbox was removed or renamed. It was created again and is watched.
    case madeAgain
    /// The inbox was removed or renamed, and creating or watching it failed. The watcher keeps trying.
    case gone(DurableError)
}

/// Returns the reason for ignoring an entry that is neither a regular file nor a directory.
func reasonToIgnore(_ status: stat) -> String {
    switch status.st_mode & S_IFMT {
    case S_IFLNK: "is a symbolic link, and links are not followed: put the file itself there"
    case S_IFIFO: "is a FIFO, not a file"
    case S_IFSOCK: "is a socket, not a file"
    case S_IFCHR, S_IFBLK: "is a device, not a file"
    default: "is not a file"
    }
}
