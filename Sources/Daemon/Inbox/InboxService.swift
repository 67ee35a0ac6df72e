import AsyncSupport
import Corpora
import Dispatch
import Durable
import Formatting
import FoundationEssentials
import Glibc
import Jobs
import Database
import ServiceLifecycle
import Synchronization
import TextFilters
import Varlink

/// Takes what lies in the inbox: into the store, into the records, and only then out of the inbox.
///
/// A kill between two of these steps loses nothing: the file is offered again, and the steps it has behind it are found
/// done.
final class InboxService: Service {
    private let store: CorpusStore
    private let watcher: InboxWatcher
    private let metrics: StateStore
    private let admitted: CorpusCatalog
    private let journal: EventJournal
    private let training: TrainingService
    private let models: [String]
    /// Reading gigabytes is not for the threads of Swift's concurrency.
    private let queue = DispatchQueue(label: "io.kantaibert.inbox")

    private let stopping = Latch()
    /// 1 while a file is between the inbox and the records.
    private let taking = Atomic(0)

    private let settings: InboxSettings
    private let live: ReloadableSettings
    private let inbox: String
    private let troubles = Mutex(FileTroubles())

    /// - Throws: `DurableError` where the inbox cannot be watched or the store not be written.
    init(
        settings: Settings, live: ReloadableSettings, directory: StateDirectory, metrics: StateStore,
        admitted: CorpusCatalog,
        journal: EventJournal,
        training: TrainingService
    ) throws(DurableError) {
        store = CorpusStore(directory: directory.corpus, inbox: directory.inbox) { journal.report(ServiceEvent($0)) }
        try store.prepare()
        if InboxFolders.isShared(directory.inbox) {
            journal.report(
                ServiceEvent(
                    .problem,
                    "members of the group can remove and rename each other's files in \(directory.inbox), as it is not "
                        + "sticky: chmod +t it, or run systemd-tmpfiles --create"))
        }
        let models = settings.models.map(\.name)
        let store = store
        watcher = try InboxWatcher(
            directory: directory.inbox, stable: .seconds(settings.inbox.stableSeconds),
            restore: { () throws(DurableError) in
                try directory.prepareInbox(models: models)
                try store.prepare()
            },
            tell: { journal.report(ServiceEvent($0)) })
        self.metrics = metrics
        self.admitted = admitted
        self.journal = journal
        self.training = training
        self.models = models
        self.settings = settings.inbox
        self.live = live
        inbox = directory.inbox
    }

    /// Files that have been seen and not yet taken.
    var pendingCount: Int { watcher.pendingCount + taking.load(ordering: .relaxed) }

    func run() async throws {
        await withGracefulShutdownHandler {
            for await file in watcher.files {
                if stopping.isOpen { break }
                taking.store(1, ordering: .relaxed)
                await take(file)
                admitted.sweep()
                taking.store(0, ordering: .relaxed)
            }
        } onGracefulShutdown: { [watcher, stopping] in
            // Also ends the reading of a file that would take hours: it stays, and is found again.
            stopping.open()
            watcher.stop()
        }
    }

    private func take(_ file: InboxFile) async {
        do {
            let source = file.identity
            // A folder of a member's own may not let it out. What is known by now is not read again and again for that.
            if let obstacle = store.obstacle(toRemoving: file), try metrics.isRecorded(source: source) {
                throw obstacle
            }
            let folder = try FolderConfiguration(for: file, inbox: inbox, defaults: settings.reading)
            switch try await admit(file, folder.reading) {
            case .admitted(let stored), .duplicate(let stored):
                try await record(stored, of: file, source: source, filters: folder.filters)
            case .rejected(let reason): try reject(file, source: source, reason: reason.text)
            // What changed it need not be a write that is told of.
            case .postponed: watcher.requeue(file, after: .seconds(settings.stableSeconds))
            case .interrupted: break
            }
            troubles.withLock { $0.over(file.relativePath) }
        } catch {
            wait(file, for: error)
        }
    }

    /// The file stays in the inbox for now, and is tried again.
    private func wait(_ file: InboxFile, for error: any Error) {
        // How much is free is another number each time.
        let trouble = (error as? DurableError).map { "\($0.operation) \($0.path) \($0.errno)" } ?? "\(error)"
        let (line, isKnown) = troubles.withLock {
            $0.note(file.relativePath, trouble, "\(error)", shown: file.name, now: .now)
        }
        if let line {
            journal.report(ServiceEvent(.problem, line, fields: ["name": .string(file.name)]))
        }
        let isStuck = ((error as? DurableError)?.errno).map { [EACCES, EPERM].contains($0) } ?? false
        // Without end, files could be put where nothing can be taken from: so many of them are tried again.
        if !isStuck || isKnown { watcher.requeue(file, after: .seconds(settings.retrySeconds)) }
    }

    private func admit(_ file: InboxFile, _ reading: ReadingOptions) async throws -> AdmissionResult {
        let retention = live.current.retention
        return try await queue.run { [store, stopping] in
            try store.admit(file, reading, reserve: try retention.reserve(at: store.directory)) { stopping.isOpen }
        }
    }

    /// Whether bytes are new is for the records to say: the store may hold them from an admission that was cut off.
    private func record(_ stored: StoredCorpus, of file: InboxFile, source: String, filters: [TextFilter]?) async throws
    {
        let only = onlyModel(of: file)
        let wasSetAside = try metrics.corpus(sha256: stored.sha256)?.setAside != nil
        let (recorded, isStored) = try admitted.record(
            CorpusRecord(
                sha256: stored.sha256, name: file.name, bytes: stored.bytes, documents: stored.documents,
                replacedBytes: stored.replacedBytes, state: .admitted, model: only, source: source,
                isStructured: stored.isStructured,
                filters: try filters.map { String(decoding: try JobCoding.encode($0), as: UTF8.self) }), at: stored.path
        )
        // Told of before it leaves the inbox: where it cannot leave, it is trained on all the same.
        if let recorded { await announce(recorded, stored, of: file, only: only, wasSetAside: wasSetAside) }
        // The text of a corpus removed earlier went while this file was found to be the same.
        let isReleased = try isStored && store.release(file)
        // Or it was touched since it was read: a file whose time alone is another is a duplicate next time.
        if !isReleased { watcher.requeue(file, after: .zero) }
    }

    private func announce(
        _ recorded: CorpusRecord, _ stored: StoredCorpus, of file: InboxFile, only: String?, wasSetAside: Bool
    ) async {
        let replaced = stored.replacedBytes == 0 ? "" : ", \(stored.replacedBytes) bytes that were not UTF-8 replaced"
        let fields: [String: JSONValue] = [
            "name": .string(file.name), "bytes": .int(stored.bytes), "replaced_bytes": .int(stored.replacedBytes),
            "documents": .int(stored.documents),
        ]
        if recorded.state == .duplicate {
            journal.report(
                ServiceEvent(
                    .corpusDuplicate,
                    "\(file.name) is known already" + (wasSetAside ? ", had been set aside, and is tried again" : ""),
                    model: only, corpus: stored.sha256, fields: fields))
        } else {
            journal.report(
                ServiceEvent(
                    .corpusAdmitted, "\(file.name) is admitted: \(MessageFormat.bytes(stored.bytes))\(replaced)",
                    model: only, corpus: stored.sha256, fields: fields))
        }
        // A duplicate can be new to a model: what came for another now comes for this one too.
        // What is tried again feeds all that it fed.
        let eligibleCorpora = wasSetAside ? (try? metrics.modelsFed(by: stored.sha256, of: models)) : nil
        await training.corpusAdmitted(stored.sha256, for: eligibleCorpora ?? only.map { [$0] } ?? models)
    }

    private func reject(_ file: InboxFile, source: String, reason: String) throws {
        let recorded = try metrics.record(
            CorpusRecord(
                sha256: "", name: file.name, bytes: file.signature.bytes, documents: 0, state: .rejected,
                reason: reason, model: onlyModel(of: file), source: source))
        let moved = Result { try store.reject(file, reason: reason) }
        if recorded != nil {
            let fields: [String: JSONValue] = [
                "name": .string(file.name), "reason": .string(reason), "bytes": .int(file.signature.bytes),
            ]
            journal.report(
                ServiceEvent(
                    .corpusRejected, "\(file.name) is rejected: \(reason)", model: onlyModel(of: file), fields: fields))
        }
        // Where it cannot be moved, it is rejected all the same, and this is not the next time's to tell.
        _ = try moved.get()
    }

    /// The model whose folder the file lies in; nil feeds all. A folder that no model has for its name is just a folder.
    private func onlyModel(of file: InboxFile) -> String? {
        file.folder.flatMap { models.contains($0) ? $0 : nil }
    }
}

extension ServiceEvent {
    fileprivate init(_ notice: InboxDiagnostic) {
        switch notice {
        case .unwatched(let error): self.init(.problem, "part of the inbox is not watched: \(error)")
        case .ignored(let name, let reason):
            self.init(
                .fileLeftAlone, "\(name) stays in the inbox: it \(reason)",
                fields: ["name": .string(name), "reason": .string(reason)])
        case .moreLeftAlone(let count):
            self.init(
                .fileLeftAlone,
                "and \(MessageFormat.count(count)) more are left alone in the inbox, too many to be named",
                fields: ["count": .int(count)])
        case .madeAgain: self.init(.problem, "the inbox was removed or renamed; it is made again, and watched")
        case .gone(let error):
            self.init(.problem, "the inbox was removed or renamed, and is tried again every second: \(error)")
        }
    }

    fileprivate init(_ notice: StoreNotice) {
        switch notice {
        case .damagedCorpus(let sha256, let failureReason, let aside):
            self.init(
                .problem,
                "what lay in corpus/ under \(sha256.prefix(12)) \(failureReason): it is moved to \(aside), and the text of that name "
                    + "has taken its place. Runs that read it may have learned something else",
                corpus: sha256)
        case .foreignRejected(let path, let aside):
            self.init(.problem, "\(path) was not the service's own folder: it is moved to \(aside), and made again")
        }
    }
}
