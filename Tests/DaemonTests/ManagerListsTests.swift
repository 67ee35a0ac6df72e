import Daemon
import Events
import FoundationEssentials
import Inference
import Interface
import Jobs
import Kernels
import MetricsSchema
import Database
import Testing
import Varlink

/// The size of replies with lists is bounded, regardless of the records.
@Suite(.timeLimit(.minutes(15))) final class ManagerListsTests {
    private let folder = FileManager.default.temporaryDirectory.appending(path: "lists-\(UUID().uuidString)").path()
    private let store: StateStore

    init() throws {
        try FileManager.default.createDirectory(atPath: folder, withIntermediateDirectories: true)
        store = try StateStore(path: "\(folder)/metrics.db")
    }

    deinit { try? FileManager.default.removeItem(atPath: folder) }

    private func lists(models: [String] = ["kantaibert"]) -> ManagerLists { .init(metrics: store, models: models) }

    private func bytes(_ reply: some Encodable) throws -> Int { try JSONEncoder().encode(reply).count }

    /// Records corpora with names and reasons of the maximum length.
    private func fill(_ count: Int) throws {
        let long = String(repeating: "long ", count: 10_000)
        try store.restore(
            (1...count).map { number in
                CorpusRecord(
                    sha256: "", name: "\(number)-\(long)", bytes: number, documents: 0, state: .rejected, reason: long)
            })
    }

    @Test func replySizeIsBounded() throws {
        try fill(3000)
        var (numbers, pages): ([Int], Int) = ([], 0)
        var parameters: ManagerInterface.ListCorpora.Parameters? = .init()
        while let asked = parameters {
            let reply = try lists().corpora(asked)
            #expect(try bytes(reply) < ManagerLists.pageBytes * 3 / 2)
            #expect(reply.corpora.count <= 1000 && (reply.corpora.count > 400 || reply.next == nil))
            #expect(
                (reply.counts == .init(admitted: 0, duplicate: 0, rejected: 3000, removed: 0, setAside: 0))
                    == (pages == 0))
            numbers += reply.corpora.map(\.bytes)
            pages += 1
            parameters = ManagerInterface.ListCorpora.next(after: reply, of: asked)
        }
        #expect(numbers == Array(1...3000))
        #expect(pages >= 4)
        // Each row contains the names of all models.
        let models = (0..<500).map { "model-\($0)-\(String(repeating: "x", count: 100))" }
        try store.restore(
            (0..<100).map { number in
                CorpusRecord(
                    sha256: String(repeating: "0", count: 60) + "\(1000 + number)", name: "a", bytes: 1, documents: 1,
                    state: .admitted)
            })
        let reply = try lists(models: models).corpora(.init(state: "admitted"))
        #expect(try bytes(reply) < ManagerLists.pageBytes * 3 / 2 && reply.corpora.count < 100 && reply.next != nil)
    }

    @Test func replyHasEncodingFormatAndWarnings() throws {
        let warning = "3 bytes are not UTF-8 and were replaced"
        try store.restore([
            CorpusRecord(
                sha256: String(repeating: "1", count: 64), name: "a.html", bytes: 1, documents: 1, state: .admitted,
                encoding: "windows-1252", format: "HTML", warnings: [warning]),
            CorpusRecord(
                sha256: String(repeating: "2", count: 64), name: "b", bytes: 1, documents: 1, state: .admitted),
        ])
        let corpora = try lists().corpora(.init()).corpora
        #expect(corpora.map(\.encoding) == ["windows-1252", nil])
        #expect(corpora.map(\.format) == ["HTML", nil])
        #expect(corpora.map(\.warnings) == [[warning], nil])
    }

    @Test func warningsCountTowardsTheSizeOfAPage() throws {
        let long = String(repeating: "long ", count: 10_000)
        try store.restore(
            (1...500).map { number in
                CorpusRecord(
                    sha256: String(repeating: "0", count: 60) + "\(1000 + number)", name: "a", bytes: number,
                    documents: 1, state: .admitted, encoding: long, format: long,
                    warnings: Array(repeating: long, count: 20))
            })
        var (numbers, pages): ([Int], Int) = ([], 0)
        var parameters: ManagerInterface.ListCorpora.Parameters? = .init()
        while let asked = parameters {
            let reply = try lists().corpora(asked)
            #expect(try bytes(reply) < ManagerLists.pageBytes * 3 / 2)
            numbers += reply.corpora.map(\.bytes)
            pages += 1
            parameters = ManagerInterface.ListCorpora.next(after: reply, of: asked)
        }
        #expect(numbers == Array(1...500))
        #expect(pages >= 4)
    }

    @Test func callWithoutPagingReturnsTheFirstPage() throws {
        try fill(1200)
        let asked = try JSONDecoder().decode(ManagerInterface.ListCorpora.Parameters.self, from: Data("{}".utf8))
        let reply = try lists().corpora(asked)
        #expect(reply.corpora.first?.bytes == 1 && reply.next == "\(reply.corpora.count)")
        let newest = try lists().corpora(.init(limit: 1, newestFirst: true))
        #expect(newest.corpora.map(\.bytes) == [1200] && newest.next == "1200")
        #expect(try lists().corpora(.init(limit: .max)).corpora.count <= 1000)
        let none = try lists().corpora(.init(limit: 0))
        #expect(none.corpora.isEmpty && none.next == nil && none.counts?.rejected == 1200)
    }

    @Test func invalidParameterIsNamed() throws {
        try store.save(RunRecord(id: "r", model: "a"))
        func parameter(_ body: () throws -> Void) -> String? {
            do {
                try body()
                return nil
            } catch VarlinkServiceError.invalidParameter(let parameter) {
                return parameter
            } catch {
                return "\(error)"
            }
        }
        #expect(parameter { _ = try lists().corpora(.init(state: "other")) } == "state")
        #expect(parameter { _ = try lists().corpora(.init(limit: -1)) } == "limit")
        #expect(parameter { _ = try lists().corpora(.init(after: "1 OR 1")) } == "after")
        #expect(parameter { _ = try lists().runs(.init(after: "99999999999999999999"), current: nil) } == "after")
        #expect(parameter { _ = try lists().measurements(.init(run: "r", limit: -1)) } == "limit")
        for key in ["\(Int64.min)", "\(Int64.max)", "-1"] {
            _ = try lists().corpora(.init(after: key))
            _ = try lists().corpora(.init(after: key, newestFirst: true))
            _ = try lists().runs(.init(after: key), current: nil)
            _ = try lists().generations(.init(model: "a", after: key)) { _ in PrecisionChoice(.float32, reason: "") }
        }
        for step in [Int.min, .max] { _ = try lists().measurements(.init(run: "r", afterStep: step)) }
    }

    @Test func generationsHaveTheirPrecisionAndItsFigures() throws {
        for number in 1...2 {
            try store.save(
                GenerationRecord(
                    model: "a", number: number, run: "", state: .candidate,
                    modelSha256: String(repeating: "a", count: 64), parameters: 1, vocabSize: 1))
        }
        try store.save(
            MeasuredPrecisions(float32: 2, bfloat16: nil, int8: 2.5), ofGeneration: 2, of: "a")
        let listed = try lists().generations(.init(model: "a")) { record in
            PrecisionChoice(record.number == 2 ? .bfloat16 : .float32, reason: "number \(record.number)")
        }.generations
        #expect(listed.map(\.number) == [2, 1])
        #expect(listed.map(\.precision) == ["bfloat16", "float32"])
        #expect(listed.map(\.precisionReason) == ["number 2", "number 1"])
        #expect(listed.map(\.float32BitsPerByte) == [2, nil] && listed.map(\.int8BitsPerByte) == [2.5, nil])
        #expect(listed.allSatisfy { $0.bfloat16BitsPerByte == nil })
    }

    @Test func runPagesIncludeTheActiveRun() throws {
        for number in 1...30 { try store.save(RunRecord(id: "run-\(number)", model: "a", state: .running)) }
        var current = RunRecord(id: "run-29", model: "a", state: .running)
        current.step = 77
        let first = try lists().runs(.init(limit: 20), current: current)
        #expect(first.runs.map(\.id) == (11...30).reversed().map { "run-\($0)" } && first.runs[1].step == 77)
        let second = try lists().runs(.init(limit: 20, after: first.next), current: current)
        #expect(second.runs.count == 10 && second.next == nil)
    }

    @Test func stepsArePaged() throws {
        try store.save(RunRecord(id: "r", model: "a"))
        try store.record(
            (1...9000).map {
                StepRecord(
                    run: "r",
                    StepMetrics(
                        step: $0, epoch: 1.234567, loss: 5.4321, learningRate: 1e-4, gradientNorm: 0.98765,
                        tokens: 12345, tokensPerSecond: 1812.4, mfu: 0.51234))
            })
        var counts: [Int] = []
        var parameters: ManagerInterface.GetMetrics.Parameters? = .init(run: "r")
        while let asked = parameters {
            let reply = try lists().measurements(asked)
            #expect(try bytes(reply) < ManagerLists.pageBytes)
            counts.append(reply.steps.count)
            parameters = ManagerInterface.GetMetrics.next(after: reply, of: asked)
        }
        #expect(counts == [4000, 4000, 1000])
    }

    @Test func samplesCountTowardsTheSizeOfAPage() throws {
        try store.save(RunRecord(id: "r", model: "a"))
        let long = String(repeating: "\u{1B}\"\\", count: 10_000)
        for step in 1...1000 {
            try store.record(
                EvaluationRecord(
                    run: "r", step: step, loss: 1, perplexity: 1, accuracy: nil, bitsPerByte: nil, prompt: long,
                    sample: long))
        }
        var steps: [Int] = []
        var parameters: ManagerInterface.GetMetrics.Parameters? = .init(run: "r")
        while let asked = parameters {
            let reply = try lists().measurements(asked)
            #expect(try bytes(reply) < ManagerLists.pageBytes * 3 / 2)
            steps += reply.evaluations.map(\.step)
            for sample in reply.evaluations.map(\.sample) {
                #expect(
                    sample?.text.utf8.count ?? 0 <= TextSample.longestText && sample?.text.contains("\u{1B}") == false)
            }
            parameters = ManagerInterface.GetMetrics.next(after: reply, of: asked)
        }
        #expect(steps == Array(1...1000))
    }

    /// The Varlink interface declares its own types. This fails if they lack a field of the schema.
    @Test func everyMeasuredFieldIsInTheReply() throws {
        func members<Field: MetricField>(_ fields: Field.Type) -> [String: JSONValue] {
            // Distinct values; an accuracy is at most 1.
            Dictionary(
                uniqueKeysWithValues: Field.allCases.enumerated().map { index, field in
                    (field.column, field.isInteger ? .int(index + 5) : .double(Double(index) / 16 + 0.03125))
                })
        }
        func decode<Value: Decodable>(_ type: Value.Type, _ members: [String: JSONValue]) throws -> Value {
            try JobCoding.decode(Value.self, from: JSONEncoder().encode(members))
        }
        try store.save(RunRecord(id: "r", model: "a"))
        let (step, evaluation) = (members(StepField.self), members(EvaluationField.self))
        try store.record([StepRecord(run: "r", try decode(StepMetrics.self, step))])
        try store.record(EvaluationRecord(run: "r", try decode(RunEvent.Evaluation.self, evaluation)))
        let reply = try JSONDecoder().decode(
            JSONValue.self, from: JSONEncoder().encode(try lists().measurements(.init(run: "r"))))
        for (list, expected) in [("steps", step), ("evaluations", evaluation)] {
            guard case .array(let rows)? = reply[list], rows.count == 1 else {
                Issue.record("\(list): \(reply)")
                continue
            }
            for (name, value) in expected { #expect(rows[0][name] == value, "\(list): \(name)") }
        }
    }

    @Test func eventSizeIsBounded() throws {
        let long = String(repeating: "é", count: 15_000_000)
        let event = ServiceEvent(
            .corpusRejected, long,
            fields: [
                "name": .string(long), "reason": .string(long), "bytes": 5,
                "more": .array(Array(repeating: .string(long), count: 1000)),
                "object": .object(["a": .string(long), "b": .object(["c": .string(long)])]),
            ])
        #expect(event.message.utf8.count <= ServiceEvent.longestMessage && event.message.hasSuffix("é…"))
        #expect(event.fields["bytes"] == 5 && event.fields["name"] != nil)
        #expect(try bytes(JSONValue.object(event.fields)) <= ServiceEvent.mostFieldBytes + 512)
        let small: [String: JSONValue] = ["name": "a.txt", "reason": "is empty", "bytes": 0, "list": .array([1, nil])]
        #expect(ServiceEvent(.problem, "m", fields: small).fields == small)
    }
}
