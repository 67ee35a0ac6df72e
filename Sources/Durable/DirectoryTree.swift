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
        for name in try names(in: path) { try removeTree(joinPath(path, name)) }
        guard rmdir(path) == 0 || errno == ENOENT else { throw DurableError("rmdir", path) }
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
        for name in try names(in: path) {
            let inner = joinPath(path, name)
            switch try kind(of: inner) {
            case S_IFDIR: try syncTree(inner)
            case S_IFREG: try sync(inner, flags: O_RDONLY | O_CLOEXEC | O_NOFOLLOW)
            default: continue  // a symbolic link is part of its folder
            }
        }
        try syncDirectory(path)
    }

    /// The `S_IFMT` bits; symbolic links are not followed.
    private static func kind(of path: String) throws(DurableError) -> mode_t {
        var status = stat()
        guard lstat(path, &status) == 0 else { throw DurableError("lstat", path) }
        return status.st_mode & S_IFMT
    }
}
