import Daemon
import Database
import Events
import FoundationEssentials
import Glibc
import Jobs
import Logging
import Settings
import Testing

/// The search indexes of corpora as a cache: built, rebuilt, removed.
@Suite(.timeLimit(.minutes(5))) struct CorpusIndexesTests {
    /// A state directory with corpora and their records.
    final class Stored {
        let directory = StateDirectory(root: "/tmp/indexes-\(UUID().uuidString)")
        let metrics: StateStore
        let hub = EventHub()
        private var count = 0
        let journal: EventJournal
        let live: ReloadableSettings

        init(reserve: Int? = 0) throws {
            try directory.prepare(models: [])
            metrics = try StateStore(path: directory.metrics)
            journal = EventJournal(hub: hub, metrics: metrics, logger: Logger(label: "test"))
            var settings = Settings.builtIn
            settings.retention.reserveBytes = reserve
            live = ReloadableSettings(settings)
        }

        deinit { try? FileManager.default.removeItem(atPath: directory.root) }

        var indexes: CorpusIndexes { CorpusIndexes(directory: directory, settings: live, journal: journal) }

        func catalog(_ indexes: CorpusIndexes) -> CorpusCatalog {
            CorpusCatalog(metrics: metrics, directory: directory, journal: journal, indexes: indexes)
        }

        /// Stores and records a corpus.
        func add(_ name: String, _ text: String) throws -> CorpusIndexes.Corpus {
            count += 1
            // The digest is not verified.
            let sha256 = String(repeating: "0123456789abcde\(count)", count: 4)
            try Data(text.utf8).write(to: URL(filePath: "\(directory.corpus)/\(sha256)"))
            let record = try metrics.record(
                CorpusRecord(sha256: sha256, name: name, bytes: text.utf8.count, documents: 1, state: .admitted))
            return .init(
                sha256: sha256, name: name, bytes: text.utf8.count, received: record?.received ?? Date())
        }

        func isIndexed(_ corpus: CorpusIndexes.Corpus) -> Bool {
            access(directory.searchIndex(ofCorpus: corpus.sha256), F_OK) == 0
        }
    }

    /// Opens the indexes, waiting until they are built.
    private func opened(_ indexes: CorpusIndexes, _ corpora: [CorpusIndexes.Corpus]) async throws
        -> CorpusIndexes.Opened
    {
        while true {
            switch Result(catching: { () throws(CorpusIndexes.Obstacle) in try indexes.open(corpora) }) {
            case .success(let opened): return opened
            case .failure(.building): await indexes.wait(atMost: .seconds(60))
            case .failure(let error): throw error
            }
        }
    }

    @Test func buildsIndexesAtTheFirstQuestion() async throws {
        let stored = try Stored()
        let indexes = stored.indexes
        let corpora = [try stored.add("a.txt", "one line of text\n"), try stored.add("b.txt", "another line\n")]
        let bytes = corpora.reduce(0) { $0 + $1.bytes }
        #expect(throws: CorpusIndexes.Obstacle.building(bytes: bytes)) { try indexes.open(corpora) }
        let opened = try await opened(indexes, corpora)
        #expect(opened.corpora == corpora && opened.indexes.count == 2)
        var status = stat()
        #expect(stat(stored.directory.searchIndex(ofCorpus: corpora[0].sha256), &status) == 0)
        #expect(status.st_mode & 0o077 == 0)
        #expect(stat(stored.directory.search, &status) == 0 && status.st_mode & 0o077 == 0)
        // Another process finds them.
        #expect(try stored.indexes.open(corpora).indexes.count == 2)
    }

    @Test func rebuildsDamagedIndexes() async throws {
        let stored = try Stored()
        let corpus = try stored.add("a.txt", String(repeating: "some words in a line\n", count: 50))
        _ = try await opened(stored.indexes, [corpus])
        let events = stored.hub.watch()
        #expect(truncate(stored.directory.searchIndex(ofCorpus: corpus.sha256), 40) == 0)
        #expect(try await opened(stored.indexes, [corpus]).indexes.count == 1)
        for await event in events {
            #expect(event.kind == .problem)
            break
        }
    }

    @Test func removesIndexesWithTheirCorpora() async throws {
        let stored = try Stored()
        let indexes = stored.indexes
        let catalog = stored.catalog(indexes)
        let corpus = try stored.add("a.txt", "one line of text\n")
        _ = try await opened(indexes, [corpus])
        #expect(stored.isIndexed(corpus))
        let version = catalog.version
        #expect(try catalog.remove(sha256: corpus.sha256))
        #expect(!stored.isIndexed(corpus))
        #expect(catalog.version != version)
        // Its text is deleted too, as no run needs it.
        #expect(try indexes.open([corpus]).indexes.isEmpty)
    }

    @Test func startRemovesIndexesOfUnknownCorporaAndLeftovers() async throws {
        let stored = try Stored()
        let (kept, lost) = (try stored.add("a.txt", "one line\n"), try stored.add("b.txt", "another line\n"))
        _ = try await opened(stored.indexes, [kept, lost])
        #expect(unlink("\(stored.directory.corpus)/\(lost.sha256)") == 0)
        let leftover = "\(stored.directory.search)/.\(kept.sha256).999999-1-1.tmp"
        try Data("x".utf8).write(to: URL(filePath: leftover))
        stored.indexes.sweep()
        #expect(stored.isIndexed(kept) && !stored.isIndexed(lost))
        #expect(access(leftover, F_OK) != 0)
    }

    @Test func doesNotSearchCorporaWhoseTextIsMissing() async throws {
        let stored = try Stored()
        let (kept, lost) = (try stored.add("a.txt", "one line\n"), try stored.add("b.txt", "another line\n"))
        #expect(unlink("\(stored.directory.corpus)/\(lost.sha256)") == 0)
        #expect(try await opened(stored.indexes, [kept, lost]).corpora == [kept])
    }

    @Test func leavesTheReserveOfTheDiskFree() async throws {
        let stored = try Stored(reserve: 1 << 60)
        let indexes = stored.indexes
        let corpus = try stored.add("a.txt", "one line\n")
        #expect(throws: CorpusIndexes.Obstacle.self) { try indexes.open([corpus]) }
        await indexes.wait(atMost: .seconds(60))
        #expect {
            try indexes.open([corpus])
        } throws: { error in
            guard case .failed(let reason)? = error as? CorpusIndexes.Obstacle else { return false }
            return reason.hasPrefix("a.txt cannot be indexed") && reason.contains("retention.reserve")
        }
        #expect(!stored.isIndexed(corpus))
    }

    @Test func buildsNothingWhenStopping() throws {
        let stored = try Stored()
        let indexes = stored.indexes
        let corpus = try stored.add("a.txt", "one line\n")
        indexes.stop()
        #expect(throws: CorpusIndexes.Obstacle.stopping) { try indexes.open([corpus]) }
    }

    /// A generation may only be asked about corpora that still are admitted.
    @Test func scopeIsWhatTheGenerationWasTrainedOnAndWasNotRemoved() throws {
        let stored = try Stored()
        let corpora = [
            try stored.add("a.txt", "a long line of text\n"), try stored.add("b.txt", "one\n"),
            try stored.add("c.txt", "another line\n"),
        ]
        _ = try stored.add("later.txt", "not trained on\n")
        let unknown = String(repeating: "../", count: 20) + "etc/passwd"
        let list = (corpora.map(\.sha256) + [corpora[0].sha256, unknown]).map {
            #"{"sha256": "\#($0)", "name": "a", "bytes": 1}"#
        }
        let facts = try JobCoding.decode(
            TrainingFacts.self,
            from: Data(
                #"{"run": "m-1", "filters": [], "longest_position": 9, "corpora": [\#(list.joined(separator: ","))]}"#
                    .utf8))
        var scope = try CorpusScope(of: facts, in: stored.metrics)
        #expect(scope.corpora.map(\.name) == ["a.txt", "b.txt", "c.txt"])
        #expect(scope.removed == 1 && scope.omitted == 0)
        #expect(try stored.catalog(stored.indexes).remove(sha256: corpora[2].sha256))
        scope = try CorpusScope(of: facts, in: stored.metrics)
        #expect(scope.corpora.map(\.name) == ["a.txt", "b.txt"])
        #expect(scope.removed == 2)
        scope = try CorpusScope(of: facts, in: stored.metrics, most: 1)
        #expect(scope.corpora.map(\.name) == ["a.txt"])
        #expect(scope.omitted == 1)
    }
}
