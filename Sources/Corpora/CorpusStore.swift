import Durable
import Glibc

/// The admitted corpora, one file each, named by the SHA-256 of its bytes and never changed again.
///
/// A kill at any moment loses nothing if the caller keeps to this order: `admit`, record, `release`. A file that was
/// admitted but not released is offered again, and found to be in the store.
///
/// Calls block for as long as the disk takes.
public struct CorpusStore: Sendable {
    public let directory: String
    public let rejectedDirectory: String

    /// - Parameters:
    ///   - directory: `corpus/`
    ///   - rejectedDirectory: `inbox/.rejected`, in the same file system as the inbox
    public init(directory: String, rejectedDirectory: String) {
        self.directory = directory
        self.rejectedDirectory = rejectedDirectory
    }

    /// Makes the folders that are missing and removes what a killed admission left half written.
    public func prepare() throws(DurableError) {
        try Durable.makeDirectory(directory)
        try Durable.makeDirectory(rejectedDirectory)
        try TemporaryName.clearLeftovers(in: directory)
    }

    /// Copies a file into the store, forced to the disk, unless its bytes are there or are of no use. The file stays.
    ///
    /// Throws where the store cannot be written, a full disk for one: the file may be offered again later.
    /// - Parameter options: how it is read
    public func admit(_ file: InboxFile, _ options: ReadingOptions = .init()) throws(DurableError) -> Admission {
        guard let folder = file.openFolder() else { return CorpusStore.unreadable() }
        let descriptor = file.lastName.withRawPath {
            openat(folder.descriptor, $0, O_RDONLY | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK)
        }
        guard descriptor >= 0 else { return CorpusStore.unreadable() }
        defer { close(descriptor) }
        var status = stat()
        guard fstat(descriptor, &status) == 0 else { return CorpusStore.unreadable() }
        guard status.st_mode & S_IFMT == S_IFREG else { return .rejected(reason: "is not a regular file") }
        let before = FileSignature(status)

        // Somebody may have removed it since the start; what comes now is none the worse for it.
        if !exists(directory) { try Durable.makeDirectory(directory) }
        let copy = try AsideFile(for: "\(directory)/admission", mode: 0o444)
        var reading = CorpusReading(options: options) { try copy.append($0) }
        do {
            try reading.read(name: file.name, descriptor: descriptor, bytes: file.signature.bytes)
        } catch let error as Unusable {
            guard isUnchanged(descriptor, before) else { return .postponed }
            return .rejected(reason: error.reason)
        } catch let error as DurableError {
            throw error
        } catch {
            preconditionFailure("reading throws what it does not know: \(error)")
        }
        guard isUnchanged(descriptor, before) else { return .postponed }

        let sha256 = reading.sha256
        let final = "\(directory)/\(sha256)"
        let stored = StoredCorpus(
            sha256: sha256, path: final, bytes: reading.bytes, documents: reading.documents,
            replacedBytes: reading.replacedBytes, isStructured: reading.isStructured)
        let bytes = reading.bytes
        if FileSignature(path: final)?.bytes == bytes { return .duplicate(stored) }
        try copy.publish(as: final)
        return .admitted(stored)
    }

    /// Removes a file that was admitted, and recorded, from the inbox, unless it has been changed since it was looked at.
    /// - Returns: whether it was removed; what has been changed will be offered again
    @discardableResult
    public func release(_ file: InboxFile) throws(DurableError) -> Bool {
        guard let folder = file.openFolder(), folder.signature(of: file.lastName) == file.signature else {
            return false
        }
        guard file.lastName.withRawPath({ unlinkat(folder.descriptor, $0, 0) }) == 0 else {
            throw DurableError(
                operation: "unlink", path: file.path, errno: errno,
                hint: "its folder must be writable for this service; the corpus is safe in the store")
        }
        try sync(folder, of: file)
        return true
    }

    private func isUnchanged(_ descriptor: Int32, _ before: FileSignature) -> Bool {
        var status = stat()
        return fstat(descriptor, &status) == 0 && FileSignature(status) == before
    }

    private static func unreadable() -> Admission {
        // A folder that has become a link is not the one the file lay in.
        [ENOENT, ENOTDIR].contains(errno)
            ? .postponed : .rejected(reason: "cannot be read: \(String(cString: strerror(errno)))")
    }
}

/// Forces the names in the folder of a file to the disk.
func sync(_ folder: OpenFolder, of file: InboxFile) throws(DurableError) {
    guard retrying({ fsync(folder.descriptor) }) == 0 else {
        throw DurableError(operation: "fsync", path: file.path, errno: errno)
    }
}
