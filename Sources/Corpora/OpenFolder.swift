import CFiles
import Crypto
import Digests
import Durable
import Glibc

/// An open directory. Names are looked up, created, moved and removed relative to its descriptor, so that replacing a
/// parent directory, for example by a link that points outside the inbox, has no effect. Closed when the last reference
/// is released.
package final class OpenFolder: Sendable {
    package let descriptor: Int32

    private static let flags = O_RDONLY | O_DIRECTORY | O_CLOEXEC

    /// Opens a directory below the inbox without following links.
    /// - Parameter depth: number of trailing path components below the inbox; users cannot change the components before
    /// - Returns: nil with `errno` set if the directory cannot be opened; `ELOOP` or `ENOTDIR` for a link
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

    /// Opens a subdirectory.
    /// - Returns: nil with `errno` set if the directory cannot be opened; `ELOOP` or `ENOTDIR` for a link
    package init?(_ name: String, in folder: OpenFolder) {
        let inner = name.withRawPath { openat(folder.descriptor, $0, Self.flags | O_NOFOLLOW) }
        guard inner >= 0 else { return nil }
        descriptor = inner
    }

    deinit { close(descriptor) }

    /// Status of the directory itself.
    var status: stat? {
        var status = stat()
        return fstat(descriptor, &status) == 0 ? status : nil
    }

    /// Returns the status of an entry without following symbolic links, or nil with `errno` set if it does not exist.
    func status(of name: String) -> stat? {
        var status = stat()
        let found = name.withRawPath { fstatat(descriptor, $0, &status, AT_SYMLINK_NOFOLLOW) }
        return found == 0 ? status : nil
    }

    /// Returns the signature of an entry, or nil if it is not a regular file.
    package func signature(of name: String) -> FileSignature? {
        guard let status = status(of: name), status.st_mode & S_IFMT == S_IFREG else { return nil }
        return signature(of: name, status)
    }

    /// Returns the signature of an entry whose status is known.
    func signature(of name: String, _ status: stat) -> FileSignature {
        FileSignature(status, owner: owner(of: name, status))
    }

    /// Returns the owner of a file: the user who sent it, if the service received it over its socket.
    func owner(of name: String, _ status: stat) -> UInt32 {
        guard status.st_uid == geteuid() else { return status.st_uid }
        return FileSender.ofFile(name, in: descriptor) ?? status.st_uid
    }

    /// Opens an entry for reading without following links. Does not block on a FIFO.
    /// - Returns: the descriptor, or -1 with `errno` set
    package func openForReading(_ name: String) -> Int32 {
        name.withRawPath { openat(descriptor, $0, O_RDONLY | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK) }
    }

    /// Returns the `errno` that removing or renaming an entry would fail with, or nil if this process may do so. Checks
    /// permissions only.
    func obstacle(toRemoving name: String) -> Int32? {
        guard faccessat(descriptor, ".", W_OK | X_OK, 0) == 0 else { return errno }
        // In a sticky directory, only the owner of the file and the owner of the directory may remove a name.
        guard let folder = status, folder.st_mode & S_ISVTX != 0, let file = status(of: name) else { return nil }
        return [0, folder.st_uid, file.st_uid].contains(geteuid()) ? nil : EPERM
    }

    /// Moves an entry to another directory of the same file system. Fails with `EEXIST` if the new name exists.
    /// - Returns: 0, or -1 with `errno` set
    func move(_ name: String, to folder: OpenFolder, as new: String) -> Int32 {
        name.withRawPath { name in
            new.withRawPath { new in renameat2(descriptor, name, folder.descriptor, new, Self.noReplace) }
        }
    }

    /// `RENAME_NOREPLACE` from `<linux/fs.h>`.
    private static let noReplace: UInt32 = 1

    /// Syncs the directory to disk.
    /// - Parameter path: used in the error
    func sync(path: String) throws(DurableError) {
        guard retrying({ fsync(descriptor) }) == 0 else {
            throw DurableError(operation: "fsync", path: path, errno: errno)
        }
    }
}

extension InboxFile {
    /// The last component of the path.
    var lastName: String { path.lastIndex(of: "/").map { String(path[path.index(after: $0)...]) } ?? path }

    func openFolder() -> OpenFolder? { OpenFolder(folderPath, depth: depth) }

    /// Opens the inbox and every directory down to the one that contains the file. Returns nil with `errno` set if one
    /// of them does not exist or is a link.
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

    /// Identifies this name of this file. Includes the inode change time, which cannot be set by users, to distinguish a
    /// second copy that has the inode and modification time of the first; and a digest of the path, because a file may be
    /// linked into the directories of several models, each of which it feeds.
    public var identity: String {
        let digest = SHA256.hash(data: Array(relativePath.utf8)).hexadecimal.prefix(32)
        let (seconds, nanoseconds) = signature.changedNanoseconds.quotientAndRemainder(dividingBy: 1_000_000_000)
        return "\(source):\(seconds).\(nanoseconds):\(digest)"
    }

    /// Number of directories between the inbox and the file.
    private var depth: Int { relativePath.utf8.count { $0 == UInt8(ascii: "/") } }

    /// The names of the directories between the inbox and the file, in `RawPath` encoding.
    var folderNames: [String] { folderPath.split(separator: "/").suffix(depth).map(String.init) }

    package var folderPath: String {
        path.lastIndex(of: "/").map { $0 == path.startIndex ? "/" : String(path[..<$0]) } ?? "."
    }
}
