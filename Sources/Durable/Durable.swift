import FoundationEssentials
import Glibc

/// Changes of files that a crash, a kill or a full disk leaves either undone or done, never half.
///
/// Files and folders are their owner's alone unless a `mode` says otherwise, which the umask narrows.
///
/// When a function here returns, what it did has reached the disk. Paths are as the system calls take them; a relative
/// one is relative to the working directory.
public enum Durable {
    /// Puts a file in place, replacing the one that has this name.
    public static func write(_ bytes: UnsafeRawBufferPointer, to path: String, mode: mode_t = 0o600)
        throws(DurableError)
    {
        let file = try AsideFile(for: path, mode: mode)
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

    /// The whole file.
    public static func read(_ path: String) throws(DurableError) -> [UInt8] {
        let descriptor = retrying { open(path, O_RDONLY | O_CLOEXEC) }
        guard descriptor >= 0 else { throw DurableError("open", path) }
        defer { close(descriptor) }
        var status = stat()
        guard fstat(descriptor, &status) == 0 else { throw DurableError("fstat", path) }
        // Files of /proc say they are empty: always ask for more than is promised, until the end is reached.
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

    /// Makes a folder and those above it; one that exists is left as it is.
    /// - Parameter mode: of the folders that are made, less the umask
    public static func makeDirectory(_ path: String, mode: mode_t = 0o700) throws(DurableError) {
        if mkdir(path, mode) == 0 { return try syncDirectory(splitPath(path).folder) }
        switch errno {
        case EEXIST:
            var status = stat()
            guard stat(path, &status) == 0 else { throw DurableError("stat", path) }
            guard status.st_mode & S_IFMT == S_IFDIR else {
                throw DurableError(operation: "mkdir", path: path, errno: ENOTDIR, hint: "a file has this name")
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

    /// Makes a symbolic link point to `target`, in one step: a reader finds the old one or the new one.
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

    /// Forces the names in a folder to the disk.
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
