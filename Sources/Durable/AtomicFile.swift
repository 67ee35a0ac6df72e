import Glibc

/// A file that is written under a temporary name and atomically replaces its target.
///
/// If it is never published, it is removed when the last reference is released. Not thread-safe.
public final class AtomicFile {
    private let descriptor: Int32
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
        var rest = bytes
        while !rest.isEmpty {
            let written = retrying { write(descriptor, rest.baseAddress, rest.count) }
            guard written >= 0 else { throw DurableError("write", path) }
            rest = UnsafeRawBufferPointer(rebasing: rest.dropFirst(written))
        }
    }

    /// Syncs the contents to disk, renames the file to its target, replacing an existing file, and syncs the directory.
    /// - Parameter final: another target in the same directory, if it is known only now
    public func publish(as final: String? = nil) throws(DurableError) {
        precondition(!published, "published twice: \(path)")
        let final = final ?? path
        guard retrying({ fsync(descriptor) }) == 0 else { throw DurableError("fsync", final) }
        guard rename(temporary, final) == 0 else { throw DurableError("rename", final) }
        published = true
        try Durable.syncDirectory(splitPath(final).folder)
    }

    deinit {
        close(descriptor)
        if !published { unlink(temporary) }
    }
}
