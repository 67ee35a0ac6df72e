import Glibc

extension Durable {
    /// Makes a folder with all that `fill` puts into it: whole, or not at all.
    ///
    /// It is filled under a temporary name, and every file and folder below is forced to the disk before it gets its own.
    /// What fails is removed again. Throws what `fill` throws, and `EEXIST` where `final` exists already.
    /// - Parameter fill: gets the folder's path as it is for now
    public static func publishDirectory(_ final: String, fill: (String) throws -> Void) throws {
        let temporary = TemporaryName.beside(final)
        do {
            try makeDirectory(temporary)
            try fill(temporary)
            try publishDirectory(temporary, as: final)
        } catch {
            // On a full disk above all, what is of no use must not stay. Where even that fails, the next life clears it.
            try? removeTree(temporary)
            throw error
        }
    }

    /// Gives a folder that stands aside in the same file system its name, whole; there must be none of this name yet, or an
    /// empty one.
    public static func publishDirectory(_ temporary: String, as final: String) throws(DurableError) {
        try syncTree(temporary)
        var status = stat()
        guard lstat(final, &status) != 0 else { throw DurableError(operation: "rename", path: final, errno: EEXIST) }
        guard rename(temporary, final) == 0 else {
            // A folder takes the place of an empty one at most: what has come since we looked is safe.
            let cause = errno == ENOTEMPTY ? EEXIST : errno
            throw DurableError(operation: "rename", path: final, errno: cause)
        }
        try syncDirectory(splitPath(final).folder)
    }

    /// Removes a file, a symbolic link (not what it points to), or a folder with all that is in it. What does not
    /// exist is removed already.
    public static func removeTree(_ path: String) throws(DurableError) {
        if unlink(path) == 0 || errno == ENOENT { return }
        guard errno == EISDIR || errno == EPERM, try kind(of: path) == S_IFDIR else {
            throw DurableError("unlink", path)
        }
        try removeContent(of: path)
        guard rmdir(path) == 0 || errno == ENOENT else { throw DurableError("rmdir", path) }
    }

    /// Goes down and up again by descriptors, one at a time: a tree may be deeper than the stack, the number of open files
    /// and the length of a path allow.
    private static func removeContent(of path: String) throws(DurableError) {
        let flags = O_RDONLY | O_DIRECTORY | O_CLOEXEC | O_NOFOLLOW
        var folder = retrying { open(path, flags) }
        guard folder >= 0 else {
            if errno == ENOENT { return }
            throw DurableError("open", path)
        }
        defer { close(folder) }
        // The names on the way down, and which folder each lies in: what is moved meanwhile leads nowhere else.
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
                        operation: "open", path: path, errno: ENOENT, hint: "it was changed while it was removed")
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

    /// Removes what is no folder until it meets one.
    private static func firstFolder(in folder: Int32, _ path: String) throws(DurableError) -> [CChar]? {
        // Its own place in the folder: what was read of it before does not count.
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

    /// As `removeTree`, out of sight first: a kill leaves the whole of it or a leftover, never half of it under its name.
    public static func removeWhole(_ path: String) throws(DurableError) {
        let aside = TemporaryName.beside(path)
        guard rename(path, aside) == 0 else {
            if errno == ENOENT { return }
            throw DurableError("rename", path)
        }
        try syncDirectory(splitPath(path).folder)
        try removeTree(aside)
    }

    private static func syncTree(_ path: String) throws(DurableError) {
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
                default: continue  // a symbolic link is part of its folder
                }
            }
        }
        // Each after those in it.
        for folder in folders.reversed() { try syncDirectory(folder) }
    }

    /// The `S_IFMT` bits; symbolic links are not followed.
    private static func kind(of path: String) throws(DurableError) -> mode_t {
        var status = stat()
        guard lstat(path, &status) == 0 else { throw DurableError("lstat", path) }
        return status.st_mode & S_IFMT
    }
}
