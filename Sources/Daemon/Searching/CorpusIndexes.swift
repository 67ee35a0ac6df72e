import AsyncSupport
import Dispatch
import Durable
import Events
import Formatting
import FoundationEssentials
import Glibc
import Parallel
import Settings
import Synchronization
import TextSearch

/// The search indexes of the corpora, one file per corpus in `search/`: a cache that is filled when a question needs it.
///
/// Indexes are built one at a time, on a thread of their own. A build goes on when the client that caused it hangs up, because
/// the next question needs the same index; it ends when the corpus is removed or the service stops.
package final class CorpusIndexes: Sendable {
    /// A corpus to search.
    package struct Corpus: Sendable, Equatable {
        package var sha256: String
        /// The name of the file that was received.
        package var name: String
        package var bytes: Int
        package var received: Date
        /// Whether it has one record per line.
        package var isStructured: Bool

        package init(sha256: String, name: String, bytes: Int, received: Date, isStructured: Bool = false) {
            self.sha256 = sha256
            self.name = name
            self.bytes = bytes
            self.received = received
            self.isStructured = isStructured
        }
    }

    /// What the indexes of some corpora are waiting for.
    package enum Obstacle: Error, Equatable {
        /// - Parameter bytes: size of those of the corpora that are not indexed yet
        case building(bytes: Int)
        /// Building was attempted and failed.
        case failed(reason: String)
        case stopping
    }

    private struct State {
        var open: [String: (index: CorpusIndex, lastUse: Int)] = [:]
        var uses = 0
        /// Corpora to index, in the order of the questions.
        var queue: [Corpus] = []
        /// The corpus that is being indexed, and the bytes of it that are.
        var current: (sha256: String, flag: CancellationFlag)?
        var done = 0
        /// Opened when the queue is empty.
        var isIdle: Latch?
        var failure: (reason: String, until: ContinuousClock.Instant)?
        var isStopping = false
    }

    /// Maximum number of indexes that stay mapped.
    private static let mostOpen = 4096
    /// How long a failure, such as a full disk, is not tried again.
    private static let failureSeconds = 10
    /// A smaller corpus is indexed sooner on one thread.
    private static let bytesForThreads = 32 << 20

    private let directory: StateDirectory
    private let live: ReloadableSettings
    private let journal: EventJournal
    private let state = Mutex(State())
    private let building = DispatchQueue(label: "io.kantaibert.search.build", qos: .utility)

    package init(directory: StateDirectory, settings: ReloadableSettings, journal: EventJournal) {
        self.directory = directory
        live = settings
        self.journal = journal
    }

    /// Removes the indexes of corpora that are not stored any more, and what a killed process left.
    package func sweep() {
        guard access(directory.search, F_OK) == 0 else { return }
        journal.attempt("search indexes that are not needed were not removed") {
            try TemporaryName.clearLeftovers(in: directory.search)
            for name in try FileManager.default.contentsOfDirectory(atPath: directory.search)
            where access("\(directory.corpus)/\(name)", F_OK) != 0 {
                try Durable.removeTree(directory.searchIndex(ofCorpus: name))
            }
        }
    }

    /// Removes the index of a corpus that was removed.
    package func remove(_ sha256: String) {
        state.withLock { state in
            state.open[sha256] = nil
            state.queue.removeAll { $0.sha256 == sha256 }
            if state.current?.sha256 == sha256 { state.current?.flag.cancel() }
        }
        journal.attempt("the search index of a removed corpus was not removed") {
            try Durable.removeTree(directory.searchIndex(ofCorpus: sha256))
        }
    }

    /// Ends the build in progress and starts no other.
    package func stop() {
        let isIdle = state.withLock { state in
            state.isStopping = true
            state.queue = []
            state.current?.flag.cancel()
            return state.isIdle
        }
        isIdle?.open()
    }

    /// The corpora whose text is stored, and their indexes.
    package struct Opened: Sendable {
        package var corpora: [Corpus] = []
        package var indexes: [CorpusIndex] = []
    }

    /// Returns the indexes of corpora, except for those whose text is not stored any more, opening those that are not mapped yet. If some are missing or damaged, begins to build them.
    /// Blocks on disk I/O.
    /// - Throws: `Obstacle`
    package func open(_ corpora: [Corpus]) throws(Obstacle) -> Opened {
        var opened = Opened()
        var missing: [Corpus] = []
        for corpus in corpora {
            if let index = try open(corpus) {
                opened.corpora.append(corpus)
                opened.indexes.append(index)
            } else if access(text(of: corpus), F_OK) == 0 {
                missing.append(corpus)
            }
        }
        guard missing.isEmpty else {
            let done = try begin(missing)
            throw .building(bytes: max(0, missing.reduce(0) { $0 + $1.bytes } - done))
        }
        return opened
    }

    /// Waits until no index is being built.
    package func wait(atMost duration: Duration) async {
        _ = await state.withLock { $0.isIdle }?.wait(atMost: duration)
    }

    /// Removes an index that turned out to be damaged, so that it is built again.
    package func discard(_ sha256: String, because reason: String) {
        state.withLock { $0.open[sha256] = nil }
        journal.report(
            ServiceEvent(
                .problem, "the search index of a corpus is built again, because it is damaged: \(reason)",
                corpus: sha256))
        try? Durable.removeTree(directory.searchIndex(ofCorpus: sha256))
    }

    /// Returns nil if the index must be built.
    private func open(_ corpus: Corpus) throws(Obstacle) -> CorpusIndex? {
        let known = state.withLock { state -> CorpusIndex? in
            state.uses += 1
            state.open[corpus.sha256]?.lastUse = state.uses
            return state.open[corpus.sha256]?.index
        }
        if let known { return known }
        let path = directory.searchIndex(ofCorpus: corpus.sha256)
        guard access(path, F_OK) == 0 else { return nil }
        do throws(IndexError) {
            let index = try CorpusIndex(text: text(of: corpus), index: path, sha256: corpus.sha256)
            keep(index, of: corpus.sha256)
            return index
        } catch {
            guard error.isResolvedByBuilding else { throw .failed(reason: "\(corpus.name): \(error)") }
            discard(corpus.sha256, because: "\(error)")
            return nil
        }
    }

    private func text(of corpus: Corpus) -> String { "\(directory.corpus)/\(corpus.sha256)" }

    private func keep(_ index: CorpusIndex, of sha256: String) {
        state.withLock { state in
            if state.open.count >= Self.mostOpen,
                let oldest = state.open.min(by: { $0.value.lastUse < $1.value.lastUse })
            {
                state.open[oldest.key] = nil
            }
            state.open[sha256] = (index, state.uses)
        }
    }

    /// - Returns: the bytes of the corpora that are indexed already
    private func begin(_ corpora: [Corpus]) throws(Obstacle) -> Int {
        let begins: Result<(starts: Bool, done: Int), Obstacle> = state.withLock { state in
            if state.isStopping { return .failure(.stopping) }
            if let failure = state.failure, failure.until > .now { return .failure(.failed(reason: failure.reason)) }
            state.failure = nil
            let known = Set(state.queue.map(\.sha256)).union(state.current.map { [$0.sha256] } ?? [])
            state.queue += corpora.filter { !known.contains($0.sha256) }
            let done = corpora.contains { $0.sha256 == state.current?.sha256 } ? state.done : 0
            guard state.isIdle == nil else { return .success((false, done)) }
            state.isIdle = Latch()
            return .success((true, done))
        }
        let (starts, done) = try begins.get()
        if starts { building.async { [self] in buildAll() } }
        return done
    }

    /// Builds the indexes in the queue until it is empty.
    private func buildAll() {
        while let (corpus, flag) = next() {
            do {
                try build(corpus, flag)
            } catch IndexError.cancelled {
                // The corpus was removed, or the service is stopping.
            } catch {
                fail(corpus, error)
            }
        }
    }

    private func next() -> (Corpus, CancellationFlag)? {
        let (next, isIdle) = state.withLock { state -> ((Corpus, CancellationFlag)?, Latch?) in
            state.current = nil
            guard !state.queue.isEmpty else {
                defer { state.isIdle = nil }
                return (nil, state.isIdle)
            }
            let (corpus, flag) = (state.queue.removeFirst(), CancellationFlag())
            (state.current, state.done) = ((corpus.sha256, flag), 0)
            return ((corpus, flag), nil)
        }
        isIdle?.open()
        return next
    }

    private func build(_ corpus: Corpus, _ flag: CancellationFlag) throws {
        try Durable.makeDirectory(directory.search)
        let path = directory.searchIndex(ofCorpus: corpus.sha256)
        guard access(path, F_OK) != 0 else { return }
        let reserve = try live.current.retention.reserve(at: directory.search)
        try FreeSpace.require(
            CorpusIndex.maximumIndexBytes(textBytes: corpus.bytes), at: directory.search, reserve: reserve)
        try CorpusIndex.build(
            text: text(of: corpus), sha256: corpus.sha256, at: path, threads: threads(for: corpus),
            progress: { [self] done in state.withLock { $0.done = max($0.done, done) } },
            isCancelled: { flag.isCancelled })
        // The corpus may have been removed at the last moment.
        if flag.isCancelled || access(text(of: corpus), F_OK) != 0 { try Durable.removeTree(path) }
    }

    private func threads(for corpus: Corpus) -> Int {
        corpus.bytes < Self.bytesForThreads ? 1 : min(2, ThreadPool.shared.threads)
    }

    /// Gives up the queue: what failed, such as writing to a full disk, would fail again.
    private func fail(_ corpus: Corpus, _ error: any Error) {
        let reason = "\(corpus.name) cannot be indexed: \(error)"
        state.withLock { state in
            state.queue = []
            state.failure = (reason, .now + .seconds(Self.failureSeconds))
        }
        journal.report(ServiceEvent(.problem, reason, corpus: corpus.sha256))
    }
}
