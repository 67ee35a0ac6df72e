import CFiles
import Durable
import Glibc

/// A folder of the inbox, held open: everything is done in it by its descriptor, so that a folder that is exchanged for a
/// link while a file is on its way leads nowhere.
///
/// Members of the group may write to the inbox, and so put links where a folder or a file was.
final class InboxFolder {
    let descriptor: Int32
    /// For messages alone.
    let path: String

    private init(descriptor: Int32, path: String) {
        self.descriptor = descriptor
        self.path = path
    }

    /// The inbox itself. It lies in a folder of the service's, so that its own name may be a link of an administrator's.
    init(inbox path: String) throws(DurableError) {
        self.path = path
        descriptor = retrying { open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC) }
        guard descriptor >= 0 else { throw DurableError(operation: "open", path: path, errno: errno) }
    }

    deinit { close(descriptor) }

    /// A folder in this one, made where there is none; throws where the name is a link or a file.
    func folder(_ name: String) throws(DurableError) -> InboxFolder {
        let inner = "\(path)/\(name)"
        // The group comes from the inbox by its setgid bit, which the unit's sandbox lets nobody ask for.
        if mkdirat(descriptor, name, 0o770) == 0 {
            guard retrying({ fsync(descriptor) }) == 0 else {
                throw DurableError(operation: "fsync", path: path, errno: errno)
            }
        } else if errno != EEXIST {
            throw DurableError(operation: "mkdir", path: inner, errno: errno)
        }
        guard let folder = existing(name) else {
            throw DurableError(operation: "open", path: inner, errno: errno, hint: "it has to be a folder, and no link")
        }
        return folder
    }

    private func existing(_ name: String) -> InboxFolder? {
        let flags = O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC
        let opened = retrying { openat(descriptor, name, flags) }
        return opened < 0 ? nil : InboxFolder(descriptor: opened, path: "\(path)/\(name)")
    }

    /// Bytes that ordinary processes may still write to the file system.
    var freeBytes: Int? {
        var status = statvfs()
        guard fstatvfs(descriptor, &status) == 0 else { return nil }
        let (bytes, isTooLarge) = UInt64(status.f_bavail).multipliedReportingOverflow(by: UInt64(status.f_frsize))
        return isTooLarge ? .max : Int(clamping: bytes)
    }

    /// Removes what processes of this user that are gone were writing here, and in the folders here.
    /// - Returns: the number of files removed
    func clearLeftovers() -> Int { clearLeftovers(andBelow: true) }

    private func clearLeftovers(andBelow: Bool) -> Int {
        // A descriptor of its own: closedir closes it.
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

/// A file of an `InboxFolder` that is on its way: whole, or not at all. What is never published is removed when the last
/// reference goes, and what a killed process left, by `InboxFolder.clearLeftovers` at the next start.
///
/// One owner at a time: not to be used from two threads.
final class InboxFile {
    private let folder: InboxFolder
    private let temporary: String
    private let descriptor: Int32
    private var isPublished = false

    /// - Parameter name: what it is likely to be called
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

    /// Forces the bytes to the disk and gives the file a name that nothing has yet.
    /// - Returns: false where something has the name; another can be tried
    func publish(as name: String) throws(DurableError) -> Bool {
        guard retrying({ fsync(descriptor) }) == 0 else { throw failure("fsync", name) }
        // The name is the group's to exchange: it has to lead to the file that was written.
        var written = stat()
        var named = stat()
        guard fstat(descriptor, &written) == 0,
            fstatat(folder.descriptor, temporary, &named, AT_SYMLINK_NOFOLLOW) == 0
        else { throw failure("stat", name) }
        guard written.st_ino == named.st_ino, written.st_dev == named.st_dev else {
            throw DurableError(
                operation: "rename", path: "\(folder.path)/\(name)", errno: ESTALE,
                hint: "somebody has exchanged the file while it came")
        }
        // Nothing is replaced; and a watcher of the inbox hears that it was moved in whole, as it would not of a second name.
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

    /// `RENAME_NOREPLACE` of `<linux/fs.h>`.
    private static let noReplace: UInt32 = 1

    /// For file systems that cannot do so: takes the name with an empty file, which only one can make, and replaces that.
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
