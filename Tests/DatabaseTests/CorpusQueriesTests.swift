import FoundationEssentials
import Database
import Testing

struct CorpusQueriesTests {
    let scratch: Scratch
    let store: StateStore

    init() throws {
        scratch = try Scratch()
        store = try scratch.store()
    }

    private func corpus(
        _ digit: Int, _ name: String, _ state: CorpusRecord.State = .admitted, reason: String? = nil,
        model: String? = nil, source: String? = nil, owner: UInt32? = 1000
    ) -> CorpusRecord {
        CorpusRecord(
            sha256: sha(digit), name: name, bytes: 10, documents: 2, replacedBytes: 1, state: state, reason: reason,
            model: model, source: source, owner: owner, received: noon)
    }

    @Test func corporaAreListedByState() throws {
        let kant = try #require(try store.record(corpus(1, "kant.txt")))
        #expect(kant.id == 1)
        _ = try store.record(corpus(2, "photo.txt", .rejected, reason: "holds NUL bytes"))
        let again = try #require(try store.record(corpus(1, "again.txt")))
        #expect(again.state == .duplicate, "its bytes were admitted before")
        #expect(try store.corpora().map(\.name) == ["kant.txt", "photo.txt", "again.txt"])
        #expect(try store.corpora(state: .rejected).map(\.reason) == ["holds NUL bytes"])
        #expect(try store.corpora(state: .duplicate) == [again])
        #expect(try store.corpus(sha256: sha(1)) == kant)
        #expect(try store.corpus(sha256: sha(2)) == nil)
    }

    /// If the process is killed between recording a file and removing it from the inbox, the file is found again.
    @Test func theSameFileIsRecordedOnce() throws {
        #expect(try store.record(corpus(1, "a.txt", source: "8:2:77:1")) != nil)
        #expect(try store.record(corpus(1, "a.txt", source: "8:2:77:1")) == nil)
        #expect(try store.record(corpus(1, "a.txt", source: "8:2:78:1"))?.state == .duplicate)
        #expect(try store.corpora().count == 2)
    }

    @Test func filesAreRecordedTogether() throws {
        let recorded = try store.record(
            [
                corpus(1, "a.txt", source: "1"), corpus(1, "b.txt", source: "2"), corpus(2, "c.txt", source: "1"),
                corpus(3, "d.txt", .rejected, reason: "is empty", source: "3"),
            ], replacing: false)
        #expect(recorded.map { $0?.record.state } == [.admitted, .duplicate, nil, .rejected])
        #expect(try store.ledger.contents().records.map(\.name) == ["a.txt", "b.txt", "d.txt"])
        #expect(
            try store.recordedStates(ofFiles: ["1", "2", "3", "4"])
                == ["1": .admitted, "2": .duplicate, "3": .rejected])
        var bad = corpus(4, "e.txt", source: "4")
        bad.bytes = -1
        #expect(throws: MetricsError.self) { try store.record([corpus(5, "f.txt"), bad], replacing: false) }
        #expect(try store.corpora().count == 3, "all or none")
    }

    @Test func earlierVersionsOfAFileAreFound() throws {
        _ = try store.record(corpus(1, "a.txt"))
        _ = try store.record(corpus(2, "b.txt"))
        _ = try store.record(corpus(3, "a.txt", .rejected, reason: "is empty"))
        let second = try #require(try store.record([corpus(4, "a.txt")], replacing: false)[0])
        #expect(second.earlierVersions.map(\.sha256) == [sha(1)])
        #expect(try store.corpora(feeding: "m").map(\.sha256) == [sha(1), sha(2), sha(4)])
        #expect(try store.bytes(feeding: "m") == store.corpora(feeding: "m").reduce(0) { $0 + $1.bytes })
        #expect(try store.bytes(feeding: "m") > 0)
        let third = try #require(try store.record([corpus(5, "a.txt")], replacing: true)[0])
        #expect(third.earlierVersions.map(\.sha256) == [sha(4), sha(1)])
        #expect(third.earlierVersions.allSatisfy { $0.removed != nil })
        #expect(try store.corpora(feeding: "m").map(\.sha256) == [sha(2), sha(5)])
        #expect(try store.bytes(feeding: "m") == store.corpora(feeding: "m").reduce(0) { $0 + $1.bytes })
        #expect(try store.bytes(feeding: "m") > 0)
        #expect(Set(try store.unneededCorpora()) == [sha(1), sha(4)])
        #expect(try store.ledger.contents().records.filter { $0.removed != nil }.map(\.sha256) == [sha(4), sha(1)])
        #expect(try store.record([corpus(5, "a.txt")], replacing: true)[0]?.earlierVersions.isEmpty == true)
    }

    @Test func versionSharedWithAnotherFileIsNotReplaced() throws {
        _ = try store.record(corpus(1, "a.txt"))
        _ = try store.record(corpus(1, "b.txt"))
        let second = try #require(try store.record([corpus(2, "a.txt")], replacing: true)[0])
        #expect(second.earlierVersions.map(\.removed) == [nil])
        #expect(second.earlierVersions.map(\.isReplaced) == [true])
        #expect(try store.corpora(feeding: "m").map(\.sha256) == [sha(1), sha(2)])
    }

    /// As when a file is renamed and another takes its name.
    @Test func versionThatALaterFileOfTheBatchHasStaysInUse() throws {
        _ = try store.record(corpus(1, "a.txt", source: "1"))
        let batch = [corpus(2, "a.txt", source: "2"), corpus(1, "a-old.txt", source: "3")]
        let recorded = try store.record(batch, replacing: true)
        #expect(recorded[0]?.earlierVersions.map(\.sha256) == [sha(1)])
        #expect(recorded[0]?.earlierVersions.map(\.removed) == [nil])
        #expect(Set(try store.corpora(feeding: "m").map(\.sha256)) == [sha(1), sha(2)])
    }

    /// A member must not be able to remove another member's corpus.
    @Test(arguments: [1001, nil] as [UInt32?])
    func anotherOwnersFileIsNotAnEarlierVersion(owner: UInt32?) throws {
        _ = try store.record(corpus(1, "a.txt", owner: owner))
        for (digit, replacing) in [(2, false), (3, true)] {
            let other = try #require(try store.record([corpus(digit, "a.txt", owner: 1002)], replacing: replacing)[0])
            #expect(!other.earlierVersions.contains { $0.sha256 == sha(1) })
        }
        // The owner of a file that an older version recorded is not known.
        _ = try store.record([corpus(4, "a.txt", owner: nil)], replacing: true)
        #expect(try store.corpora(feeding: "m").map(\.sha256) == [sha(1), sha(3), sha(4)])
    }

    /// Different files may be recorded with such names.
    @Test(arguments: [#"a\x0A.txt"#, String(repeating: "a", count: 255)])
    func escapedAndShortenedNamesAreNotCompared(name: String) throws {
        _ = try store.record(corpus(1, name))
        #expect(try store.record([corpus(2, name)], replacing: true)[0]?.earlierVersions.isEmpty == true)
        #expect(try store.corpora(feeding: "m").map(\.sha256) == [sha(1), sha(2)])
    }

    @Test func aTextIsRemovedWithTheLastFileThatHasIt() throws {
        _ = try store.record(corpus(1, "a.txt", model: "a", source: "1"))
        _ = try store.record(corpus(1, "b.txt", model: "b", source: "2"))
        _ = try store.record([corpus(2, "a.txt", model: "a", source: "3")], replacing: true)
        func check(_ store: StateStore, a: [Int], b: [Int]) throws {
            #expect(try store.corpora(feeding: "a").map(\.sha256) == a.map(sha))
            #expect(try store.corpora(feeding: "b").map(\.sha256) == b.map(sha))
        }
        try check(store, a: [2], b: [1])
        #expect(try store.corpus(sha256: sha(1))?.name == "b.txt", "it takes the place of the first")
        #expect(try store.unneededCorpora().isEmpty)
        let renewed = try StateStore(path: "\(scratch.folder)/renewed.db")
        try renewed.restore(store.ledger.contents().records)
        try check(renewed, a: [2], b: [1])
        #expect(try renewed.corpus(sha256: sha(1))?.name == "b.txt")

        let last = try store.record([corpus(3, "b.txt", model: "b", source: "4")], replacing: true)[0]
        #expect(last?.earlierVersions.map { $0.removed != nil } == [true])
        try check(store, a: [2], b: [3])
        #expect(try store.unneededCorpora() == [sha(1)])
    }

    @Test func aVersionThatWasReceivedTwiceIsReplaced() throws {
        for source in ["1", "2"] { _ = try store.record(corpus(1, "a.txt", source: source)) }
        let second = try #require(try store.record([corpus(2, "a.txt", source: "3")], replacing: true)[0])
        #expect(second.earlierVersions.map(\.sha256) == [sha(1)])
        #expect(second.earlierVersions.allSatisfy { $0.removed != nil })
        #expect(try store.corpora(feeding: "m").map(\.sha256) == [sha(2)])
    }

    @Test func aVersionThatWasSetAsideIsReplaced() throws {
        _ = try store.record(corpus(1, "a.txt", source: "1"))
        #expect(try store.setAsideCorpus(sha256: sha(1), because: "a-1 failed because of it"))
        let kept = try store.record([corpus(2, "a.txt", source: "2")], replacing: false)[0]
        #expect(kept?.earlierVersions.isEmpty == true, "it is not learned")
        let third = try #require(try store.record([corpus(3, "a.txt", source: "3")], replacing: true)[0])
        #expect(third.earlierVersions.map(\.sha256) == [sha(2), sha(1)])
        #expect(try store.tryAgain(corporaOf: "m") == [])
        #expect(Set(try store.unneededCorpora()) == [sha(1), sha(2)])
    }

    @Test func modelIsFedByTheInboxAndItsOwnDirectory() throws {
        _ = try store.record(corpus(1, "for-b.txt", model: "b"))
        _ = try store.record(corpus(2, "for-all.txt"))
        _ = try store.record(corpus(3, "bad.txt", .rejected, reason: "is empty"))
        #expect(try store.corpora(feeding: "a").map(\.sha256) == [sha(2)])
        #expect(try store.corpora(feeding: "b").map(\.sha256) == [sha(1), sha(2)])
        _ = try store.record(corpus(1, "for-a-too.txt", model: "a"))
        #expect(
            try store.corpora(feeding: "a").map(\.name) == ["for-all.txt", "for-a-too.txt"],
            "in the order in which they were received for it"
        )
        #expect(try store.corpora(feeding: "c").map(\.sha256) == [sha(2)])
    }

    @Test func removedCorpusFeedsNoModelUntilReceivedAgain() throws {
        _ = try store.record(corpus(1, "one.txt"))
        _ = try store.record(corpus(1, "for-a.txt", model: "a"))
        _ = try store.record(corpus(2, "two.txt"))
        try store.save(RunRecord(id: "a-1", model: "a", state: .interrupted), corpora: [sha(1), sha(2)])
        #expect(try store.removeCorpus(sha256: sha(1)))
        #expect(try !store.removeCorpus(sha256: sha(1)), "it is removed already")
        #expect(try !store.removeCorpus(sha256: sha(3)))
        #expect(try store.corpora(feeding: "a").map(\.sha256) == [sha(2)])
        #expect(try store.corpus(sha256: sha(1)) == nil)
        #expect(try store.corpora().map { $0.removed != nil } == [true, true, false])
        #expect(try store.unneededCorpora() == [], "an unfinished run needs it")
        try store.save(RunRecord(id: "a-1", model: "a", state: .finished))
        #expect(try store.unneededCorpora() == [sha(1)])
        #expect(try store.record(corpus(1, "again.txt"))?.state == .admitted)
        #expect(try store.unneededCorpora() == [])
        #expect(try store.corpora(feeding: "a").map(\.name) == ["two.txt", "again.txt"])
    }

    @Test func readingOptionsAreRecorded() throws {
        var table = corpus(1, "a.csv")
        (table.isStructured, table.filters) = (true, #"["lowercase"]"#)
        _ = try store.record(table)
        let kept = try #require(try store.corpora(feeding: "a").first)
        #expect(kept.isStructured && kept.filters == table.filters)
    }

    @Test func encodingFormatAndWarningsAreRecorded() throws {
        var table = corpus(1, "a.csv", source: "1")
        (table.encoding, table.format) = ("windows-1252", "CSV with delimiter ‘;’")
        table.warnings = ["3 bytes are not UTF-8 and were replaced", "4 of 100 rows have no text and were left out"]
        let recorded = try #require(try store.record(table))
        #expect((recorded.encoding, recorded.format) == (table.encoding, table.format))
        #expect(recorded.warnings == table.warnings)
        #expect(try store.corpora() == [recorded])
        #expect(try store.corpusPage(limit: 9).rows.map(\.value) == [recorded])
        // Removing it keeps them, also in the ledger.
        #expect(try store.removeCorpus(sha256: sha(1)))
        let records = try store.ledger.contents().records
        #expect(records.map(\.warnings) == [table.warnings, table.warnings])
        #expect(records.map(\.format) == [table.format, table.format])
        #expect(records.map(\.encoding) == [table.encoding, table.encoding])
        // No warnings are null in the database, like those of older versions.
        _ = try store.record(
            CorpusRecord(sha256: sha(2), name: "b.txt", bytes: 1, documents: 1, state: .admitted, warnings: []))
        #expect(try store.corpus(sha256: sha(2))?.warnings == nil)
    }

    @Test func corporaOfRunsAreRecorded() throws {
        try store.save(RunRecord(id: "a-1", model: "a", state: .finished), corpora: [sha(2), sha(1)])
        try store.save(RunRecord(id: "b-1", model: "b", state: .finished), corpora: [sha(1)])
        try store.save(RunRecord(id: "b-2", model: "b", state: .running), corpora: [sha(3)])
        #expect(try store.corpora(ofRun: "a-1") == [sha(2), sha(1)])
        try store.save(RunRecord(id: "a-1", model: "a", state: .finished, loss: 3))
        #expect(try store.corpora(ofRun: "a-1") == [sha(2), sha(1)], "saving the run keeps them")
        #expect(try store.corpora(ofRun: "b-2") == [sha(3)])
    }

    @Test func corpusSetAsideFeedsNoModelUntilRetried() throws {
        _ = try store.record(corpus(1, "bad.txt", source: "1"))
        _ = try store.record(corpus(1, "bad-for-a.txt", model: "a", source: "2"))
        _ = try store.record(corpus(2, "good.txt", source: "3"))
        #expect(try store.setAsideCorpus(sha256: sha(3), because: "it is not there") == false)
        #expect(try store.setAsideCorpus(sha256: sha(1), because: "a-1 failed because of it"))
        #expect(try store.corpora(feeding: "a").map(\.name) == ["good.txt"])
        #expect(try store.corpora(feeding: "b").map(\.name) == ["good.txt"])
        let bad = try #require(try store.corpus(sha256: sha(1)))
        #expect(bad.setAside != nil && bad.reason == "a-1 failed because of it" && bad.state == .admitted)
        #expect(try store.unneededCorpora().isEmpty, "its file is kept")
        // It is in the ledger, too.
        let renewed = try StateStore(path: "\(scratch.folder)/renewed.db")
        try renewed.restore(store.ledger.contents().records)
        #expect(try renewed.corpora(feeding: "a").map(\.name) == ["good.txt"])

        // The file is received again.
        #expect(try store.record(corpus(1, "again.txt", source: "4"))?.state == .duplicate)
        #expect(try store.corpora(feeding: "a").map(\.name) == ["bad.txt", "good.txt"])
        #expect(try store.corpus(sha256: sha(1))?.reason == nil)
        // Its model is trained with force.
        #expect(try store.setAsideCorpus(sha256: sha(1), because: "again"))
        #expect(try store.tryAgain(corporaOf: "b") == [sha(1)])
        #expect(try store.tryAgain(corporaOf: "b") == [])
        #expect(try store.corpora(feeding: "b").map(\.name) == ["bad.txt", "good.txt"])
        let again = try StateStore(path: "\(scratch.folder)/again.db")
        try again.restore(store.ledger.contents().records)
        #expect(try again.corpora(feeding: "b").map(\.sha256) == [sha(1), sha(2)])
        // It is removed.
        #expect(try store.setAsideCorpus(sha256: sha(1), because: "once more"))
        #expect(try store.removeCorpus(sha256: sha(1)))
        #expect(try store.tryAgain(corporaOf: "a") == [])
        #expect(try store.unneededCorpora() == [sha(1)])
    }
}
