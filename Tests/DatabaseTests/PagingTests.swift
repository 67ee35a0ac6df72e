import Foundation
import GRDB
import Jobs
import Database
import Testing

/// Paged lists.
@Suite(.timeLimit(.minutes(15))) struct PagingTests {
    let scratch: Scratch
    let store: StateStore

    init() throws {
        scratch = try Scratch()
        store = try scratch.store()
    }

    private func write(_ sql: String, _ arguments: StatementArguments = []) throws {
        try DatabaseQueue(path: scratch.path).write { try $0.execute(sql: sql, arguments: arguments) }
    }

    /// Records corpora. Every third is rejected, and every hundredth of the others removed.
    private func fill(_ count: Int) throws {
        try write(
            """
            WITH RECURSIVE numbers (n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM numbers WHERE n < ?)
            INSERT INTO corpora (id, sha256, name, bytes, documents, replaced_bytes, state, reason, received, removed)
            SELECT n, printf('%064d', n), n || '.txt', n, 1, 0, iif(n % 3 = 0, 'rejected', 'admitted'),
                   iif(n % 3 = 0, 'is empty', NULL), '2026-01-01T12:00:00.125Z',
                   iif(n % 3 <> 0 AND n % 100 = 0, '2026-01-01T12:00:00.125Z', NULL)
            FROM numbers
            """, [count])
    }

    private func ids(
        _ state: CorpusRecord.ListedState?, newestFirst: Bool = false, limit: Int
    ) throws -> (ids: [Int64], pages: Int) {
        var ids: [Int64] = []
        var pages = 0
        var after: Int64?
        while true {
            let page = try store.corpusPage(state: state, newestFirst: newestFirst, after: after, limit: limit)
            pages += 1
            #expect(page.rows.count == limit || page.isLast)
            ids += page.rows.map(\.key)
            if page.isLast { return (ids, pages) }
            after = page.rows.last?.key
        }
    }

    @Test func hundredThousandCorporaArePaged() throws {
        try fill(100_000)
        let all = (1...Int64(100_000))
        #expect(try ids(nil, limit: 9000) == (Array(all), 12))
        for (after, isLast) in [(nil, false), (50_000, false), (102, false), (101, true), (1, true)] as [(Int64?, Bool)]
        {
            let page = try store.corpusPage(newestFirst: true, after: after, limit: 100)
            let expected = Array(all.prefix(Int(after.map { $0 - 1 } ?? 100_000)).suffix(100).reversed())
            #expect(page.rows.map(\.key) == expected && page.isLast == isLast, "\(after ?? 0)")
        }
        let rejected = all.filter { $0 % 3 == 0 }
        let removed = all.filter { $0 % 3 != 0 && $0 % 100 == 0 }
        let second = try store.corpusPage(state: .rejected, after: 30_000, limit: 1000)
        #expect(second.rows.map(\.key) == Array(rejected[10_000..<11_000]) && !second.isLast)
        #expect(try ids(.removed, newestFirst: true, limit: 100).ids == removed.reversed())
        #expect(try ids(.duplicate, limit: 1000) == ([], 1))
        let counts = try store.corpusCounts()
        #expect(
            counts == [
                .rejected: rejected.count, .removed: removed.count,
                .admitted: 100_000 - rejected.count - removed.count,
            ])
        // Uses the index for every state, so that the cost of a page depends on its size only.
        let plan = try DatabaseQueue(path: scratch.path).read {
            try Row.fetchAll(
                $0,
                sql: """
                    EXPLAIN QUERY PLAN SELECT * FROM corpora
                    WHERE CASE WHEN removed IS NOT NULL THEN 'removed' WHEN set_aside IS NOT NULL THEN 'set_aside'
                               ELSE state END = 'removed' AND id > 5
                    ORDER BY id LIMIT 9
                    """)
        }.map { $0["detail"] as String }
        #expect(plan.count == 1 && plan[0].contains("USING INDEX corpora_listed"), "\(plan)")
    }

    @Test func longReasonIsTruncatedWhenRead() throws {
        try fill(10)
        let huge = String(repeating: "é", count: 15_000_000)
        try write("UPDATE corpora SET reason = ?, name = ? WHERE state = 'rejected'", [huge, huge])
        let page = try store.corpusPage(limit: 100)
        #expect(page.rows.count == 10)
        for (_, corpus) in page.rows {
            #expect(corpus.reason?.utf8.count ?? 0 <= 1024 && corpus.name.utf8.count <= 255)
        }
        #expect(page.rows[2].value.reason?.hasSuffix("é…") == true)
    }

    @Test func recordedTextIsBounded() throws {
        let huge = String(repeating: "long ", count: 1_000_000)
        let recorded = try #require(
            try store.record(
                CorpusRecord(
                    sha256: "", name: huge + ".csv", bytes: 1, documents: 0, state: .rejected, reason: huge,
                    received: noon)))
        #expect(recorded.reason?.utf8.count == 1024)
        #expect(recorded.name.utf8.count <= 255 && recorded.name.hasSuffix(" .csv"))
        #expect(try store.corpora() == [recorded])
        #expect(try store.ledger.contents().records.map(\.reason) == [recorded.reason])
        #expect(try Data(contentsOf: URL(filePath: store.ledger.path)).count < 2000)
        let warned = try #require(
            try store.record(
                CorpusRecord(
                    sha256: sha(1), name: "a", bytes: 1, documents: 1, state: .admitted, received: noon, encoding: huge,
                    format: huge,
                    warnings: Array(repeating: huge, count: 20))))
        #expect(warned.encoding?.utf8.count == 64 && warned.format?.utf8.count == 256)
        #expect(warned.warnings?.map(\.utf8.count) == Array(repeating: 512, count: 15) + [29])
        #expect(warned.warnings?.last == "5 more warnings are not shown")
        #expect(try store.corpora().last == warned)
        try store.save(RunRecord(id: "r", model: "a", state: .failed, reason: huge))
        #expect(try store.run("r")?.reason?.utf8.count == 1024)
        var generation = GenerationRecord(
            model: "a", number: 1, run: "r", state: .rejected, modelSha256: sha(1), parameters: 1, vocabSize: 1)
        generation.reason = huge
        try store.save(generation)
        #expect(try store.generation(1, of: "a")?.reason?.utf8.count == 1024)
    }

    /// The ledger of an older version may have lines of megabytes.
    @Test func ledgerTextIsTruncated() throws {
        let huge = String(repeating: "x", count: 15_000_000)
        let line = """
            {"bytes":1,"documents":0,"isStructured":false,"name":"\(huge)","reason":"\(huge)","received":"2026-01-01T12:00:00Z",\
            "replacedBytes":0,"sha256":"","state":"rejected"}

            """
        try Data(line.utf8).write(to: URL(filePath: store.ledger.path))
        let records = try store.ledger.contents().records
        #expect(records.map { $0.reason?.utf8.count } == [1024] && records[0].name.utf8.count <= 255)
        try store.restore(records)
        #expect(try store.corpora().map { $0.reason?.utf8.count } == [1024])
    }

    /// A database and a ledger of an older version, without the columns of warnings.
    @Test func recordsOfOlderVersionsHaveNoWarnings() throws {
        try fill(3)
        for column in ["encoding", "format", "warnings"] { try write("ALTER TABLE corpora DROP COLUMN \(column)") }
        try write("DELETE FROM grdb_migrations WHERE identifier LIKE '9 %'")
        let line = """
            {"bytes":1,"documents":0,"isStructured":false,"name":"a","reason":"b","received":"2026-01-01T12:00:00Z",\
            "replacedBytes":0,"sha256":"","state":"rejected"}

            """
        try Data(line.utf8).write(to: URL(filePath: store.ledger.path))
        let again = try scratch.store()
        let records = try again.corpora() + again.ledger.contents().records
        #expect(records.count == 4)
        #expect(records.allSatisfy { $0.encoding == nil && $0.format == nil && $0.warnings == nil })
    }

    /// A database of an older version.
    @Test func oldDatabaseIsTruncatedByMigration() throws {
        try fill(9)
        try store.save(RunRecord(id: "r", model: "a", state: .failed, reason: "why"))
        try store.record(EventRecord(kind: "problem", message: "m", time: noon))
        let huge = String(repeating: "x", count: 15_000_000)
        try write("DELETE FROM grdb_migrations WHERE identifier LIKE '7 %'")
        try write("DROP INDEX corpora_listed")
        try write("UPDATE corpora SET reason = ? WHERE state = 'rejected'", [huge])
        try write("UPDATE runs SET reason = ?", [huge])
        try write("UPDATE events SET message = ?, fields = json_object('reason', ?)", [huge, huge])
        let again = try scratch.store()
        let lengths = try DatabaseQueue(path: scratch.path).read {
            try Int.fetchAll(
                $0,
                sql: """
                    SELECT max(length(reason)) FROM corpora UNION ALL SELECT max(length(reason)) FROM runs
                    UNION ALL SELECT max(length(message)) FROM events UNION ALL SELECT max(length(fields)) FROM events
                    """)
        }
        #expect(lengths == [1024, 1024, 2048, 2])
        #expect(try again.corpora().count == 9)
    }

    @Test func runsAndGenerationsArePaged() throws {
        for number in 1...25 {
            try store.save(RunRecord(id: "run-\(number)", model: number.isMultiple(of: 5) ? "b" : "a"))
            try store.save(
                GenerationRecord(
                    model: "a", number: number, run: "run-\(number)", state: .retired, modelSha256: sha(1),
                    parameters: 1, vocabSize: 1))
        }
        func runs(_ model: String?) throws -> [[String]] {
            var pages: [[String]] = []
            var after: Int64?
            while true {
                let page = try store.runPage(model: model, after: after, limit: 10)
                pages.append(page.rows.map(\.value.id))
                // Rows recorded in the meantime are newer and do not shift the pages.
                try store.save(RunRecord(id: "new-\(UUID().uuidString)", model: "c"))
                if page.isLast { return pages }
                after = page.rows.last?.key
            }
        }
        #expect(try runs("a").map(\.count) == [10, 10])
        #expect(try runs("b") == [[25, 20, 15, 10, 5].map { "run-\($0)" }])
        var numbers: [Int] = []
        var after: Int64?
        repeat {
            let page = try store.generationPage(of: "a", after: after, limit: 7)
            numbers += page.rows.map(\.value.number)
            after = page.isLast ? nil : page.rows.last?.key
        } while after != nil
        #expect(numbers == Array((1...25).reversed()))
    }

    @Test func stepAndEvaluationPagesEndAtTheSameStep() throws {
        try store.save(RunRecord(id: "r", model: "a"))
        try store.record(
            (1...25).map { step in
                StepRecord(
                    run: "r",
                    StepMetrics(
                        step: step, epoch: 0, loss: 1, learningRate: 1, gradientNorm: 1, tokens: 1,
                        tokensPerSecond: 1), time: noon)
            })
        // More evaluations than steps, some before the first and after the last step.
        for step in 0...60 {
            try store.record(
                EvaluationRecord(
                    run: "r", step: step, loss: 1, perplexity: 1, accuracy: nil, bitsPerByte: nil, time: noon))
        }
        var (steps, evaluations): ([Int], [Int]) = ([], [])
        var after: Int?
        var pages = 0
        repeat {
            let page = try store.measurements(ofRun: "r", after: after, limit: 10)
            #expect(page.steps.count <= 10 && page.evaluations.count <= 10)
            steps += page.steps.map(\.metrics.step)
            evaluations += page.evaluations.map(\.step)
            after = page.next
            pages += 1
        } while after != nil
        #expect(steps == Array(1...25) && evaluations == Array(0...60) && pages == 7)
    }
}
