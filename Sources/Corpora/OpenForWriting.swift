import Durable
import Glibc
import TextReading

extension OpenFolder {
    /// Returns whether any process has a file of this directory open for writing.
    ///
    /// The kernel grants a read lease (`fcntl(2)`, "Leases") only on a file that no process has open for writing. The
    /// lease is released at once; a process that opens the file in between is blocked for that time.
    /// - Returns: nil if the kernel cannot tell, because the file belongs to another user (which requires `CAP_LEASE`)
    ///   or the file system does not support leases
    func isOpenForWriting(_ name: String) -> Bool? {
        let file = name.withRawPath { openat(descriptor, $0, O_RDONLY | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK) }
        guard file >= 0 else { return nil }
        defer { close(file) }
        // A lease break is signaled by SIGIO, which terminates the process by default. SIGURG is ignored by default.
        guard fcntl(file, setSignal, SIGURG) == 0 else { return nil }
        guard fcntl(file, setLease, Int32(F_RDLCK)) != 0 else {
            _ = fcntl(file, setLease, Int32(F_UNLCK))
            return false
        }
        return errno == EAGAIN ? true : nil
    }
}

// From <linux/fcntl.h>; Glibc declares these only with _GNU_SOURCE.
private let setSignal: Int32 = 10  // F_SETSIG
private let setLease: Int32 = 1024  // F_SETLEASE
