import CFiles
import Durable
import Glibc

/// An open folder of the inbox. All operations use its descriptor, so that replacing the folder by a symbolic link
/// during an upload has no effect.
///
/// Members of the group can write to the inbox, and so can replace a folder or a file by a link.
final class InboxFolder {
    let descriptor: Int32
    /// Used in messages only.
    let path: String

    private init(descriptor: Int32, path: String) {
        self.descriptor = descriptor
        self.path = path
    }

    /// Opens the inbox itself. Its parent belongs to the service, so only an administrator can have replaced it by a
    /// link.
    init(inbox path: String) throws(DurableError) {
        self.path = path
        descriptor = retrying { open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC) }
        guard descriptor >= 0 else { throw DurableError(operation: "open", path: path, errno: errno) }
    }

    deinit { close(descriptor) }

    /// Opens a subfolder, creating it if needed. Throws if the name is a link or a file.
    func folder(_ name: String) throws(DurableError) -> InboxFolder {
        let inner = "\(path)/\(name)"
        // The group is inherited through the inbox's setgid bit; the unit's sandbox forbids setting that bit here.
        if mkdirat(descriptor, name, 0o770) == 0 {
            guard retrying({ fsync(descriptor) }) == 0 else {
                throw DurableError(operation: "fsync", path: path, errno: errno)
            }
        } else if errno != EEXIST {
            throw DurableError(operation: "mkdir", path: inner, errno: errno)
        }
        guard let folder = existing(name) else {
            throw DurableError(operation: "open", path: inner, errno: errno, hint: "it must be a folder and not a link")
        }
        return folder
    }

    private func existing(_ name: String) -> InboxFolder? {
        let flags = O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC
        let opened = retrying { openat(descriptor, name, flags) }
        return opened < 0 ? nil : InboxFolder(descriptor: opened, path: "\(path)/\(name)")
    }

    /// Bytes available to unprivileged processes on the file system.
    var freeBytes: Int? {
        var status = statvfs()
        guard fstatvfs(descriptor, &status) == 0 else { return nil }
        let (bytes, isTooLarge) = UInt64(status.f_bavail).multipliedReportingOverflow(by: UInt64(status.f_frsize))
        return isTooLarge ? .max : Int(clamping: bytes)
    }

    /// Removes incomplete files of this user's exited processes here and in the subfolders.
    /// - Returns: the number of files removed
    func clearLeftovers() -> Int { clearLeftovers(andBelow: true) }

    private func clearLeftovers(andBelow: Bool) -> Int {
        // A duplicate descriptor, because closedir closes it.
        let own = retrying { openat(descriptor, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC) }
        guard own >= 0 else { return 0 }
        guard let stream = fdopendir(own) else {
            close(own)
            return 0
        }
        var leftovers: [String] = []
        var folders: [String] = []
        while let entry = readdir(stream) {
            let name = withUnsafePointer(to: &entry.pointee.d_name) {
                $0.withMemoryRebound(to: CChar.self, capacity: Int(NAME_MAX) + 1) { String(cString: $0) }
            }
            if TemporaryName.isLeftover(name) {
                leftovers.append(name)
            } else if andBelow, !name.hasPrefix("."), folders.count < 1000 {
                folders.append(name)
            }
        }
        closedir(stream)
        var removed = 0
        for name in leftovers {
            var status = stat()
            guard fstatat(descriptor, name, &status, AT_SYMLINK_NOFOLLOW) == 0, status.st_mode & S_IFMT == S_IFREG,
                status.st_uid == geteuid(), unlinkat(descriptor, name, 0) == 0
            else { continue }
            removed += 1
        }
        for name in folders { removed += existing(name)?.clearLeftovers(andBelow: false) ?? 0 }
        return removed
    }
}

/// A file being uploaded into an `InboxFolder`, published atomically. An unpublished file is removed when the last
/// reference is released; files of a killed process are removed by `InboxFolder.clearLeftovers` at the next start.
///
/// Not thread-safe: it has one owner at a time.
final class InboxFile {
    private let folder: InboxFolder
    private let temporary: String
    private let descriptor: Int32
    private var isPublished = false

    /// - Parameter name: the name it will probably be published under
    init(in folder: InboxFolder, for name: String) throws(DurableError) {
        self.folder = folder
        temporary = TemporaryName.beside(name)
        let flags = O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC
        let temporary = temporary
        descriptor = retrying { openat(folder.descriptor, temporary, flags, 0o660) }
        guard descriptor >= 0 else {
            throw DurableError(operation: "open", path: "\(folder.path)/\(name)", errno: errno)
        }
    }

    func append(_ bytes: UnsafeRawBufferPointer) throws(DurableError) {
        var rest = bytes
        while !rest.isEmpty {
            let written = retrying { write(descriptor, rest.baseAddress, rest.count) }
            guard written >= 0 else { throw failure("write", temporary) }
            rest = UnsafeRawBufferPointer(rebasing: rest.dropFirst(written))
        }
    }

    /// Flushes the file to disk and publishes it under a name that is not in use.
    /// - Returns: false if the name is taken; the caller can try another one
    func publish(as name: String) throws(DurableError) -> Bool {
        guard retrying({ fsync(descriptor) }) == 0 else { throw failure("fsync", name) }
        // A group member can replace the temporary name: it must still refer to the file that was written.
        var written = stat()
        var named = stat()
        guard fstat(descriptor, &written) == 0,
            fstatat(folder.descriptor, temporary, &named, AT_SYMLINK_NOFOLLOW) == 0
        else { throw failure("stat", name) }
        guard written.st_ino == named.st_ino, written.st_dev == named.st_dev else {
            throw DurableError(
                operation: "rename", path: "\(folder.path)/\(name)", errno: ESTALE,
                hint: "another user replaced the file during the upload")
        }
        // Does not replace anything. A rename also notifies the inbox's watcher that the file is complete; a hard link
        // would not.
        if renameat2(folder.descriptor, temporary, folder.descriptor, name, Self.noReplace) == 0 {
        } else if errno == EEXIST {
            return false
        } else if errno == EINVAL || errno == ENOSYS {
            guard try renameOverPlace(as: name) else { return false }
        } else {
            throw failure("rename", name)
        }
        isPublished = true
        guard retrying({ fsync(folder.descriptor) }) == 0 else { throw failure("fsync", name) }
        return true
    }

    /// `RENAME_NOREPLACE` from `<linux/fs.h>`.
    private static let noReplace: UInt32 = 1

    /// Fallback for file systems without it: reserves the name by creating an empty file exclusively, then replaces
    /// that.
    private func renameOverPlace(as name: String) throws(DurableError) -> Bool {
        let flags = O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC
        let place = retrying { openat(folder.descriptor, name, flags, 0o600) }
        guard place >= 0 else {
            if errno == EEXIST { return false }
            throw failure("open", name)
        }
        close(place)
        guard renameat(folder.descriptor, temporary, folder.descriptor, name) == 0 else {
            let error = failure("rename", name)
            unlinkat(folder.descriptor, name, 0)
            throw error
        }
        return true
    }

    private func failure(_ operation: String, _ name: String) -> DurableError {
        DurableError(operation: operation, path: "\(folder.path)/\(name)", errno: errno)
    }

    deinit {
        close(descriptor)
        if !isPublished { unlinkat(folder.descriptor, temporary, 0) }
    }
}
