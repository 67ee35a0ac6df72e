import Crypto
import Digests
import Durable
import Glibc

/// What a store has found that should not lie there, and has moved aside.
public enum StoreNotice: Sendable, Equatable {
    /// A file in `corpus/` that is not the text its name says. The text itself has taken its place.
    case damagedCorpus(sha256: String, flaw: String, movedTo: String)
    /// A link, a file or a folder of another user's at the place of `.rejected`.
    case foreignRejected(path: String, movedTo: String)
}

/// The admitted corpora, one file each, named by the SHA-256 of its bytes and never changed again.
///
/// A kill at any moment loses nothing if the caller keeps to this order: `admit`, record, `release`. A file that was
/// admitted but not released is offered again, and found to be in the store.
///
/// Calls block for as long as the disk takes.
public struct CorpusStore: Sendable {
    public let directory: String
    public let inbox: String
    let tell: @Sendable (StoreNotice) -> Void

    public var rejectedDirectory: String { "\(inbox)/\(CorpusStore.rejectedName)" }

    /// - Parameters:
    ///   - directory: `corpus/`, which only the service may write in
    ///   - inbox: where the files come from; what is rejected goes into its `.rejected`
    ///   - tell: gets what was moved aside
    public init(directory: String, inbox: String, tell: @escaping @Sendable (StoreNotice) -> Void = { _ in }) {
        self.directory = directory
        self.inbox = inbox
        self.tell = tell
    }

    /// Makes the folders that are missing and removes what a killed admission or rejection left half written.
    public func prepare() throws(DurableError) {
        try Durable.makeDirectory(directory)
        try TemporaryName.clearLeftovers(in: directory)
        // What users put in its place is no reason not to start: a rejection that cannot be done says so.
        try? clearRejected()
    }

    /// Copies a file into the store, forced to the disk, unless its bytes are there or are of no use. The file stays.
    ///
    /// Throws where the store cannot be written, a full disk for one: the file may be offered again later.
    /// - Parameters:
    ///   - options: how it is read
    ///   - reserve: bytes that stay free on the disk
    ///   - isCancelled: asked before each block of it; where it says so, reading ends, and what was written is removed
    public func admit(
        _ file: InboxFile, _ options: ReadingOptions = .init(), reserve: Int = 0,
        isCancelled: @escaping @Sendable () -> Bool = { false }
    ) throws(DurableError) -> Admission {
        guard let folder = file.openFolder() else { return CorpusStore.unreadable() }
        let descriptor = folder.openForReading(file.lastName)
        guard descriptor >= 0 else { return CorpusStore.unreadable() }
        defer { close(descriptor) }
        var status = stat()
        guard fstat(descriptor, &status) == 0 else { return CorpusStore.unreadable() }
        guard status.st_mode & S_IFMT == S_IFREG else { return .rejected(reason: "is not a regular file") }
        let before = FileSignature(status)

        // Somebody may have removed it since the start; what comes now is none the worse for it.
        if access(directory, F_OK) != 0 { try Durable.makeDirectory(directory) }
        // What is too large anyhow is refused by the reading.
        let room = try DiskRoom(
            in: directory, reserve: reserve, for: before.bytes > options.maxFileBytes ? 0 : before.bytes)
        let copy = try AsideFile(for: "\(directory)/admission", mode: 0o444)
        var reading = CorpusReading(options: options, isCancelled: isCancelled) { piece in
            try room.take(piece.count)
            try copy.append(piece)
        }
        do {
            try reading.read(name: file.name, descriptor: descriptor, bytes: file.signature.bytes)
        } catch let error as Unusable {
            guard isUnchanged(descriptor, before) else { return .postponed }
            return .rejected(reason: error.reason)
        } catch is ReadingInterrupted {
            return .interrupted
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
        guard let corpus = OpenFolder(directory, depth: 0) else {
            throw DurableError(operation: "open", path: directory, errno: errno)
        }
        switch try look(at: sha256, in: corpus) {
        case .genuine: return .duplicate(stored)
        case .absent: try copy.publish(as: final)
        case .damaged(let flaw):
            let aside = try setAside(sha256, in: corpus)
            try copy.publish(as: final)
            tell(.damagedCorpus(sha256: sha256, flaw: flaw, movedTo: "\(directory)/\(aside)"))
        }
        return .admitted(stored)
    }

    /// What lies under a name in the store.
    private enum Stored {
        case absent
        /// The text whose SHA-256 is its name.
        case genuine
        case damaged(flaw: String)
    }

    /// The bytes decide: another text of the same size is soon made.
    private func look(at sha256: String, in corpus: OpenFolder) throws(DurableError) -> Stored {
        let descriptor = corpus.openForReading(sha256)
        guard descriptor >= 0 else {
            if errno == ENOENT { return .absent }
            let isLink = errno == ELOOP
            return .damaged(
                flaw: isLink ? "is a symbolic link" : "cannot be read: \(String(cString: strerror(errno)))")
        }
        defer { close(descriptor) }
        var status = stat()
        guard fstat(descriptor, &status) == 0, let owner = corpus.status?.st_uid else {
            throw DurableError(operation: "fstat", path: "\(directory)/\(sha256)", errno: errno)
        }
        guard status.st_mode & S_IFMT == S_IFREG else { return .damaged(flaw: "is no regular file") }
        // Another's file could be changed after it was looked at.
        guard [geteuid(), owner, 0].contains(status.st_uid) else {
            return .damaged(flaw: "belongs to user \(status.st_uid)")
        }
        let found = try SHA256.hash(ofDescriptor: descriptor, path: "\(directory)/\(sha256)").hexadecimal
        return found == sha256 ? .genuine : .damaged(flaw: "holds other bytes, of SHA-256 \(found)")
    }

    /// - Returns: the name it has now; of nine, the last is replaced
    private func setAside(_ sha256: String, in corpus: OpenFolder) throws(DurableError) -> String {
        for number in 1...9 {
            let name = "\(sha256).damaged-\(number)"
            if corpus.move(sha256, to: corpus, as: name) == 0 { return name }
            if errno != EEXIST { break }
        }
        let last = "\(sha256).damaged-9"
        guard renameat(corpus.descriptor, sha256, corpus.descriptor, last) == 0 else {
            throw DurableError(operation: "rename", path: "\(directory)/\(sha256)", errno: errno)
        }
        return last
    }

    /// Removes a file that was admitted, and recorded, from the inbox, unless it has been changed since it was looked at.
    /// - Returns: whether it was removed; what has been changed will be offered again
    @discardableResult
    public func release(_ file: InboxFile) throws(DurableError) -> Bool {
        guard let folder = file.openFolder(), folder.signature(of: file.lastName) == file.signature else {
            return false
        }
        if let obstacle = obstacle(toRemoving: file) { throw obstacle }
        guard file.lastName.withRawPath({ unlinkat(folder.descriptor, $0, 0) }) == 0 else {
            throw DurableError(
                operation: "unlink", path: file.path, errno: errno,
                hint: "its folder must be writable for this service; the corpus is safe in the store")
        }
        try folder.sync(path: file.path)
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
