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
import TextReading
import TextFilters
import Varlink

/// Admits files from the inbox in batches: copies the files to the store, records them, and only then removes them from the inbox.
/// Each of these steps becomes durable once per batch, so that the cost per file does not depend on the disk's latency. Files that
/// cannot be used are recorded together as well, but moved to `.rejected` one by one.
///
/// If the process is killed between two of these steps, nothing is lost: the files are found again after a restart, and completed
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
    /// Number of files that were taken from the watcher and are neither admitted nor rejected yet.
    private let taking = Atomic(0)
    private let progress = Mutex(AdmissionProgress())

    private let settings: InboxSettings
    private let live: ReloadableSettings
    private let inbox: String
    private let troubles = Mutex(FileTroubles())
    private let folders: Mutex<FolderNames>
    private let outcomes: InboxOutcomes

    /// - Throws: `DurableError` if the inbox cannot be watched or the store cannot be written
    init(
        settings: Settings, live: ReloadableSettings, directory: StateDirectory, reader: String, metrics: StateStore,
        admitted: CorpusCatalog,
        journal: EventJournal,
        training: TrainingService, outcomes: InboxOutcomes
    ) throws(DurableError) {
        store = CorpusStore(directory: directory.corpus, inbox: directory.inbox, reader: reader) {
            journal.report(ServiceEvent($0))
        }
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
            polling: settings.inbox.polling,
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
        folders = Mutex(FolderNames(models: models))
        self.outcomes = outcomes
    }

    /// Number of files that were found and are neither admitted nor rejected yet.
    var pendingCount: Int { watcher.pendingCount + taking.load(ordering: .relaxed) }

    func run() async throws {
        await withGracefulShutdownHandler {
            var size = BatchSize(most: BatchLimits.usual.files)
            while !stopping.isOpen {
                let files = await watcher.files.next(atMost: BatchLimits.usual.files)
                guard let owner = files.first?.signature.owner else { break }
                let began = ContinuousClock.now
                let rest = await take(files, of: owner, &size)
                watcher.files.charge(owner, .now - began, unused: rest)
            }
        } onGracefulShutdown: { [watcher, stopping] in
            // Also interrupts reading a file that would take hours. The file stays and is found again after a restart.
            stopping.open()
            watcher.stop()
        }
    }

    /// Takes at least one batch, and more until files of another owner are waiting as well.
    /// - Returns: the files that are left
    private func take(
        _ files: [InboxFile], of owner: UInt32, _ size: inout BatchSize
    ) async -> ArraySlice<InboxFile> {
        var rest = files[...]
        defer { taking.store(0, ordering: .relaxed) }
        while !rest.isEmpty, !stopping.isOpen {
            if rest.startIndex > 0, watcher.files.hasFiles(ofOthersThan: owner) { return rest }
            taking.store(rest.count, ordering: .relaxed)
            let taken = await takeFirst(of: rest, &size)
            rest = rest.dropFirst(taken.count)
            taking.store(rest.count, ordering: .relaxed)
            let pending = pendingCount
            if let report = progress.withLock({ $0.note(taken.done, waiting: pending, now: .now) }) {
                journal.report(ServiceEvent(report))
            }
        }
        return []
    }

    private struct Taken {
        /// Number of files that were handled, counted from the first one; at least one.
        var count: Int
        /// Number of these that were admitted or rejected. The others wait in the inbox.
        var done: Int
    }

    /// Takes the first files as one batch. If that fails, takes the first by itself, so that one file does not hold up the
    /// others.
    private func takeFirst(of files: ArraySlice<InboxFile>, _ size: inout BatchSize) async -> Taken {
        do {
            let taken = try await takeBatch(files.prefix(size.count))
            size.note(taken: taken.count)
            return taken
        } catch {
            let offered = min(files.count, size.count)
            size.noteFailure()
            guard offered == 1 else { return await takeFirst(of: files, &size) }
            wait(files[files.startIndex], for: error)
            return Taken(count: 1, done: 0)
        }
    }

    /// A file about to be admitted, and what is known about it.
    private struct Candidate: Sendable {
        let file: InboxFile
        /// Identifies the file in records.
        let source: String
        let folder: FolderConfiguration
        /// Its place among the files that were taken.
        let offset: Int
    }

    /// - Throws: if the batch could not be stored or recorded
    private func takeBatch(_ files: ArraySlice<InboxFile>) async throws -> Taken {
        let candidates = try candidates(among: files)
        guard !candidates.isEmpty else { return Taken(count: files.count, done: 0) }
        let results = try await admit(candidates)
        var (stored, rejected): ([(Candidate, StoredCorpus)], [(Candidate, RejectionReason)]) = ([], [])
        for (candidate, result) in zip(candidates, results) {
            switch result {
            case .admitted(let corpus), .duplicate(let corpus): stored.append((candidate, corpus))
            case .rejected(let reason): rejected.append((candidate, reason))
            // Not every change is reported by inotify.
            case .postponed:
                watcher.requeue(candidate.file, after: .seconds(settings.stableSeconds))
                forgetTroubles(of: candidate.file)
            case .interrupted: break
            }
        }
        try await record(stored)
        try await reject(rejected)
        return Taken(
            count: results.count < candidates.count ? candidates[results.count].offset : files.count,
            done: stored.count + rejected.count)
    }

    /// Returns the files that can be read now. The others stay in the inbox to be retried.
    private func candidates(among files: ArraySlice<InboxFile>) throws -> [Candidate] {
        let sources = files.map(\.identity)
        let states = try metrics.recordedStates(ofFiles: sources)
        // A change of a configuration applies to the next batch.
        var folders: [String: FolderConfiguration] = [:]
        var candidates: [Candidate] = []
        for (offset, (file, source)) in zip(files, sources).enumerated() {
            do {
                // The permissions of a member's directory may prevent removing the file. It is not read again on each
                // retry.
                if states[source] != nil, let obstacle = store.obstacle(toRemoving: file) { throw obstacle }
                // Likewise, a rejected file is not read again while `.rejected` has no room for it.
                if states[source] == .rejected, let obstacle = try? store.obstacle(toRejecting: file) { throw obstacle }
                let folder =
                    try folders[file.folderPath]
                    ?? FolderConfiguration(for: file, inbox: inbox, defaults: settings.reading)
                folders[file.folderPath] = folder
                tellMisspelledFolder(of: file)
                candidates.append(Candidate(file: file, source: source, folder: folder, offset: offset))
            } catch {
                wait(file, for: error)
            }
        }
        return candidates
    }

    /// Keeps the file in the inbox to be retried.
    private func wait(_ file: InboxFile, for error: any Error) {
        // The free space differs each time, so it is not part of the comparison.
        let trouble = (error as? DurableError).map { "\($0.operation) \($0.path) \($0.errno)" } ?? "\(error)"
        let (line, isKnown) = troubles.withLock {
            $0.note(file.path, trouble, "\(error)", shown: file.name, now: .now)
        }
        if let line {
            journal.report(ServiceEvent(.problem, line, fields: ["name": .string(file.name)]))
        }
        outcomes.tell(file, .waiting(reason: "\(error)"))
        let isStuck = ((error as? DurableError)?.errno).map { [EACCES, EPERM].contains($0) } ?? false
        // Bounded, because members could keep adding files that cannot be removed.
        if !isStuck || isKnown { watcher.requeue(file, after: .seconds(settings.retrySeconds)) }
    }

    private func tellMisspelledFolder(of file: InboxFile) {
        guard let folder = file.folder, let model = folders.withLock({ $0.modelMeant(by: folder) }) else { return }
        journal.report(
            ServiceEvent(
                .folderUnknown,
                "\(folder)/ has no model’s name, so its files feed all models: did you mean ‘\(model)’?",
                fields: ["name": .string(folder), "model": .string(model)]))
    }

    private func forgetTroubles(of file: InboxFile) { troubles.withLock { $0.over(file.path) } }

    /// - Returns: the results of the first candidates, at least one
    private func admit(_ candidates: [Candidate]) async throws -> [AdmissionResult] {
        let retention = live.current.retention
        return try await queue.run { [store, stopping] in
            try store.admit(
                candidates.map { ($0.file, $0.folder.reading) }, reserve: try retention.reserve(at: store.directory)
            ) { stopping.isOpen }
        }
    }

    /// A corpus that was recorded now.
    private struct Recorded {
        let file: InboxFile
        let stored: StoredCorpus
        let record: CorpusRecord
        let wasSetAside: Bool
        /// Corpora from the same path and owner, the newest first.
        let earlierVersions: [StateStore.EarlierVersion]
    }

    /// Records corpora and removes their files from the inbox.
    ///
    /// The database determines whether a corpus is new: the store may already contain it from an interrupted admission.
    private func record(_ corpora: [(candidate: Candidate, stored: StoredCorpus)]) async throws {
        guard !corpora.isEmpty else { return }
        let setAside = try metrics.setAside(among: corpora.map(\.stored.sha256))
        let results = try admitted.record(
            try corpora.map { candidate, stored in
                let filters = try candidate.folder.filters.map {
                    String(decoding: try JobCoding.encode($0), as: UTF8.self)
                }
                return (
                    CorpusRecord(
                        sha256: stored.sha256, name: candidate.file.name, bytes: stored.bytes,
                        documents: stored.documents, replacedBytes: stored.replacedBytes, state: .admitted,
                        model: onlyModel(of: candidate.file), source: candidate.source,
                        owner: candidate.file.signature.owner, isStructured: stored.isStructured, filters: filters,
                        encoding: stored.encoding, format: stored.format, warnings: stored.warnings), stored.path
                )
            }, replacing: settings.replacement == .newest)
        for (corpus, result) in zip(corpora, results) {
            guard let record = result.recorded?.record else { continue }
            outcomes.tell(
                corpus.candidate.file,
                .admitted(
                    sha256: corpus.stored.sha256, isDuplicate: record.state == .duplicate,
                    warnings: record.state == .admitted ? record.warnings ?? [] : []))
        }
        // Reported before the files are removed from the inbox: even if removal fails, the corpora are trained on.
        await announce(
            zip(corpora, results).compactMap { corpus, result in
                result.recorded.map {
                    Recorded(
                        file: corpus.candidate.file, stored: corpus.stored, record: $0.record,
                        wasSetAside: setAside.contains(corpus.stored.sha256), earlierVersions: $0.earlierVersions)
                }
            })
        // The stored file of a removed corpus may have been deleted after its file was found to be its duplicate.
        var files: [InboxFile] = []
        for (corpus, result) in zip(corpora, results) {
            if result.isStored {
                files.append(corpus.candidate.file)
            } else {
                watcher.requeue(corpus.candidate.file, after: .zero)
            }
        }
        for (file, result) in zip(files, store.release(files)) {
            switch result {
            case .success(let isRemoved):
                forgetTroubles(of: file)
                // The file was touched after it was read. If only its time has changed, it is recognized as a duplicate
                // next time.
                if !isRemoved { watcher.requeue(file, after: .zero) }
            case .failure(let error): wait(file, for: error)
            }
        }
        // Replaced versions are deleted. So is the text of a corpus that was removed before its file left the inbox: it is
        // stored again, but not recorded.
        let isAnyUnneeded = results.contains { $0.recorded?.earlierVersions.contains { $0.removed != nil } ?? true }
        if isAnyUnneeded { admitted.sweep() }
    }

    private func announce(_ corpora: [Recorded]) async {
        let replaced = corpora.flatMap(\.earlierVersions).filter(\.isReplaced)
        journal.report(
            corpora.map(event)
                + replaced.map { version in
                    let consequence =
                        version.removed == nil
                        ? "another file has the text of the old one" : "later training runs do not use the old one"
                    return ServiceEvent(
                        .corpusRemoved, "\(version.name) was replaced by a new version; \(consequence)",
                        model: version.model, corpus: version.sha256)
                })
        journal.report(
            corpora.filter { $0.record.state == .admitted }.compactMap { ServiceEvent(warningsOf: $0.record) })
        // A duplicate may be new to a model: a corpus that only fed another model now feeds this one as well. A corpus
        // that is tried again feeds all models that it fed before.
        await training.corporaAdmitted(
            corpora.map { corpus in
                let sha256 = corpus.stored.sha256
                let fedModels = corpus.wasSetAside ? try? metrics.modelsFed(by: sha256, of: models) : nil
                return (sha256, fedModels ?? corpus.record.model.map { [$0] } ?? models)
            })
        var kept: [String: Set<String>] = [:]
        for version in replaced where version.removed == nil {
            kept[version.sha256] = (try? metrics.modelsFed(by: version.sha256, of: models)).map(Set.init) ?? Set(models)
        }
        await training.corporaRemoved(replaced.map(\.sha256), keptFor: kept)
    }

    private func event(_ corpus: Recorded) -> ServiceEvent {
        let (file, stored) = (corpus.file, corpus.stored)
        var fields: [String: JSONValue] = [
            "name": .string(file.name), "bytes": .int(stored.bytes), "replaced_bytes": .int(stored.replacedBytes),
            "documents": .int(stored.documents),
        ]
        var version = ""
        if let earlier = corpus.earlierVersions.first {
            fields["earlier"] = .string(earlier.sha256)
            version =
                "; it is a new version of the corpus \(earlier.sha256.prefix(12))"
                + (earlier.isReplaced ? ", which it replaces" : ", and models are trained on both")
        }
        if corpus.record.state == .duplicate {
            return ServiceEvent(
                .corpusDuplicate,
                "\(file.name) is a duplicate"
                    + (corpus.wasSetAside ? " of a corpus that was set aside, which is tried again" : "") + version,
                model: corpus.record.model, corpus: stored.sha256, fields: fields)
        }
        return ServiceEvent(
            .corpusAdmitted, "\(file.name) is admitted: \(MessageFormat.bytes(stored.bytes))\(version)",
            model: corpus.record.model, corpus: stored.sha256, fields: fields)
    }

    private func reject(_ files: [(candidate: Candidate, reason: RejectionReason)]) async throws {
        guard !files.isEmpty else { return }
        let records = try metrics.record(
            files.map { candidate, reason in
                CorpusRecord(
                    sha256: "", name: candidate.file.name, bytes: candidate.file.signature.bytes, documents: 0,
                    state: .rejected, reason: reason.text, model: onlyModel(of: candidate.file),
                    source: candidate.source, owner: candidate.file.signature.owner)
            }, replacing: false)
        // Each file is synced by itself. The files that are left when the service is stopped are moved after a restart.
        let moved = await queue.run { [store, stopping] in
            var moved: [Result<String?, DurableError>] = []
            for (candidate, reason) in files where !stopping.isOpen {
                moved.append(
                    Result { () throws(DurableError) in try store.reject(candidate.file, reason: reason.text) })
            }
            return moved
        }
        journal.report(
            zip(files, records).compactMap { rejected, record in
                guard let record else { return nil }
                let (file, reason) = (rejected.candidate.file, rejected.reason.text)
                let fields: [String: JSONValue] = [
                    "name": .string(file.name), "reason": .string(reason), "bytes": .int(file.signature.bytes),
                ]
                return ServiceEvent(
                    .corpusRejected, "\(file.name) is rejected: \(reason)", model: record.record.model, fields: fields)
            })
        // Even if a file cannot be moved, it counts as rejected and is not reported again.
        for (candidate, reason) in files { outcomes.tell(candidate.file, .rejected(reason: reason.text)) }
        for (rejected, result) in zip(files, moved) {
            switch result {
            case .success: forgetTroubles(of: rejected.candidate.file)
            case .failure(let error): wait(rejected.candidate.file, for: error)
            }
        }
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
        case .polled(let folder, let fileSystem, let interval):
            self.init(
                .inboxPolled,
                "\(folder) is on \(fileSystem), which does not report all changes: the inbox is scanned every "
                    + MessageFormat.duration(interval / .seconds(1)),
                fields: ["name": .string(folder), "file_system": .string(fileSystem)])
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
