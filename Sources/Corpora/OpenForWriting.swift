import Glibc

extension OpenFolder {
    /// Whether any process has a file of this folder open for writing.
    ///
    /// The kernel gives a lease for reading (`fcntl(2)`, "Leases") only on a file that nobody has open for writing. It is
    /// given back at once; who opens the file in between waits for that long.
    /// - Returns: nil where the kernel does not say: the file belongs to another user, which takes `CAP_LEASE`, or its file
    ///   system has no leases
    func isOpenForWriting(_ name: String) -> Bool? {
        let file = name.withRawPath { openat(descriptor, $0, O_RDONLY | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK) }
        guard file >= 0 else { return nil }
        defer { close(file) }
        // Who opens the file in between has us told by a signal: SIGIO, which would end us, if nothing is said.
        guard fcntl(file, setSignal, SIGURG) == 0 else { return nil }
        guard fcntl(file, setLease, Int32(F_RDLCK)) != 0 else {
            _ = fcntl(file, setLease, Int32(F_UNLCK))
            return false
        }
        return errno == EAGAIN ? true : nil
    }
}

// <linux/fcntl.h>, which Glibc has for _GNU_SOURCE alone.
private let setSignal: Int32 = 10  // F_SETSIG
private let setLease: Int32 = 1024  // F_SETLEASE
