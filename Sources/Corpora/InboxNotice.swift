import Durable
import Glibc

/// What a watcher of the inbox has to say beside the files it hands out.
public enum InboxNotice: Sendable {
    /// A folder below the inbox cannot be watched or read; the rest goes on. Told of once.
    case unwatched(DurableError)
    /// What lies there is no file to read, or a folder that is not looked into, and stays: told of once.
    case leftAlone(name: String, reason: String)
    /// So many more entries that are left alone or not watched; too many to be named.
    case moreLeftAlone(count: Int)
    /// The inbox itself was removed or renamed, made again, and is watched.
    case madeAgain
    /// As `madeAgain`, but making or watching it failed; it is tried again and again.
    case gone(DurableError)
}

/// Why a file system's entry is left alone that is neither a regular file nor a folder.
func reasonToLeaveAlone(_ status: stat) -> String {
    switch status.st_mode & S_IFMT {
    case S_IFLNK: "is a symbolic link, which is not followed: put the file itself there"
    case S_IFIFO: "is a FIFO, not a file"
    case S_IFSOCK: "is a socket, not a file"
    case S_IFCHR, S_IFBLK: "is a device, not a file"
    default: "is not a file"
    }
}
