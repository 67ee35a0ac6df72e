import Corpora
import Durable
import Glibc
import Database
import Synchronization
import Tokenizers

/// What is recorded of the corpora, kept in step with what lies in `corpus/`.
package final class CorpusCatalog: Sendable {
    private let metrics: StateStore
    private let directory: StateDirectory
    private let journal: EventJournal
    /// A corpus that is dropped again may be found in the store just when its text is about to go.
    private let oneAtATime = Mutex(())

    package init(metrics: StateStore, directory: StateDirectory, journal: EventJournal) {
        self.metrics = metrics
        self.directory = directory
        self.journal = journal
    }

    /// - Returns: the record, null where this very file is recorded already; and whether the store holds the text
    func record(_ corpus: CorpusRecord, at path: String) throws(MetricsError) -> (record: CorpusRecord?, isStored: Bool)
    {
        try oneAtATime.withLock { _ throws(MetricsError) in
            (try metrics.record(corpus), FileSignature(path: path) != nil)
        }
    }

    /// - Returns: false where there is no such corpus
    func remove(sha256: String) throws(MetricsError) -> Bool {
        guard try metrics.removeCorpus(sha256: sha256) else { return false }
        sweep()
        return true
    }

    /// While `body` chooses what a run is to learn from and records it, no text is deleted.
    func undisturbed<Value: Sendable>(_ body: () throws -> Value) rethrows -> Value {
        try oneAtATime.withLock { _ in try body() }
    }

    /// Deletes the texts of removed corpora that no run needs any more, and their counted words.
    func sweep() {
        journal.attempt("the texts of removed corpora stay for now") {
            try oneAtATime.withLock { _ in
                var isChanged = false
                for sha256 in try metrics.unneededCorpora() {
                    let path = "\(directory.corpus)/\(sha256)"
                    guard FileSignature(path: path) != nil else { continue }
                    WordCountStore(directory: directory.wordCounts).remove(sha256: sha256)
                    try Durable.removeTree(path)
                    isChanged = true
                }
                if isChanged { try Durable.syncDirectory(directory.corpus) }
            }
        }
    }
}
