import FoundationEssentials
import Glibc

/// Atomic changes to files: after a crash, a kill or a full disk, a change is either complete or has not happened.
///
/// Files and directories are accessible only to their owner, unless `mode` (subject to the umask) is given.
///
/// When a function returns, its changes are on disk. Paths are passed to system calls unchanged, so relative paths are
/// relative to the working directory.
public enum Durable {
    /// Writes a file, atomically replacing an existing one.
    public static func write(_ bytes: UnsafeRawBufferPointer, to path: String, mode: mode_t = 0o600)
        throws(DurableError)
    {
        let file = try AtomicFile(for: path, mode: mode)
        try file.append(bytes)
        try file.publish()
    }

    public static func write(_ bytes: [UInt8], to path: String, mode: mode_t = 0o600) throws(DurableError) {
        try bytes.span.bytes.withUnsafeBytes { bytes throws(DurableError) in try write(bytes, to: path, mode: mode) }
    }

    public static func write(_ bytes: Data, to path: String, mode: mode_t = 0o600) throws(DurableError) {
        try bytes.bytes.withUnsafeBytes { bytes throws(DurableError) in try write(bytes, to: path, mode: mode) }
    }

    public static func write(_ text: String, to path: String, mode: mode_t = 0o600) throws(DurableError) {
        try write(Array(text.utf8), to: path, mode: mode)
    }

    /// Writes all bytes to a descriptor. Unlike the other functions, this one leaves a part after an error, and nothing is
    /// on disk before the caller syncs it.
    /// - Parameter path: the path of its file, for the error
    package static func write(
        _ bytes: UnsafeRawBufferPointer, to descriptor: Int32, path: String
    ) throws(DurableError) {
        var rest = bytes
        while !rest.isEmpty {
            let written = retrying { Glibc.write(descriptor, rest.baseAddress, rest.count) }
            guard written >= 0 else { throw DurableError("write", path) }
            rest = UnsafeRawBufferPointer(rebasing: rest.dropFirst(written))
        }
    }

    /// Reads a whole file.
    public static func read(_ path: String) throws(DurableError) -> [UInt8] {
        let descriptor = retrying { open(path, O_RDONLY | O_CLOEXEC) }
        guard descriptor >= 0 else { throw DurableError("open", path) }
        defer { close(descriptor) }
        var status = stat()
        guard fstat(descriptor, &status) == 0 else { throw DurableError("fstat", path) }
        // Files in /proc report size 0, so read until the end regardless of the reported size.
        var bytes: [UInt8] = []
        bytes.reserveCapacity(Int(status.st_size) + 1)
        while true {
            let wanted = max(bytes.capacity - bytes.count, 4096)
            let start = bytes.count
            bytes.append(contentsOf: repeatElement(0, count: wanted))
            let count = bytes.withUnsafeMutableBytes { buffer in
                retrying { Glibc.read(descriptor, buffer.baseAddress! + start, wanted) }
            }
            guard count >= 0 else { throw DurableError("read", path) }
            bytes.removeLast(wanted - count)
            if count == 0 { return bytes }
        }
    }

    /// Creates a directory and its missing parents. Does not change an existing directory.
    /// - Parameter mode: mode of created directories, subject to the umask
    public static func makeDirectory(_ path: String, mode: mode_t = 0o700) throws(DurableError) {
        if mkdir(path, mode) == 0 { return try syncDirectory(splitPath(path).folder) }
        switch errno {
        case EEXIST:
            var status = stat()
            guard stat(path, &status) == 0 else { throw DurableError("stat", path) }
            guard status.st_mode & S_IFMT == S_IFDIR else {
                throw DurableError(
                    operation: "mkdir", path: path, errno: ENOTDIR, hint: "a file with this name exists")
            }
        case ENOENT:
            let folder = splitPath(path).folder
            guard folder != path else { throw DurableError("mkdir", path) }
            try makeDirectory(folder, mode: mode)
            guard mkdir(path, mode) == 0 || errno == EEXIST else { throw DurableError("mkdir", path) }
            try syncDirectory(folder)
        default:
            throw DurableError("mkdir", path)
        }
    }

    /// Atomically creates or replaces a symbolic link to `target`.
    public static func switchSymbolicLink(at path: String, to target: String) throws(DurableError) {
        let temporary = TemporaryName.beside(path)
        guard symlink(target, temporary) == 0 else { throw DurableError("symlink", path) }
        guard rename(temporary, path) == 0 else {
            let error = DurableError("rename", path)
            unlink(temporary)
            throw error
        }
        try syncDirectory(splitPath(path).folder)
    }

    /// Syncs a directory to disk.
    public static func syncDirectory(_ path: String) throws(DurableError) {
        try sync(path, flags: O_RDONLY | O_DIRECTORY | O_CLOEXEC)
    }

    static func sync(_ path: String, flags: Int32) throws(DurableError) {
        let descriptor = retrying { open(path, flags) }
        guard descriptor >= 0 else { throw DurableError("open", path) }
        defer { close(descriptor) }
        guard retrying({ fsync(descriptor) }) == 0 else { throw DurableError("fsync", path) }
    }
}
