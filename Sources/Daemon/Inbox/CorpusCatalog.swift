import Corpora
import Durable
import Glibc
import Database
import Synchronization
import Tokenizers

/// Keeps the records of the corpora consistent with the files in `corpus/`.
package final class CorpusCatalog: Sendable {
    private let metrics: StateStore
    private let directory: StateDirectory
    private let journal: EventJournal
    private let indexes: CorpusIndexes?
    private let passages: PassageFiles?
    /// Incremented whenever corpora are recorded or removed.
    private let changes = Atomic(0)
    /// Prevents an admission from finding a duplicate in the store while that file is being deleted.
    private let oneAtATime = Mutex(())

    /// - Parameters:
    ///   - indexes: the search indexes of the corpora, which are removed with them
    ///   - passages: the embeddings of their passages, which are removed with them
    package init(
        metrics: StateStore, directory: StateDirectory, journal: EventJournal, indexes: CorpusIndexes? = nil,
        passages: PassageFiles? = nil
    ) {
        self.indexes = indexes
        self.passages = passages
        self.metrics = metrics
        self.directory = directory
        self.journal = journal
    }

    /// Changes whenever the corpora do.
    package var version: Int { changes.load(ordering: .acquiring) }

    /// Records corpora together.
    /// - Parameters:
    ///   - corpora: the records and the paths of the stored files
    ///   - replacing: whether earlier versions of the same files are removed
    /// - Returns: for each, what was recorded, or nil if this file is already recorded; and whether the store holds the
    ///   corpus
    func record(
        _ corpora: [(record: CorpusRecord, path: String)], replacing: Bool
    ) throws(MetricsError) -> [(recorded: StateStore.Recorded?, isStored: Bool)] {
        defer { changes.add(1, ordering: .releasing) }
        return try oneAtATime.withLock { _ throws(MetricsError) in
            let recorded = try metrics.record(corpora.map(\.record), replacing: replacing)
            return zip(recorded, corpora).map { ($0, FileSignature(path: $1.path) != nil) }
        }
    }

    /// Removes a corpus.
    /// - Returns: false if there is no such corpus
    package func remove(sha256: String) throws(MetricsError) -> Bool {
        guard try metrics.removeCorpus(sha256: sha256) else { return false }
        changes.add(1, ordering: .releasing)
        // A run may still need the text, but nobody may search it.
        indexes?.remove(sha256)
        passages?.remove(sha256)
        sweep()
        return true
    }

    /// Runs `body`, which selects and records the corpora of a run, while preventing the deletion of corpora.
    func undisturbed<Value: Sendable>(_ body: () throws -> Value) rethrows -> Value {
        try oneAtATime.withLock { _ in try body() }
    }

    /// Deletes the files of removed corpora that no run needs any more, and their word counts.
    func sweep() {
        journal.attempt("the files of removed corpora were not deleted") {
            try oneAtATime.withLock { _ in
                var isChanged = false
                for sha256 in try metrics.unneededCorpora() {
                    let path = "\(directory.corpus)/\(sha256)"
                    guard FileSignature(path: path) != nil else { continue }
                    WordCountStore(directory: directory.wordCounts).remove(sha256: sha256)
                    indexes?.remove(sha256)
                    try Durable.removeTree(path)
                    isChanged = true
                }
                if isChanged { try Durable.syncDirectory(directory.corpus) }
            }
        }
    }
}
