import Glibc

/// A failed file operation: the operation, the path, the cause and, if known, a remedy.
public struct DurableError: Error, CustomStringConvertible, Equatable {
    /// The system call, such as `fsync`, or a description of the operation.
    public let operation: String
    public let path: String
    public let errno: Int32
    /// A hint on how to resolve the error, or nil.
    public let hint: String?

    /// - Parameter hint: nil selects the default hint for `errno`, if there is one
    public init(operation: String, path: String, errno: Int32, hint: String? = nil) {
        self.operation = operation
        self.path = path
        self.errno = errno
        self.hint = hint ?? DurableError.hint(of: errno)
    }

    /// Creates an error from the current `errno`.
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
        case ENOSPC: "the disk is full: free some space; the old file is intact"
        case EDQUOT: "the disk quota is exceeded: free some space; the old file is intact"
        case EROFS: "the file system is read-only: add the directory to ReadWritePaths= or StateDirectory= of the unit"
        case EACCES, EPERM: "user \(geteuid()) (group \(getegid())) lacks permission"
        case EMFILE, ENFILE: "too many open files: raise LimitNOFILE="
        case EIO: "the disk reported an error: see the kernel log"
        default: nil
        }
    }
}
