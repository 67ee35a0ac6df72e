import Glibc

/// A system call on a file that failed: what was tried, where, why, and what to do about it where that is known.
public struct DurableError: Error, CustomStringConvertible, Equatable {
    /// The system call, or the step of ours, such as `fsync`.
    public let operation: String
    public let path: String
    public let errno: Int32
    /// Something the reader can act on, or null.
    public let hint: String?

    /// - Parameter hint: null takes the usual one of this `errno`, if there is one.
    public init(operation: String, path: String, errno: Int32, hint: String? = nil) {
        self.operation = operation
        self.path = path
        self.errno = errno
        self.hint = hint ?? DurableError.hint(of: errno)
    }

    /// Reads `errno` as the failed call left it.
    init(_ operation: String, _ path: String) {
        self.init(operation: operation, path: path, errno: Glibc.errno)
    }

    public var description: String {
        let cause = "\(operation) \(path): \(String(cString: strerror(errno)))"
        guard let hint else { return cause }
        return "\(cause) (\(hint))"
    }

    private static func hint(of errno: Int32) -> String? {
        switch errno {
        case ENOSPC: "the disk is full: free some space, nothing of the old file is lost"
        case EDQUOT: "the disk quota is used up: free some space, nothing of the old file is lost"
        case EROFS: "the file system is read-only; a unit needs the folder in ReadWritePaths= or StateDirectory="
        case EACCES, EPERM: "user \(geteuid()), group \(getegid()) may not do this here"
        case EMFILE, ENFILE: "too many open files: raise LimitNOFILE="
        case EIO: "the disk reports an error: look into the kernel's log"
        default: nil
        }
    }
}
