import Durable

/// Keeps the reserve of a disk free while a file is copied into the store.
final class DiskRoom {
    private let directory: String
    private let reserve: Int
    private var sinceChecked = 0
    /// Others write too, and what is compressed does not say how large it becomes.
    private static let bytesUnchecked = 16 << 20

    /// - Parameter bytes: what is going to be written, as far as it is known
    /// - Throws: `DurableError` with ENOSPC where there is no room for it
    init(in directory: String, reserve: Int, for bytes: Int) throws(DurableError) {
        self.directory = directory
        self.reserve = reserve
        try FreeSpace.require(bytes, at: directory, reserve: reserve)
    }

    /// So many bytes are about to be written.
    func take(_ bytes: Int) throws(DurableError) {
        sinceChecked += bytes
        guard sinceChecked >= DiskRoom.bytesUnchecked else { return }
        sinceChecked = 0
        try FreeSpace.require(bytes, at: directory, reserve: reserve)
    }
}
