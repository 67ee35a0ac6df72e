import CFiles
import Durable
import Glibc

/// A folder that is held open. Names in it are looked up, made, moved and removed relative to its descriptor, so that a
/// folder above it that is exchanged meanwhile, for a link out of the inbox for one, changes nothing. Closed with the
/// last reference.
package final class OpenFolder {
    package let descriptor: Int32

    private static let flags = O_RDONLY | O_DIRECTORY | O_CLOEXEC

    /// Opens a folder from the inbox downwards without following a link.
    /// - Parameter depth: how many of the path's last parts lie below the inbox; the rest is not the users'
    /// - Returns: nil with `errno` where it cannot be opened, `ELOOP` or `ENOTDIR` for a link
    package init?(_ path: String, depth: Int) {
        var parts = path.split(separator: "/", omittingEmptySubsequences: false).map(String.init)
        let below = parts.suffix(depth)
        parts.removeLast(depth)
        var folder = parts.joined(separator: "/").withRawPath { open($0, Self.flags) }
        for part in below where folder >= 0 {
            let inner = part.withRawPath { openat(folder, $0, Self.flags | O_NOFOLLOW) }
            let cause = errno
            close(folder)
            folder = inner
            errno = cause
        }
        guard folder >= 0 else { return nil }
        descriptor = folder
    }

    /// Opens a folder in this one.
    /// - Returns: nil with `errno` where it cannot be opened, `ELOOP` or `ENOTDIR` for a link
    package init?(_ name: String, in folder: OpenFolder) {
        let inner = name.withRawPath { openat(folder.descriptor, $0, Self.flags | O_NOFOLLOW) }
        guard inner >= 0 else { return nil }
        descriptor = inner
    }

    deinit { close(descriptor) }

    /// Of the folder itself.
    var status: stat? {
        var status = stat()
        return fstat(descriptor, &status) == 0 ? status : nil
    }

    /// Of what has this name; symbolic links are not followed. Nil with `errno` where there is nothing.
    func status(of name: String) -> stat? {
        var status = stat()
        let found = name.withRawPath { fstatat(descriptor, $0, &status, AT_SYMLINK_NOFOLLOW) }
        return found == 0 ? status : nil
    }

    /// Of a regular file.
    func signature(of name: String) -> FileSignature? {
        guard let status = status(of: name), status.st_mode & S_IFMT == S_IFREG else { return nil }
        return FileSignature(status)
    }

    /// Opens what has this name for reading, if it is no link; a FIFO does not block.
    /// - Returns: -1 with `errno` where it cannot be opened
    package func openForReading(_ name: String) -> Int32 {
        name.withRawPath { openat(descriptor, $0, O_RDONLY | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK) }
    }

    /// Why this process may not remove or rename what has this name; nil where it may. Looks at permissions alone.
    func obstacle(toRemoving name: String) -> Int32? {
        guard faccessat(descriptor, ".", W_OK | X_OK, 0) == 0 else { return errno }
        // In a sticky folder a name is its owner's to remove, and the folder's owner's.
        guard let folder = status, folder.st_mode & S_ISVTX != 0, let file = status(of: name) else { return nil }
        return [0, folder.st_uid, file.st_uid].contains(geteuid()) ? nil : EPERM
    }

    /// Moves a name to another folder of the file system; where the new name is taken, it fails with `EEXIST`.
    /// - Returns: 0, or -1 with `errno`
    func move(_ name: String, to folder: OpenFolder, as new: String) -> Int32 {
        name.withRawPath { name in
            new.withRawPath { new in renameat2(descriptor, name, folder.descriptor, new, Self.noReplace) }
        }
    }

    /// `RENAME_NOREPLACE` of `<linux/fs.h>`.
    private static let noReplace: UInt32 = 1

    /// Forces the names in the folder to the disk.
    /// - Parameter path: for messages
    func sync(path: String) throws(DurableError) {
        guard retrying({ fsync(descriptor) }) == 0 else {
            throw DurableError(operation: "fsync", path: path, errno: errno)
        }
    }
}

extension InboxFile {
    /// The name in its own folder.
    var lastName: String { path.lastIndex(of: "/").map { String(path[path.index(after: $0)...]) } ?? path }

    func openFolder() -> OpenFolder? { OpenFolder(folderPath, depth: depth) }

    /// The inbox and the folders below it down to the file's own, all held open; nil with `errno` where one of them has
    /// gone or is a link.
    package func openFolders() -> [OpenFolder]? {
        let parts = folderPath.split(separator: "/", omittingEmptySubsequences: false).map(String.init)
        guard var last = OpenFolder(parts.dropLast(depth).joined(separator: "/"), depth: 0) else { return nil }
        var folders = [last]
        for part in parts.suffix(depth) {
            guard let inner = OpenFolder(part, in: last) else { return nil }
            folders.append(inner)
            last = inner
        }
        return folders
    }

    /// Which file this is. Its time of change, which nobody can set, tells a second copy that has the first one's inode
    /// and time of modification from the first.
    public var identity: String {
        guard let status = openFolder()?.status(of: lastName) else { return source }
        return "\(source):\(status.st_ctim.tv_sec).\(status.st_ctim.tv_nsec)"
    }

    /// How many folders below the inbox it lies.
    private var depth: Int { relativePath.utf8.count { $0 == UInt8(ascii: "/") } }

    private var folderPath: String {
        path.lastIndex(of: "/").map { $0 == path.startIndex ? "/" : String(path[..<$0]) } ?? "."
    }
}
