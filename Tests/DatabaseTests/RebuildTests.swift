import FoundationEssentials
import GRDB
import Glibc
import Jobs
import Database
import Synchronization
import Testing

/// Databases that are damaged in different ways.
struct RebuildTests {
    let scratch: Scratch

    init() throws { scratch = try Scratch() }

    private final class Renewals: Sendable {
        let all = Mutex<[StateStore.Rebuild]>([])
    }

    private func open(_ renewals: Renewals) throws -> StateStore {
        try StateStore.renewable(path: scratch.path) { renewal, _ in renewals.all.withLock { $0.append(renewal) } }
    }

    private func corpus(_ digit: Int, _ model: String? = nil) -> CorpusRecord {
        CorpusRecord(
            sha256: sha(digit), name: "\(digit).txt", bytes: 9, documents: 1, state: .admitted, model: model,
            source: "\(digit)", received: Date(timeIntervalSince1970: 1_767_268_800))
    }

    enum Damage: CaseIterable {
        case randomBytes, truncated, garbledInside, wrongTables, newer, noDatabase, directory
    }

    private func damage(_ damage: Damage) throws {
        let url = URL(filePath: scratch.path)
        var random = SystemRandomNumberGenerator()
        let size = try Data(contentsOf: url).count
        switch damage {
        case .randomBytes: try Data((0..<size).map { _ in UInt8.random(in: 0...255, using: &random) }).write(to: url)
        case .truncated: try Data(contentsOf: url).prefix(size / 2).write(to: url)
        case .garbledInside:
            var bytes = try Data(contentsOf: url)
            // Everything except for the first page, which identifies the file as a database.
            for place in 4096..<bytes.count { bytes[place] = UInt8.random(in: 0...255, using: &random) }
            try bytes.write(to: url)
        case .wrongTables:
            try FileManager.default.removeItem(at: url)
            try run("CREATE TABLE corpora (x); CREATE TABLE runs (y)")
        case .newer: try run("INSERT INTO grdb_migrations VALUES ('99 of another time')")
        case .noDatabase: try Data("not this".utf8).write(to: url)
        case .directory:
            try FileManager.default.removeItem(at: url)
            try FileManager.default.createDirectory(at: url, withIntermediateDirectories: false)
        }
    }

    /// Runs SQL as another program would.
    private func run(_ sql: String) throws {
        try DatabaseQueue(path: scratch.path).write { db in try db.execute(sql: sql) }
    }

    @Test(arguments: Damage.allCases)
    private func damagedDatabaseIsReplaced(kind: Damage) throws {
        let renewals = Renewals()
        do {
            let store = try open(renewals)
            for digit in 1...9 { _ = try store.record(corpus(digit, digit == 3 ? "poet" : nil)) }
            #expect(try store.removeCorpus(sha256: corpus(9).sha256))
            for number in 1...200 { try store.record(EventRecord(kind: "k", message: "event \(number)")) }
        }
        try damage(kind)
        let store = try open(renewals)
        let renewal = try #require(renewals.all.withLock { $0.first })
        #expect(FileManager.default.fileExists(atPath: renewal.aside))
        #expect(renewal.aside.hasPrefix(scratch.path + (kind == .newer ? ".newer-20" : ".damaged-20")))
        #expect(renewal.reason.isNewer == (kind == .newer))
        #expect(renewal.reason.description.contains("newer version") == (kind == .newer))
        #expect(try store.corpora().isEmpty)
        // The ledger still has the corpora.
        try store.restore(store.ledger.contents().records)
        #expect(try store.corpora().map(\.name) == (1...9).map { "\($0).txt" })
        #expect(try store.corpora(feeding: "other").count == 7, "removed corpora stay removed")
        #expect(try store.corpora(feeding: "poet").count == 8)
        // The same file is not recorded twice.
        #expect(try store.record(corpus(4)) == nil)
        try store.save(RunRecord(id: "r", model: "a"))
        #expect(renewals.all.withLock { $0.count } == 1)
        let again = try open(renewals)
        #expect(try again.run("r") != nil)
        #expect(renewals.all.withLock { $0.count } == 1)
    }

    /// A downgrade to an older version, followed by an upgrade.
    @Test func newerDatabaseIsIntactWhenMovedBack() throws {
        let renewals = Renewals()
        try open(renewals).save(RunRecord(id: "of the newer", model: "a"))
        try damage(.newer)
        try open(renewals).save(RunRecord(id: "of the older", model: "a"))
        let aside = try #require(renewals.all.withLock { $0.first?.aside })
        try FileManager.default.removeItem(atPath: scratch.path)
        try FileManager.default.moveItem(atPath: aside, toPath: scratch.path)
        // The newer version knows its own migration.
        try run("DELETE FROM grdb_migrations WHERE identifier LIKE '99%'")
        #expect(try open(renewals).runs().map(\.id) == ["of the newer"])
    }

    @Test func newestDamagedDatabasesAreKept() throws {
        let renewals = Renewals()
        let folder = URL(filePath: scratch.path).deletingLastPathComponent()
        func left(_ kind: String) throws -> Set<String> {
            Set(
                try FileManager.default.contentsOfDirectory(atPath: folder.path).filter { $0.contains(".\(kind)-") }
                    .map { "\(folder.path)/\($0)" })
        }
        // One whose name has a time in the future, with its log, and one of a newer version.
        for name in [".damaged-20010101T000000Z", ".damaged-20990101T000000Z", ".newer-20010101T000000Z"] {
            for suffix in ["", "-wal"] { try Data("old".utf8).write(to: URL(filePath: scratch.path + name + suffix)) }
        }
        for _ in 1...5 {
            try Data("not this".utf8).write(to: URL(filePath: scratch.path))
            _ = try open(renewals)
            #expect(try left("damaged").contains(renewals.all.withLock { $0.last!.aside }))
        }
        let asides = renewals.all.withLock { $0.map(\.aside) }
        let ahead = scratch.path + ".damaged-20990101T000000Z"
        let kept = try left("damaged")
        #expect(kept.isSubset(of: asides + [ahead, ahead + "-wal"]), "the oldest were removed")
        #expect(kept.subtracting([ahead + "-wal"]).count == 3)
        #expect(try left("newer").count == 2, "it is intact")
    }

    @Test func damageInUseIsDetected() throws {
        let renewals = Renewals()
        let store = try open(renewals)
        try store.save(RunRecord(id: "r", model: "a"))
        for number in 1...40_000 where number.isMultiple(of: 1000) {
            try store.record(
                (0..<1000).map { step in
                    StepRecord(
                        run: "r",
                        StepMetrics(
                            step: number + step, epoch: 0, loss: 1, learningRate: 1, gradientNorm: 1, tokens: 1,
                            tokensPerSecond: 1))
                })
        }
        // While the database is open and in use.
        let handle = try #require(FileManager.default.contents(atPath: scratch.path))
        let garbage = Data((0..<handle.count).map { _ in UInt8.random(in: 0...255) })
        let descriptor = Glibc.open(scratch.path, O_WRONLY)
        garbage.withUnsafeBytes { _ = pwrite(descriptor, $0.baseAddress, $0.count, 0) }
        close(descriptor)
        truncate(scratch.path + "-wal", 0)
        _ = try store.measurements(ofRun: "r", limit: 9)
        try store.save(RunRecord(id: "s", model: "a"))
        #expect(renewals.all.withLock { $0.count } == 1)
        #expect(try store.runs().map(\.id) == ["s"])
        let again = try StateStore(path: scratch.path)
        #expect(try again.runs().map(\.id) == ["s"])
    }

    @Test func ledgerSurvivesAnIncompleteLine() throws {
        let renewals = Renewals()
        let store = try open(renewals)
        _ = try store.record(corpus(1))
        let descriptor = Glibc.open(store.ledger.path, O_WRONLY | O_APPEND)
        _ = "{\"name\":\"half".utf8.withContiguousStorageIfAvailable { write(descriptor, $0.baseAddress, $0.count) }
        close(descriptor)
        _ = try store.record(corpus(2))
        let contents = try store.ledger.contents()
        #expect(contents.records.map(\.name) == ["1.txt", "2.txt"])
        #expect(contents.unreadableLines == [2])
    }

    @Test func missingLedgerIsWrittenFromTheDatabase() throws {
        do {
            let store = try open(Renewals())
            #expect(try store.ledger.contents().records.isEmpty)
            for digit in 1...3 { _ = try store.record(corpus(digit)) }
            try FileManager.default.removeItem(atPath: store.ledger.path)
        }
        let store = try open(Renewals())
        let contents = try store.ledger.contents()
        #expect(contents.records.map(\.name) == ["1.txt", "2.txt", "3.txt"] && contents.unreadableLines.isEmpty)
        _ = try store.record(corpus(4))
        #expect(try store.ledger.contents().records.map(\.name).last == "4.txt")
    }

    @Test func oldRowsAreRemovedAndRunsKept() throws {
        let store = try scratch.store()
        let old = Date(timeIntervalSinceNow: -1000)
        for (id, finished) in [("over", old), ("under way", nil)] as [(String, Date?)] {
            try store.save(RunRecord(id: id, model: "a", finished: finished))
            try store.record([
                StepRecord(
                    run: id,
                    StepMetrics(
                        step: 1, epoch: 0, loss: 1, learningRate: 1, gradientNorm: 1, tokens: 1,
                        tokensPerSecond: 1), time: old)
            ])
        }
        try store.record(EventRecord(kind: "k", message: "old", time: old))
        try store.record(EventRecord(kind: "k", message: "new"))
        #expect(try store.removeRows(before: Date(timeIntervalSinceNow: -500)) == 2)
        #expect(try store.measurements(ofRun: "over", limit: 9).steps.isEmpty)
        #expect(try store.measurements(ofRun: "under way", limit: 9).steps.count == 1)
        #expect(try store.runs().count == 2)
        #expect(try scratch.events().map(\.message) == ["new"])
    }

    private static let day = 86_400.0

    /// Records one event and one step per day, for `count` days up to `now`.
    private func recordDays(_ count: Int, upTo now: Date, _ store: StateStore) throws {
        if try store.run("a-1") == nil { try store.save(RunRecord(id: "a-1", model: "a", finished: noon)) }
        for day in (0..<count).reversed() {
            try store.record(
                EventRecord(kind: "k", message: "\(day)", time: now.addingTimeInterval(-Double(day) * Self.day)))
        }
    }

    @Test func ageFollowsACorrectClock() throws {
        let store = try scratch.store()
        try recordDays(120, upTo: noon, store)
        let age = try store.age(keeping: 90 * Self.day, now: noon)
        #expect(age == RowAge(cutoff: noon.addingTimeInterval(-90 * Self.day), isJump: false))
        #expect(try store.removeRows(before: age.cutoff) == 29)
    }

    @Test(arguments: [365.0, 3_650, 36_500])
    func clockSetAheadDoesNotAgeRows(days: Double) throws {
        let store = try scratch.store()
        try recordDays(100, upTo: noon, store)
        let ahead = noon.addingTimeInterval(days * Self.day)
        // Before anything is recorded with the wrong clock, and afterwards.
        for events in [0, 1, 3] {
            for event in 0..<events {
                try store.record(
                    EventRecord(kind: "k", message: "ahead", time: ahead.addingTimeInterval(Double(event))))
            }
            let age = try store.age(keeping: 90 * Self.day, now: ahead.addingTimeInterval(60))
            #expect(age.isJump)
            // Nine days count, and the minute that was recorded with the wrong clock.
            #expect(try store.removeRows(before: age.cutoff) == (events == 0 ? 18 : events == 1 ? 1 : 0))
            #expect(try scratch.events().count { $0.message != "ahead" } == (events == 0 ? 82 : 81))
        }
        // After the clock is corrected, the events recorded in the meantime do no harm.
        try store.record(EventRecord(kind: "k", message: "back", time: noon.addingTimeInterval(600)))
        let age = try store.age(keeping: 90 * Self.day, now: noon.addingTimeInterval(1200))
        #expect(try store.removeRows(before: age.cutoff) == 0)
    }

    @Test func clockSetBackDoesNotAgeRows() throws {
        let store = try scratch.store()
        try recordDays(80, upTo: noon, store)
        let back = noon.addingTimeInterval(-3_650 * Self.day)
        try store.record(EventRecord(kind: "k", message: "back", time: back))
        let age = try store.age(keeping: 90 * Self.day, now: back.addingTimeInterval(60))
        #expect(try store.removeRows(before: age.cutoff) == 0)
    }

    @Test func emptyDatabaseHasNoOldRows() throws {
        let age = try scratch.store().age(keeping: 1, now: noon)
        #expect(age == RowAge(cutoff: .distantPast, isJump: false))
    }
}
