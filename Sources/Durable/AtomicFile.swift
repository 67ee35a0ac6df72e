import Glibc

/// A file that is written under a temporary name and atomically replaces its target.
///
/// If it is never published, it is removed when the last reference is released. Not thread-safe.
public final class AtomicFile {
    /// -1 once the file is sealed.
    private var descriptor: Int32
    private let temporary: String
    private let path: String
    private var published = false

    /// - Parameter path: path of the target; its directory must exist
    public init(for path: String, mode: mode_t = 0o600) throws(DurableError) {
        self.path = path
        temporary = TemporaryName.beside(path)
        let flags = O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC | O_NOFOLLOW
        let temporary = temporary
        descriptor = retrying { open(temporary, flags, mode) }
        guard descriptor >= 0 else { throw DurableError("open", path) }
    }

    public func append(_ bytes: UnsafeRawBufferPointer) throws(DurableError) {
        precondition(descriptor >= 0, "appended to a sealed file: \(path)")
        try Durable.write(bytes, to: descriptor, path: path)
    }

    /// Syncs the contents to disk, renames the file to its target, replacing an existing file, and syncs the directory.
    /// - Parameter final: the target in the same directory, if it was not known before
    public func publish(as final: String? = nil) throws(DurableError) {
        try sync()
        try move(to: final ?? path)
        try Durable.syncDirectory(splitPath(path).folder)
    }

    /// Publishes without syncing anything. After a power failure, the target may be missing or incomplete: for caches
    /// whose readers detect that.
    public func publishUnsynced() throws(DurableError) { try move(to: path) }

    /// Closes the descriptor after the last byte, so that the number of files that are written before they are
    /// published together is not limited by that of open files.
    package func seal() {
        guard descriptor >= 0 else { return }
        close(descriptor)
        descriptor = -1
    }

    /// Syncs the contents to disk: the first step of publishing.
    package func sync() throws(DurableError) {
        guard descriptor >= 0 else { return try Durable.sync(temporary, flags: O_RDONLY | O_CLOEXEC | O_NOFOLLOW) }
        guard retrying({ fsync(descriptor) }) == 0 else { throw DurableError("fsync", path) }
    }

    /// Renames the file, whose contents are synced, to a target in the same directory. The caller syncs the directory.
    package func move(to final: String) throws(DurableError) {
        precondition(!published, "published twice: \(path)")
        guard rename(temporary, final) == 0 else { throw DurableError("rename", final) }
        published = true
    }

    deinit {
        seal()
        if !published { unlink(temporary) }
    }
}
