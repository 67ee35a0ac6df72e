import CFiles
import Glibc

/// An open folder that others can write to, such as the inbox. All operations use its descriptor, so that replacing the
/// folder by a symbolic link in the meantime has no effect.
///
/// Members of the group can write to the inbox, and so can replace a folder or a file by a link.
package final class SharedFolder {
    package let descriptor: Int32
    /// Used in messages only.
    package let path: String

    private init(descriptor: Int32, path: String) {
        self.descriptor = descriptor
        self.path = path
    }

    /// Opens the folder itself. Its parent must belong to the service, so that only an administrator can have replaced it
    /// by a link.
    package init(_ path: String) throws(DurableError) {
        self.path = path
        descriptor = retrying { open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC) }
        guard descriptor >= 0 else { throw DurableError(operation: "open", path: path, errno: errno) }
    }

    deinit { close(descriptor) }

    /// Opens a subfolder, creating it if needed. Throws if the name is a link or a file.
    package func folder(_ name: String) throws(DurableError) -> SharedFolder {
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

    /// Opens a subfolder.
    /// - Returns: nil with `errno` set if it does not exist, or is a link or a file
    package func existing(_ name: String) -> SharedFolder? {
        let flags = O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC
        let opened = retrying { openat(descriptor, name, flags) }
        return opened < 0 ? nil : SharedFolder(descriptor: opened, path: "\(path)/\(name)")
    }

    /// Whether the folder has an entry with this name.
    package func contains(_ name: String) -> Bool {
        var status = stat()
        return fstatat(descriptor, name, &status, AT_SYMLINK_NOFOLLOW) == 0
    }

    /// Bytes available to unprivileged processes on the file system.
    package var freeBytes: Int? {
        var status = statvfs()
        guard fstatvfs(descriptor, &status) == 0 else { return nil }
        let (bytes, isTooLarge) = UInt64(status.f_bavail).multipliedReportingOverflow(by: UInt64(status.f_frsize))
        return isTooLarge ? .max : Int(clamping: bytes)
    }

    /// Removes incomplete files of this user's exited processes here and in the subfolders.
    /// - Returns: the number of files removed
    package func clearLeftovers() -> Int { clearLeftovers(andBelow: true) }

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

extension Durable {
    /// Creates a file with these bytes, complete or not at all, and never replaces another.
    /// - Throws: `DurableError` with `EEXIST` if the path exists
    package static func create(_ path: String, with bytes: [UInt8]) throws(DurableError) {
        let (folder, name) = splitPath(path)
        let file = try IncomingFile(in: try SharedFolder(folder), for: name, mode: 0o666)
        try bytes.withUnsafeBytes { bytes in Result { () throws(DurableError) in try file.append(bytes) } }.get()
        guard try file.publish(as: name) else { throw DurableError(operation: "create", path: path, errno: EEXIST) }
    }
}

/// A file being received into a `SharedFolder`, published atomically. An unpublished file is removed when the last
/// reference is released; files of a killed process are removed by `SharedFolder.clearLeftovers` at the next start.
///
/// Not thread-safe: it has one owner at a time.
package final class IncomingFile {
    private let folder: SharedFolder
    private let temporary: String
    package let descriptor: Int32
    private var isPublished = false

    /// - Parameters:
    ///   - name: the name it will probably be published under
    ///   - mode: permission bits, subject to the umask
    package init(in folder: SharedFolder, for name: String, mode: mode_t = 0o660) throws(DurableError) {
        self.folder = folder
        temporary = TemporaryName.beside(name)
        let flags = O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC
        let temporary = temporary
        descriptor = retrying { openat(folder.descriptor, temporary, flags, mode) }
        guard descriptor >= 0 else {
            throw DurableError(operation: "open", path: "\(folder.path)/\(name)", errno: errno)
        }
    }

    package func append(_ bytes: UnsafeRawBufferPointer) throws(DurableError) {
        var rest = bytes
        while !rest.isEmpty {
            let written = retrying { write(descriptor, rest.baseAddress, rest.count) }
            guard written >= 0 else { throw failure("write", temporary) }
            rest = UnsafeRawBufferPointer(rebasing: rest.dropFirst(written))
        }
    }

    /// Flushes the file to disk and publishes it under a name that is not in use.
    /// - Returns: false if the name is taken; the caller can try another one
    package func publish(as name: String) throws(DurableError) -> Bool {
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

    /// Publishes under `name`, or with a number appended if the name is taken.
    /// - Returns: the name; nil if `most` names are taken
    package func publish(asOneLike name: String, atMost most: Int = 10_000) throws(DurableError) -> String? {
        let dot = name.lastIndex(of: ".") ?? name.endIndex
        for number in 1...most {
            let tried = number == 1 ? name : "\(name[..<dot])-\(number)\(name[dot...])"
            if try publish(as: tried) { return tried }
        }
        return nil
    }

    /// Returns the last component of a path as a safe file name: no separators, no control characters, no leading dot
    /// (the service ignores hidden files), and at most 200 bytes.
    package static func safeName(_ name: String) -> String? {
        let last = name.split(whereSeparator: { $0 == "/" || $0 == "\\" }).last ?? ""
        var safe = String.UnicodeScalarView()
        for scalar in last.unicodeScalars {
            switch scalar.properties.generalCategory {
            case .control, .format, .surrogate, .privateUse, .unassigned, .lineSeparator, .paragraphSeparator: continue
            default: safe.append(scalar)
            }
        }
        var text = Substring(String(safe)).drop { $0 == "." || $0 == " " }
        while text.last == " " { text.removeLast() }
        while text.utf8.count > 200 { text.removeLast() }
        return text.isEmpty ? nil : String(text)
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
