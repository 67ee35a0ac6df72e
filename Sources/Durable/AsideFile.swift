import Glibc

/// A file written aside, which takes its place whole or not at all.
///
/// Until `publish` it has a temporary name; what is never published is removed when the last reference goes. One owner
/// at a time: not to be used from two threads.
public final class AsideFile {
    private let descriptor: Int32
    private let temporary: String
    private let path: String
    private var published = false

    /// - Parameter path: where the file is to stand; only its folder must exist.
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

    /// Forces the bytes to the disk, gives the file its name, replacing what had it, and forces the name to the disk.
    /// - Parameter final: another place in the same folder, where the name is known only now.
    public func publish(as final: String? = nil) throws(DurableError) {
        precondition(!published, "published twice: \(path)")
        let final = final ?? path
        guard retrying({ fsync(descriptor) }) == 0 else { throw DurableError("fsync", final) }
        guard rename(temporary, final) == 0 else { throw DurableError("rename", final) }
        published = true
        try Durable.syncDirectory(splitPath(final).folder)
    }

    /// As `publish`, but takes no other file's place: an empty file of the name is made first, which only one can make.
    /// - Returns: false where something has the name already; another can be tried
    public func publishNew(as final: String) throws(DurableError) -> Bool {
        let place = retrying { open(final, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0o600) }
        guard place >= 0 else {
            if errno == EEXIST { return false }
            throw DurableError("open", final)
        }
        close(place)
        do {
            try publish(as: final)
        } catch {
            unlink(final)
            throw error
        }
        return true
    }

    deinit {
        close(descriptor)
        if !published { unlink(temporary) }
    }
}
