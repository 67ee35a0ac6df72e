import AsyncSupport
import Corpora
import Dispatch
import Durable
import Events
import Formatting
import FoundationEssentials
import Glibc
import Jobs
import Database
import ServiceLifecycle
import Settings
import Synchronization
import TextFilters
import Varlink

/// Admits files from the inbox: copies each to the store, records it, and only then removes it from the inbox.
///
/// If the process is killed between two of these steps, nothing is lost: the file is found again after a restart, and completed
/// steps are recognized.
final class InboxService: Service {
    private let store: CorpusStore
    private let watcher: InboxWatcher
    private let metrics: StateStore
    private let admitted: CorpusCatalog
    private let journal: EventJournal
    private let training: TrainingService
    private let models: [String]
    /// Reads gigabytes, which must not block the cooperative thread pool.
    private let queue = DispatchQueue(label: "io.kantaibert.inbox")

    private let stopping = Latch()
    /// 1 while a file is being admitted, 0 otherwise.
    private let taking = Atomic(0)

    private let settings: InboxSettings
    private let live: ReloadableSettings
    private let inbox: String
    private let troubles = Mutex(FileTroubles())

    /// - Throws: `DurableError` if the inbox cannot be watched or the store cannot be written
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
                    "members of the group can remove and rename each other's files in \(directory.inbox), because it is not "
                        + "sticky: run chmod +t on it, or systemd-tmpfiles --create"))
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

    /// Number of files that were found and are neither admitted nor rejected yet.
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
            // Also interrupts reading a file that would take hours. The file stays and is found again after a restart.
            stopping.open()
            watcher.stop()
        }
    }

    private func take(_ file: InboxFile) async {
        do {
            let source = file.identity
            // The permissions of a member's directory may prevent removing the file. It is not read again on each
            // retry.
            if let obstacle = store.obstacle(toRemoving: file), try metrics.isRecorded(source: source) {
                throw obstacle
            }
            // Likewise, a rejected file is not read again while `.rejected` has no room for it.
            if try metrics.isRecorded(source: source, as: .rejected),
                let obstacle = try? store.obstacle(toRejecting: file)
            {
                throw obstacle
            }
            let folder = try FolderConfiguration(for: file, inbox: inbox, defaults: settings.reading)
            switch try await admit(file, folder.reading) {
            case .admitted(let stored), .duplicate(let stored):
                try await record(stored, of: file, source: source, filters: folder.filters)
            case .rejected(let reason): try reject(file, source: source, reason: reason.text)
            // Not every change is reported by inotify.
            case .postponed: watcher.requeue(file, after: .seconds(settings.stableSeconds))
            case .interrupted: break
            }
            troubles.withLock { $0.over(file.relativePath) }
        } catch {
            wait(file, for: error)
        }
    }

    /// Keeps the file in the inbox to be retried.
    private func wait(_ file: InboxFile, for error: any Error) {
        // The free space differs each time, so it is not part of the comparison.
        let trouble = (error as? DurableError).map { "\($0.operation) \($0.path) \($0.errno)" } ?? "\(error)"
        let (line, isKnown) = troubles.withLock {
            $0.note(file.relativePath, trouble, "\(error)", shown: file.name, now: .now)
        }
        if let line {
            journal.report(ServiceEvent(.problem, line, fields: ["name": .string(file.name)]))
        }
        let isStuck = ((error as? DurableError)?.errno).map { [EACCES, EPERM].contains($0) } ?? false
        // Bounded, because members could keep adding files that cannot be removed.
        if !isStuck || isKnown { watcher.requeue(file, after: .seconds(settings.retrySeconds)) }
    }

    private func admit(_ file: InboxFile, _ reading: ReadingOptions) async throws -> AdmissionResult {
        let retention = live.current.retention
        return try await queue.run { [store, stopping] in
            try store.admit(file, reading, reserve: try retention.reserve(at: store.directory)) { stopping.isOpen }
        }
    }

    /// The database determines whether a corpus is new: the store may already contain it from an interrupted admission.
    private func record(_ stored: StoredCorpus, of file: InboxFile, source: String, filters: [TextFilter]?) async throws
    {
        let only = onlyModel(of: file)
        let wasSetAside = try metrics.corpus(sha256: stored.sha256)?.setAside != nil
        let (recorded, isStored) = try admitted.record(
            CorpusRecord(
                sha256: stored.sha256, name: file.name, bytes: stored.bytes, documents: stored.documents,
                replacedBytes: stored.replacedBytes, state: .admitted, model: only, source: source,
                isStructured: stored.isStructured,
                filters: try filters.map { String(decoding: try JobCoding.encode($0), as: UTF8.self) },
                encoding: stored.encoding, format: stored.format, warnings: stored.warnings), at: stored.path
        )
        // Reported before the file is removed from the inbox: even if removal fails, the corpus is trained on.
        if let recorded { await announce(recorded, stored, of: file, only: only, wasSetAside: wasSetAside) }
        // The stored file of a removed corpus was deleted after this file was found to be its duplicate.
        let isReleased = try isStored && store.release(file)
        // Or the file was touched after it was read. If only its time has changed, it is recognized as a duplicate next
        // time.
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
                    "\(file.name) is a duplicate"
                        + (wasSetAside ? " of a corpus that was set aside, which is tried again" : ""),
                    model: only, corpus: stored.sha256, fields: fields))
        } else {
            journal.report(
                ServiceEvent(
                    .corpusAdmitted, "\(file.name) is admitted: \(MessageFormat.bytes(stored.bytes))\(replaced)",
                    model: only, corpus: stored.sha256, fields: fields))
            if let warning = ServiceEvent(warningsOf: recorded) { journal.report(warning) }
        }
        // A duplicate may be new to a model: a corpus that only fed another model now feeds this one as well. A corpus
        // that is tried again feeds all models that it fed before.
        let fedModels = wasSetAside ? (try? metrics.modelsFed(by: stored.sha256, of: models)) : nil
        await training.corpusAdmitted(stored.sha256, for: fedModels ?? only.map { [$0] } ?? models)
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
        // Even if the file cannot be moved, it counts as rejected and is not reported again.
        _ = try moved.get()
    }

    /// Returns the model whose directory the file is in; nil if it feeds all models. A directory that is not named after a model is
    /// an ordinary directory.
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
                "and \(MessageFormat.count(count)) more entries of the inbox are ignored, too many to list",
                fields: ["count": .int(count)])
        case .madeAgain:
            self.init(.problem, "the inbox was removed or renamed; it was created again and is being watched")
        case .gone(let error):
            self.init(.problem, "the inbox was removed or renamed; creating it is retried every second: \(error)")
        }
    }

    fileprivate init(_ notice: StoreNotice) {
        switch notice {
        case .damagedCorpus(let sha256, let failureReason, let aside):
            self.init(
                .problem,
                "the file corpus/\(sha256.prefix(12))… \(failureReason): it was moved to \(aside) and replaced by the original "
                    + "corpus. Runs that read it may have been trained on other text",
                corpus: sha256)
        case .foreignRejected(let path, let aside):
            self.init(
                .problem, "\(path) did not belong to the service: it was moved to \(aside) and created again")
        }
    }
}
