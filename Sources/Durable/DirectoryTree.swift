import Glibc

extension Durable {
    /// Creates a directory with the contents written by `fill`, atomically.
    ///
    /// The directory is filled under a temporary name. All its files and subdirectories are synced to disk before it is
    /// renamed. On failure, it is removed again. Throws errors thrown by `fill`, and `EEXIST` if `final` exists.
    /// - Parameter fill: called with the temporary path
    public static func publishDirectory(_ final: String, fill: (String) throws -> Void) throws {
        let temporary = TemporaryName.beside(final)
        do {
            try makeDirectory(temporary)
            try fill(temporary)
            try publishDirectory(temporary, as: final)
        } catch {
            // Frees the space of partial data, above all on a full disk. If this fails too, the next start clears it.
            try? removeTree(temporary)
            throw error
        }
    }

    /// Renames a temporary directory in the same file system after syncing it to disk. The target must not exist, or be
    /// an empty directory.
    public static func publishDirectory(_ temporary: String, as final: String) throws(DurableError) {
        try syncTree(temporary)
        var status = stat()
        guard lstat(final, &status) != 0 else { throw DurableError(operation: "rename", path: final, errno: EEXIST) }
        guard rename(temporary, final) == 0 else {
            // rename() replaces only an empty directory, so a directory created since the check is safe.
            let cause = errno == ENOTEMPTY ? EEXIST : errno
            throw DurableError(operation: "rename", path: final, errno: cause)
        }
        try syncDirectory(splitPath(final).folder)
    }

    /// Removes a file, a symbolic link (but not its target), or a directory with all its contents. Does nothing if the
    /// path does not exist.
    public static func removeTree(_ path: String) throws(DurableError) {
        if unlink(path) == 0 || errno == ENOENT { return }
        guard errno == EISDIR || errno == EPERM, try kind(of: path) == S_IFDIR else {
            throw DurableError("unlink", path)
        }
        try removeContent(of: path)
        guard rmdir(path) == 0 || errno == ENOENT else { throw DurableError("rmdir", path) }
    }

    /// Descends and ascends by descriptors, one at a time, because a tree may be deeper than the stack, the number of
    /// open files and `PATH_MAX` permit.
    private static func removeContent(of path: String) throws(DurableError) {
        let flags = O_RDONLY | O_DIRECTORY | O_CLOEXEC | O_NOFOLLOW
        var folder = retrying { open(path, flags) }
        guard folder >= 0 else {
            if errno == ENOENT { return }
            throw DurableError("open", path)
        }
        defer { close(folder) }
        // The names of the directories above and their inodes, which detect directories that are moved meanwhile.
        var above: [(name: [CChar], device: dev_t, inode: ino_t)] = []
        while true {
            if let name = try firstFolder(in: folder, path) {
                let here = try status(of: folder, path)
                let inner = openat(folder, name, flags)
                guard inner >= 0 else { throw DurableError("open", path) }
                above.append((name, here.st_dev, here.st_ino))
                close(folder)
                folder = inner
            } else {
                guard let last = above.popLast() else { return }
                let outer = openat(folder, "..", flags)
                guard outer >= 0 else { throw DurableError("open", path) }
                close(folder)
                folder = outer
                let here = try status(of: folder, path)
                guard here.st_dev == last.device, here.st_ino == last.inode else {
                    throw DurableError(
                        operation: "open", path: path, errno: ENOENT, hint: "the directory was modified during removal")
                }
                guard unlinkat(folder, last.name, AT_REMOVEDIR) == 0 || errno == ENOENT else {
                    throw DurableError("rmdir", path)
                }
            }
        }
    }

    private static func status(of descriptor: Int32, _ path: String) throws(DurableError) -> stat {
        var status = stat()
        guard fstat(descriptor, &status) == 0 else { throw DurableError("fstat", path) }
        return status
    }

    /// Removes entries until it finds a subdirectory. Returns its name, or nil if there is none.
    private static func firstFolder(in folder: Int32, _ path: String) throws(DurableError) -> [CChar]? {
        // A new description with its own offset, so that every call reads from the start.
        let descriptor = openat(folder, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC)
        guard descriptor >= 0, let stream = fdopendir(descriptor) else {
            let error = DurableError("opendir", path)
            close(descriptor)
            throw error
        }
        defer { closedir(stream) }
        while true {
            errno = 0
            guard let entry = readdir(stream) else {
                guard errno == 0 else { throw DurableError("readdir", path) }
                return nil
            }
            let name = withUnsafeBytes(of: &entry.pointee.d_name) { name in
                name.prefix { $0 != 0 }.map { CChar(bitPattern: $0) } + [0]
            }
            if name == [46, 0] || name == [46, 46, 0] { continue }
            if unlinkat(folder, name, 0) == 0 || errno == ENOENT { continue }
            guard errno == EISDIR || errno == EPERM else { throw DurableError("unlink", path) }
            var status = stat()
            let isFolder =
                fstatat(folder, name, &status, AT_SYMLINK_NOFOLLOW) == 0 && status.st_mode & S_IFMT == S_IFDIR
            guard isFolder else { throw DurableError(operation: "unlink", path: path, errno: EPERM) }
            return name
        }
    }

    /// Same as `removeTree`, but renames the path first. If the process is killed, either everything exists under the
    /// original name, or only a leftover.
    public static func removeWhole(_ path: String) throws(DurableError) {
        let aside = TemporaryName.beside(path)
        guard rename(path, aside) == 0 else {
            if errno == ENOENT { return }
            throw DurableError("rename", path)
        }
        try syncDirectory(splitPath(path).folder)
        try removeTree(aside)
    }

    /// Syncs a directory and all its contents to disk.
    public static func syncTree(_ path: String) throws(DurableError) {
        var folders = [path]
        var next = 0
        while next < folders.count {
            let folder = folders[next]
            next += 1
            for name in try names(in: folder) {
                let inner = joinPath(folder, name)
                switch try kind(of: inner) {
                case S_IFDIR: folders.append(inner)
                case S_IFREG: try sync(inner, flags: O_RDONLY | O_CLOEXEC | O_NOFOLLOW)
                default: continue  // syncing the directory covers symbolic links
                }
            }
        }
        // Subdirectories before their parents.
        for folder in folders.reversed() { try syncDirectory(folder) }
    }

    /// Returns the `S_IFMT` bits of the mode. Symbolic links are not followed.
    private static func kind(of path: String) throws(DurableError) -> mode_t {
        var status = stat()
        guard lstat(path, &status) == 0 else { throw DurableError("lstat", path) }
        return status.st_mode & S_IFMT
    }
}
