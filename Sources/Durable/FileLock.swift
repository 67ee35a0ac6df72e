import Glibc

/// The right to be the only one at work on something, held by a process through a file and lost with it.
///
/// The lock is the kernel's (`flock`): it goes with the process however that ends, so that no stale file blocks anyone.
/// The file stays; it holds the owner's process id, for the one who is turned away.
public final class FileLock: Sendable {
    private let descriptor: Int32

    /// Takes the lock, or throws `EWOULDBLOCK` where another has it. Does not wait.
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
        else { return "another process holds it" }
        return "process \(pid) holds it"
    }

    deinit {
        close(descriptor)
    }
}
