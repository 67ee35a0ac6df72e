import FoundationEssentials
import Jobs
import Database
import GRDB
import Testing

/// A database for one test, removed at its end.
final class Scratch: Sendable {
    let folder: String
    var path: String { "\(folder)/metrics.db" }

    init() throws {
        folder = FileManager.default.temporaryDirectory.appending(path: "metrics-\(UUID().uuidString)").path()
        try FileManager.default.createDirectory(atPath: folder, withIntermediateDirectories: true)
    }

    func store() throws -> StateStore { try StateStore(path: path) }

    /// The recorded events, which the service itself never reads back, in their order.
    func events() throws -> [EventRecord] {
        try DatabaseQueue(path: path).read { db in try EventRecord.order(Column("id")).fetchAll(db) }
    }

    deinit { try? FileManager.default.removeItem(atPath: folder) }
}

func sha(_ digit: Int) -> String { String(repeating: "\(digit)", count: 64) }

/// Times are stored with millisecond resolution.
let noon = Date(timeIntervalSince1970: 1_767_268_800.125)

struct StateStoreTests {
    let scratch: Scratch

    init() throws { scratch = try Scratch() }

    @Test func databaseCanBeReopened() throws {
        try scratch.store().save(RunRecord(id: "a-1", model: "a", started: noon))
        #expect(try scratch.store().run("a-1") == RunRecord(id: "a-1", model: "a", started: noon))
        #expect(try scratch.store().run("a-2") == nil)
    }

    /// The changes are in the log until it is copied into the database.
    @Test func checkpointMakesACopyOfTheFileComplete() throws {
        let store = try scratch.store()
        func copied() throws -> StateStore {
            let path = scratch.folder + "/copy-\(UUID().uuidString).db"
            try FileManager.default.copyItem(atPath: scratch.path, toPath: path)
            return try StateStore(path: path)
        }
        try store.save(RunRecord(id: "a-1", model: "a", started: noon))
        #expect(try copied().run("a-1") == nil)
        try store.checkpoint()
        #expect(try copied().run("a-1")?.model == "a")
        try store.save(RunRecord(id: "a-2", model: "a", started: noon))
        try store.close()
        #expect(try copied().run("a-2")?.model == "a")
        let log = try? FileManager.default.attributesOfItem(atPath: scratch.path + "-wal")[.size] as? Int
        #expect(log ?? 0 == 0)
        #expect(throws: MetricsError.self) { try store.run("a-2") }
    }

    /// Otherwise a copy of a new database would have no tables.
    @Test func newDatabaseHasItsTablesWithoutTheLog() throws {
        let store = try scratch.store()
        try FileManager.default.copyItem(atPath: scratch.path, toPath: scratch.folder + "/copy.db")
        try withExtendedLifetime(store) {
            let count = try DatabaseQueue(path: scratch.folder + "/copy.db").read { db in
                try Int.fetchOne(db, sql: "SELECT count(*) FROM runs")
            }
            #expect(count == 0)
        }
    }

    @Test func fileThatIsNotADatabaseIsRefused() throws {
        try Data(repeating: 7, count: 10_000).write(to: URL(filePath: scratch.path))
        let error = #expect(throws: MetricsError.self) { try scratch.store() }
        #expect(error?.path == scratch.path)
        #expect(error?.description.contains("file is not a database (the file is damaged: move it") == true)
        #expect(FileManager.default.contents(atPath: scratch.path)?.count == 10_000, "the file is unchanged")
    }

    @Test func missingDirectoryIsNamed() throws {
        let error = #expect(throws: MetricsError.self) { try StateStore(path: "\(scratch.folder)/none/metrics.db") }
        #expect(error?.description.contains("\(scratch.folder)/none/metrics.db") == true)
    }

    @Test func runsAreListedNewestFirst() throws {
        let store = try scratch.store()
        for number in 1...4 {
            try store.save(RunRecord(id: "run-\(number)", model: number.isMultiple(of: 2) ? "b" : "a"))
        }
        var run = try #require(try store.run("run-1"))
        run.state = .finished
        run.loss = 4.25
        run.generation = 1
        run.finished = noon
        try store.save(run)
        #expect(try store.run("run-1") == run)
        #expect(
            try store.runs().map(\.id) == ["run-4", "run-3", "run-2", "run-1"],
            "updating a run does not change its position")
        #expect(try store.runs(model: "a").map(\.id) == ["run-3", "run-1"])
        #expect(try store.runs(limit: 2).map(\.id) == ["run-4", "run-3"])
        #expect(try store.runs(limit: 0).isEmpty)
        #expect(try store.runs(states: [.finished, .failed]).map(\.id) == ["run-1"])
        #expect(try store.runs(model: "b", states: [.finished]).isEmpty)
    }

    @Test func repeatedStepsReplaceEarlierOnes() throws {
        let store = try scratch.store()
        try store.save(RunRecord(id: "r", model: "a"))
        func step(_ step: Int, loss: Double) -> StepRecord {
            StepRecord(
                run: "r",
                StepMetrics(
                    step: step, epoch: 0.5, loss: loss, learningRate: 1e-3, gradientNorm: 0.75, tokens: 100,
                    tokensPerSecond: 1234.5), time: noon)
        }
        try store.record([step(1, loss: 5), step(2, loss: 4), step(3, loss: 3)])
        try store.record([step(2, loss: 4.5)])
        #expect(
            try store.measurements(ofRun: "r", limit: 9).steps == [
                step(1, loss: 5), step(2, loss: 4.5), step(3, loss: 3),
            ])
        #expect(try store.measurements(ofRun: "r", after: 2, limit: 9).steps == [step(3, loss: 3)])
        #expect(try store.measurements(ofRun: "other", limit: 9).steps.isEmpty)

        func evaluation(_ loss: Double, accuracy: Double?) -> EvaluationRecord {
            EvaluationRecord(
                run: "r", step: 2, loss: loss, perplexity: 9, accuracy: accuracy, bitsPerByte: nil, time: noon)
        }
        try store.record(evaluation(4, accuracy: nil))
        try store.record(evaluation(3, accuracy: 0.5))
        #expect(try store.measurements(ofRun: "r", limit: 9).evaluations == [evaluation(3, accuracy: 0.5)])
        #expect(try store.measurements(ofRun: "r", after: 2, limit: 9).evaluations.isEmpty)
    }

    /// The schema's constraints reject invalid rows, and the transaction is rolled back.
    @Test func schemaRejectsInvalidRows() throws {
        let store = try scratch.store()
        try store.save(RunRecord(id: "r", model: "a"))
        func step(run: String = "r", step: Int = 1, loss: Double = 1) -> StepRecord {
            StepRecord(
                run: run,
                StepMetrics(
                    step: step, epoch: 0, loss: loss, learningRate: 0, gradientNorm: 0, tokens: 1,
                    tokensPerSecond: 0))
        }
        #expect(throws: MetricsError.self) { try store.record([step(), step(run: "no such run")]) }
        #expect(throws: MetricsError.self) { try store.record([step(), step(loss: .nan)]) }
        #expect(throws: MetricsError.self) { try store.record([step(), step(step: -1)]) }
        #expect(try store.measurements(ofRun: "r", limit: 9).steps.isEmpty)
        #expect(throws: MetricsError.self) {
            try store.record(
                EvaluationRecord(run: "r", step: 1, loss: 1, perplexity: 1, accuracy: 1.5, bitsPerByte: nil))
        }
        #expect(throws: MetricsError.self) {
            try store.record(CorpusRecord(sha256: "abc", name: "a.txt", bytes: 1, documents: 1, state: .admitted))
        }
        #expect(throws: MetricsError.self) {
            try store.record(CorpusRecord(sha256: "", name: "a.txt", bytes: 1, documents: 0, state: .rejected))
        }
        #expect(throws: MetricsError.self) { try store.record(EventRecord(kind: "k", message: "m", fields: "{")) }
        #expect(throws: MetricsError.self) {
            try store.save(RunRecord(id: "x", model: "a"), corpora: [sha(1), sha(1)])
        }
        #expect(try store.run("x") == nil)
    }

    @Test func onlyOneGenerationServes() throws {
        let store = try scratch.store()
        func generation(_ number: Int, _ state: GenerationRecord.State, of model: String = "a") -> GenerationRecord {
            GenerationRecord(
                model: model, number: number, run: "r", state: state, modelSha256: sha(number), parameters: 100,
                vocabSize: 512, evaluationLoss: 4, bitsPerByte: 1.5, created: noon)
        }
        #expect(try store.generations(of: "a") == [])
        try store.save(generation(1, .serving))
        try store.save(generation(1, .serving, of: "b"))
        try store.save(generation(2, .candidate))
        #expect(try store.generations(of: "a") == [generation(2, .candidate), generation(1, .serving)])
        try store.save(generation(2, .serving))
        try store.save(generation(2, .serving))
        #expect(try store.generations(of: "a") == [generation(2, .serving), generation(1, .retired)])
        #expect(try store.generations(of: "b") == [generation(1, .serving, of: "b")])
        #expect(try store.generation(1, of: "a") == generation(1, .retired))
        #expect(try store.generation(3, of: "a") == nil)
    }

    @Test func eventsKeepTheirOrder() throws {
        let store = try scratch.store()
        for number in 1...4 {
            try store.record(
                EventRecord(
                    kind: "step", message: "step \(number)", run: number == 2 ? "r" : nil,
                    fields: #"{"step":\#(number)}"#, time: noon))
        }
        let events = try scratch.events()
        #expect(events.map(\.message) == (1...4).map { "step \($0)" })
        #expect(events.map(\.run) == [nil, "r", nil, nil])
        #expect(events[1].fields == #"{"step":2}"#)
        #expect(events[1].time == noon)
    }

    @Test func readersAndWriterDoNotBlockEachOther() async throws {
        let store = try scratch.store()
        try store.save(RunRecord(id: "r", model: "a"))
        try await withThrowingTaskGroup(of: Void.self) { group in
            for _ in 0..<3 {
                group.addTask { for _ in 0..<50 { _ = try store.measurements(ofRun: "r", limit: 300) } }
            }
            group.addTask {
                for step in 0..<200 {
                    try store.record([
                        StepRecord(
                            run: "r",
                            StepMetrics(
                                step: step, epoch: 0, loss: 1, learningRate: 0, gradientNorm: 0, tokens: 1,
                                tokensPerSecond: 0))
                    ])
                }
            }
            try await group.waitForAll()
        }
        #expect(try store.measurements(ofRun: "r", limit: 300).steps.count == 200)
    }

    @Test func updateKeepsTheCreationTime() throws {
        let store = try scratch.store()
        func record(_ state: GenerationRecord.State, _ digit: Int = 1, at time: Date) -> GenerationRecord {
            GenerationRecord(
                model: "a", number: 1, run: "a-1", state: state, modelSha256: sha(digit), parameters: 1, vocabSize: 1,
                created: time)
        }
        try store.save(record(.candidate, at: noon))
        try store.save(record(.serving, at: noon.addingTimeInterval(3600)))
        let promoted = try #require(try store.generation(1, of: "a"))
        #expect(promoted.created == noon && promoted.state == .serving)
        // A different model with the same number has its own time.
        try store.save(record(.serving, 2, at: noon.addingTimeInterval(7200)))
        #expect(try store.generation(1, of: "a")?.created == noon.addingTimeInterval(7200))
    }

    @Test func candidatesAreWithdrawnExceptForOne() throws {
        let store = try scratch.store()
        for (number, state) in [(1, .serving), (2, .candidate), (3, .rejected), (4, .candidate), (5, .candidate)]
            as [(Int, GenerationRecord.State)]
        {
            try store.save(
                GenerationRecord(
                    model: "a", number: number, run: "", state: state, modelSha256: sha(number), parameters: 1,
                    vocabSize: 1, created: noon))
        }
        let withdrawn = try store.withdrawCandidates(of: "a", but: 4, because: "by hand")
        #expect(withdrawn.map(\.number) == [2, 5] && withdrawn.allSatisfy { $0.state == .candidate })
        #expect(
            try store.generations(of: "a").map(\.state) == [.rejected, .candidate, .rejected, .rejected, .serving])
        #expect(try store.generation(5, of: "a")?.reason == "by hand")
        #expect(try store.generation(3, of: "a")?.reason == nil)
        #expect(try store.withdrawCandidates(of: "b", but: 1, because: "by hand").isEmpty)
    }
}
