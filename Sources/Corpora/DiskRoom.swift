import Durable
import Synchronization

/// The free space of the store, measured once for many small files.
final class BatchRoom: Sendable {
    private let directory: String
    private let reserve: Int
    /// Bytes that may be written before the free space is measured again.
    private let granted = Mutex(0)
    /// A file uses at least a block of the file system, and an inode.
    private static let leastOfFile = 8 << 10

    init(in directory: String, reserve: Int) {
        self.directory = directory
        self.reserve = reserve
    }

    /// Accounts for a file that is about to be written.
    /// - Throws: `DurableError` with `ENOSPC` if there is not enough free space
    func take(_ bytes: Int) throws(DurableError) {
        // Cannot overflow, and a large file is never granted unmeasured.
        let wanted = min(bytes, DiskRoom.bytesUnchecked) + Self.leastOfFile
        let isGranted = granted.withLock { granted in
            guard granted >= wanted else { return false }
            granted -= wanted
            return true
        }
        guard !isGranted else { return }
        let room = try FreeSpace.require(bytes, at: directory, reserve: reserve)
        // Limited, because other processes write to the same disk.
        granted.withLock { $0 = min(room, DiskRoom.bytesUnchecked) - wanted }
    }
}

/// Ensures that the reserved disk space stays free while a file is copied into the store.
final class DiskRoom {
    private let directory: String
    private let reserve: Int
    private var sinceChecked = 0
    /// Free space is checked again after this many bytes, because other processes write to the same disk and because
    /// the expanded size of a compressed file is not known in advance.
    static let bytesUnchecked = 16 << 20

    /// - Parameters:
    ///   - bytes: expected number of bytes to write, as far as known
    ///   - batch: knows whether there is enough free space for a small file
    /// - Throws: `DurableError` with `ENOSPC` if there is not enough free space
    init(in directory: String, reserve: Int, for bytes: Int, batch: BatchRoom? = nil) throws(DurableError) {
        self.directory = directory
        self.reserve = reserve
        if let batch {
            try batch.take(bytes)
        } else {
            try FreeSpace.require(bytes, at: directory, reserve: reserve)
        }
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
