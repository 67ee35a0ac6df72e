import Crypto
import Digests
import Durable
import Glibc
import TextReading

/// An unexpected file that the store found and moved aside.
public enum StoreNotice: Sendable, Equatable {
    /// A file in `corpus/` whose contents do not match the SHA-256 in its name. The correct text has replaced it.
    case damagedCorpus(sha256: String, failureReason: String, movedTo: String)
    /// A link, file or directory that belongs to another user and has the name `.rejected`.
    case foreignRejected(path: String, movedTo: String)
}

/// The admitted corpora, one file per corpus, named by the SHA-256 of its contents and immutable.
///
/// No data is lost if the process is killed at any point, provided that the caller follows this order: `admit`, record,
/// `release`. A file that was admitted but not released is offered again and reported as a duplicate.
///
/// All methods block on disk I/O.
public struct CorpusStore: Sendable {
    public let directory: String
    public let inbox: String
    let tell: @Sendable (StoreNotice) -> Void
    let rejectedSpace: RejectedSpace
    private let reader: ReaderProcess?

    public var rejectedDirectory: String { "\(inbox)/\(CorpusStore.rejectedName)" }

    /// - Parameters:
    ///   - directory: `corpus/`, writable only by the service
    ///   - inbox: the directory that files are taken from; rejected files are moved to its `.rejected`
    ///   - reader: path of `kantaibert-read`; nil rejects files that are not plain UTF-8
    ///   - tell: called for each file that was moved aside
    public init(
        directory: String, inbox: String, reader: String?, tell: @escaping @Sendable (StoreNotice) -> Void = { _ in }
    ) {
        self.init(directory: directory, inbox: inbox, reader: reader, rejectedLimits: nil, tell: tell)
    }

    /// - Parameter rejectedLimits: nil uses the defaults for the file system
    package init(
        directory: String, inbox: String, reader: String? = nil, readerLimits: ReaderLimits = .init(),
        rejectedLimits: RejectedLimits?,
        tell: @escaping @Sendable (StoreNotice) -> Void = { _ in }
    ) {
        self.directory = directory
        self.inbox = inbox
        self.tell = tell
        rejectedSpace = RejectedSpace(limits: rejectedLimits)
        self.reader = reader.map { ReaderProcess(program: $0, limits: readerLimits) }
    }

    /// Creates missing directories and removes partial files that an interrupted admission or rejection left behind.
    public func prepare() throws(DurableError) {
        try Durable.makeDirectory(directory)
        try TemporaryName.clearLeftovers(in: directory)
        // A foreign file named `.rejected` must not prevent startup: rejecting a file reports the error.
        try? clearRejected()
    }

    /// Copies a file into the store and syncs it to disk, unless it is a duplicate or unusable. Leaves the original
    /// file in place.
    ///
    /// Throws if the store cannot be written, for example because the disk is full. The file may be offered again
    /// later.
    /// - Parameters:
    ///   - options: how to read the file
    ///   - reserve: number of bytes to keep free on the disk
    ///   - isCancelled: polled before each block; if it returns true, reading stops and the partial copy is removed
    public func admit(
        _ file: InboxFile, _ options: ReadingOptions = .init(), reserve: Int = 0,
        isCancelled: @escaping @Sendable () -> Bool = { false }
    ) throws(DurableError) -> AdmissionResult {
        try admit([(file, options)], reserve: reserve, isCancelled: isCancelled)[0]
    }

    /// A file that was read and whose copy is neither synced nor renamed yet, or the result if there is no copy.
    enum Staged: @unchecked Sendable {
        // @unchecked: the thread that wrote a copy does not use it afterwards, and the batch waits for all threads.
        case copied(StoredCorpus, AtomicFile)
        case settled(AdmissionResult)
        /// The file was not read, because its batch was complete before its turn.
        case left
    }

    /// Reads a file into a temporary file of the store, whose directory must exist.
    /// - Parameters:
    ///   - folder: the directory of the file
    ///   - isOver: whether the file is left to a later batch if it has to wait for the reader; called when its turn has come
    func stage(
        _ file: InboxFile, in folder: OpenFolder, _ options: ReadingOptions, reserve: Int, room batch: BatchRoom,
        isOver: @escaping @Sendable () -> Bool, isCancelled: @escaping @Sendable () -> Bool
    ) throws(DurableError) -> Staged {
        let descriptor = folder.openForReading(file.lastName)
        guard descriptor >= 0 else { return .settled(CorpusStore.unreadable()) }
        defer { close(descriptor) }
        var status = stat()
        guard fstat(descriptor, &status) == 0 else { return .settled(CorpusStore.unreadable()) }
        guard status.st_mode & S_IFMT == S_IFREG else {
            return .settled(.rejected(reason: "is not a regular file"))
        }
        let before = FileSignature(status)

        // CorpusReading rejects a file that exceeds maxFileBytes, so no space is required for it.
        let room = try DiskRoom(
            in: directory, reserve: reserve, for: before.bytes > options.maxFileBytes ? 0 : before.bytes, batch: batch)
        let reading = FileReading(
            directory: directory, options: options, reader: reader, room: room, isOver: isOver,
            isCancelled: isCancelled
        ) { directory throws(DurableError) in try AtomicFile(for: "\(directory)/admission", mode: 0o444) }
        let outcome: FileReading<AtomicFile>.Outcome
        do {
            outcome = try reading.read(descriptor, name: file.name, bytes: before.bytes)
        } catch let error as RejectionError {
            guard isUnchanged(descriptor, before) else { return .settled(.postponed) }
            return .settled(.rejected(reason: error.reason))
        } catch is ReadingInterrupted {
            return .settled(.interrupted)
        } catch is ReadingLeft {
            return .left
        } catch let error as DurableError {
            throw error
        } catch {
            preconditionFailure("FileReading threw an undocumented error: \(error)")
        }
        guard isUnchanged(descriptor, before) else { return .settled(.postponed) }

        let (report, sha256) = (outcome.report, outcome.sha256)
        let stored = StoredCorpus(
            sha256: sha256, path: "\(directory)/\(sha256)", bytes: report.bytes, documents: report.documents,
            replacedBytes: report.replacedBytes, isStructured: report.isStructured, encoding: report.encoding,
            format: report.format, warnings: report.warnings)
        return .copied(stored, outcome.copy)
    }

    /// The state of a name in the store.
    enum Stored {
        case absent
        /// The contents match the SHA-256 in the name.
        case genuine
        case damaged(failureReason: String)
    }

    /// Compares the contents with the name. Comparing sizes would not detect a file that was replaced.
    func look(at sha256: String, in corpus: OpenFolder) throws(DurableError) -> Stored {
        let descriptor = corpus.openForReading(sha256)
        guard descriptor >= 0 else {
            if errno == ENOENT { return .absent }
            let isLink = errno == ELOOP
            return .damaged(
                failureReason: isLink ? "is a symbolic link" : "cannot be read: \(String(cString: strerror(errno)))")
        }
        defer { close(descriptor) }
        var status = stat()
        guard fstat(descriptor, &status) == 0, let owner = corpus.status?.st_uid else {
            throw DurableError(operation: "fstat", path: "\(directory)/\(sha256)", errno: errno)
        }
        guard status.st_mode & S_IFMT == S_IFREG else { return .damaged(failureReason: "is not a regular file") }
        // Another user could modify their own file after this check.
        guard [geteuid(), owner, 0].contains(status.st_uid) else {
            return .damaged(failureReason: "belongs to user \(status.st_uid)")
        }
        let found = try SHA256.hash(ofDescriptor: descriptor, path: "\(directory)/\(sha256)").hexadecimal
        return found == sha256 ? .genuine : .damaged(failureReason: "has different contents (SHA-256 \(found))")
    }

    /// Moves a damaged file aside. At most nine are kept; the ninth is overwritten.
    /// - Returns: the new name
    func setAside(_ sha256: String, in corpus: OpenFolder) throws(DurableError) -> String {
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

    /// Removes an admitted and recorded file from the inbox, unless it has changed since it was inspected.
    /// - Returns: whether the file was removed; a changed file will be offered again
    @discardableResult
    public func release(_ file: InboxFile) throws(DurableError) -> Bool { try release([file])[0].get() }

    private func isUnchanged(_ descriptor: Int32, _ before: FileSignature) -> Bool {
        var status = stat()
        return fstat(descriptor, &status) == 0 && FileSignature(status) == before
    }

    static func unreadable() -> AdmissionResult {
        // ENOTDIR: a directory was replaced by a symbolic link, so this is not the path the file was found at.
        [ENOENT, ENOTDIR].contains(errno)
            ? .postponed : .rejected(reason: "cannot be read: \(String(cString: strerror(errno)))")
    }
}
