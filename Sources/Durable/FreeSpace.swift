import Glibc

/// Free space of a file system, and the reserve that is kept free.
public enum FreeSpace {
    /// Returns the number of bytes that this user can still write to the file system, and its total size.
    /// - Parameter path: an existing path in the file system
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

    /// Returns the default reserve: a twentieth of the file system, so that small disks remain usable, but at most 1
    /// GiB, which is enough for the database and the log of a year.
    public static func usualReserve(total: Int) -> Int { min(1 << 30, total / 20) }

    /// Checks that a write would leave the reserve free.
    /// - Returns: number of bytes that can be written before the reserve is touched, including these
    /// - Throws: `DurableError` with `ENOSPC` if there is not enough free space
    @discardableResult
    public static func require(_ bytes: Int, at path: String, reserve: Int) throws(DurableError) -> Int {
        let free = try at(path).free
        guard free - reserve < bytes else { return free - reserve }
        throw DurableError(
            operation: "write \(bytes) bytes below", path: path, errno: ENOSPC,
            hint: "\(free) bytes are free, \(reserve) of which are reserved (retention.reserve): free some space")
    }
}
