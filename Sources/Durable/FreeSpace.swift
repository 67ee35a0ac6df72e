import Glibc

/// Room on a file system, and what has to stay free of it.
public enum FreeSpace {
    /// Bytes that this user may still write below `path`, and all that the file system has.
    /// - Parameter path: of something that exists
    public static func at(_ path: String) throws(DurableError) -> (free: Int, total: Int) {
        var status = statvfs()
        guard statvfs(path, &status) == 0 else { throw DurableError("statvfs", path) }
        func bytes(_ blocks: some BinaryInteger) -> Int {
            let (bytes, overflow) = Int(clamping: blocks).multipliedReportingOverflow(
                by: Int(clamping: status.f_frsize))
            return overflow ? .max : bytes
        }
        return (bytes(status.f_bavail), bytes(status.f_blocks))
    }

    /// What stays free where nobody has said how much: a twentieth of the file system, so that a small disk can be used, and
    /// no more than 1 GiB, which suffices for the database and the log of a year.
    public static func usualReserve(total: Int) -> Int { min(1 << 30, total / 20) }

    /// Refuses what would not leave the reserve free.
    /// - Throws: `DurableError`, with ENOSPC and the numbers where there is too little
    public static func require(_ bytes: Int, at path: String, reserve: Int) throws(DurableError) {
        let free = try at(path).free
        guard free - reserve < bytes else { return }
        throw DurableError(
            operation: "write \(bytes) bytes below", path: path, errno: ENOSPC,
            hint: "\(free) bytes are free, of which \(reserve) stay so (retention.reserve): make room")
    }
}
