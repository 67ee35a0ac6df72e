import Durable

/// Ensures that the reserved disk space stays free while a file is copied into the store.
final class DiskRoom {
    private let directory: String
    private let reserve: Int
    private var sinceChecked = 0
    /// Free space is checked again after this many bytes, because other processes write to the same disk and because
    /// the expanded size of a compressed file is not known in advance.
    private static let bytesUnchecked = 16 << 20

    /// - Parameter bytes: expected number of bytes to write, as far as known
    /// - Throws: `DurableError` with `ENOSPC` if there is not enough free space
    init(in directory: String, reserve: Int, for bytes: Int) throws(DurableError) {
        self.directory = directory
        self.reserve = reserve
        try FreeSpace.require(bytes, at: directory, reserve: reserve)
    }

    /// Accounts for bytes that are about to be written.
    func take(_ bytes: Int) throws(DurableError) {
        sinceChecked += bytes
        guard sinceChecked >= DiskRoom.bytesUnchecked else { return }
        sinceChecked = 0
        try FreeSpace.require(bytes, at: directory, reserve: reserve)
    }

    /// Accounts for what another process writes.
    func check() throws(DurableError) { try FreeSpace.require(0, at: directory, reserve: reserve) }
}
