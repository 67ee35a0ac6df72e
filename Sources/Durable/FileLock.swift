import Glibc

/// An exclusive lock on a file, held by a process.
///
/// Uses `flock`, so the kernel releases the lock when the process ends for any reason, and a stale file blocks nobody.
/// The file is not removed. It contains the process ID of the owner for error messages.
public final class FileLock: Sendable {
    private let descriptor: Int32

    /// Acquires the lock without waiting. Throws `EWOULDBLOCK` if another process holds it.
    public init(path: String) throws(DurableError) {
        let descriptor = retrying { open(path, O_RDWR | O_CREAT | O_CLOEXEC, 0o600) }
        guard descriptor >= 0 else { throw DurableError("open", path) }
        guard retrying({ flock(descriptor, LOCK_EX | LOCK_NB) }) == 0 else {
            let cause = errno
            close(descriptor)
            throw DurableError(operation: "flock", path: path, errno: cause, hint: FileLock.owner(path))
        }
        let pid = Array("\(getpid())\n".utf8)
        guard ftruncate(descriptor, 0) == 0, pwrite(descriptor, pid, pid.count, 0) == pid.count else {
            let error = DurableError("write", path)
            close(descriptor)
            throw error
        }
        self.descriptor = descriptor
    }

    private static func owner(_ path: String) -> String? {
        guard let bytes = try? Durable.read(path),
            let pid = Int32(String(decoding: bytes.prefix { $0 != UInt8(ascii: "\n") }, as: UTF8.self))
        else { return "locked by another process" }
        return "locked by process \(pid)"
    }

    deinit {
        // Closing is not enough: a process that another thread has just forked holds a copy of the descriptor, and with
        // it the lock, until it executes its program.
        flock(descriptor, LOCK_UN)
        close(descriptor)
    }
}
