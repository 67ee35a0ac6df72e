import Foundation
import GRDB
import Jobs
import MetricsSchema
import Database
import Testing

/// The database as seen by users who query it themselves.
struct SchemaTests {
    let scratch: Scratch
    let reader: DatabaseQueue

    init() throws {
        scratch = try Scratch()
        let store = try scratch.store()
        try store.save(RunRecord(id: "a-1", model: "a"))
        try store.record(
            [1, 2, 3].map { step in
                StepRecord(
                    run: "a-1",
                    StepMetrics(
                        step: step, epoch: 0.5, loss: 4 / Double(step), learningRate: 1e-3, gradientNorm: 1,
                        tokens: 9,
                        tokensPerSecond: 100, mfu: 0.5), time: noon)
            })
        try store.record(
            EvaluationRecord(
                run: "a-1", step: 2, loss: 2.5, perplexity: 12, accuracy: 0.25, bitsPerByte: 1.5, time: noon))
        for (model, number) in [("a", 1), ("a", 3), ("b", 1), ("a", 2)] {
            try store.save(
                GenerationRecord(
                    model: model, number: number, run: "\(model)-\(number)", state: number == 2 ? .serving : .retired,
                    modelSha256: sha(number), parameters: 10, vocabSize: 5, created: noon))
        }
        reader = try DatabaseQueue(path: scratch.path)
    }

    @Test func lossCurveHasEachStepWithItsEvaluation() throws {
        let rows = try reader.read { try Row.fetchAll($0, sql: "SELECT * FROM loss_curve WHERE model = 'a'") }
        #expect(rows.map { $0["step"] as Int } == [1, 2, 3])
        #expect(rows.map { $0["loss"] as Double } == [4, 2, 4 / 3.0])
        #expect(rows.map { $0["held_out_loss"] as Double? } == [nil, 2.5, nil])
        #expect(rows.map { $0["bits_per_byte"] as Double? } == [nil, 1.5, nil])
    }

    @Test func sampleBelongsToItsEvaluation() throws {
        let store = try scratch.store()
        try store.record(TextSample(step: 2, prompt: "a", text: " b"), ofRun: "a-1")
        // There is no evaluation after this step.
        try store.record(TextSample(step: 3, prompt: "c", text: " d"), ofRun: "a-1")
        let found = try store.measurements(ofRun: "a-1", limit: 10).evaluations
        #expect(found.map(\.step) == [2] && found.map(\.prompt) == ["a"] && found.map(\.sample) == [" b"])
        // A resumed run repeats evaluations.
        try store.record(
            EvaluationRecord(
                run: "a-1", step: 2, loss: 2.5, perplexity: 12, accuracy: 0.25, bitsPerByte: 1.5, time: noon))
        #expect(try store.measurements(ofRun: "a-1", limit: 10).evaluations.map(\.sample) == [nil])
        try store.record(TextSample(step: 2, prompt: "a", text: " e"), ofRun: "a-1")
        #expect(try store.measurements(ofRun: "a-1", limit: 10).evaluations.map(\.sample) == [" e"])
    }

    @Test func latestGenerationIsTheHighestNumberOfEachModel() throws {
        let rows = try reader.read {
            try Row.fetchAll($0, sql: "SELECT * FROM latest_generation ORDER BY model")
        }
        #expect(rows.map { $0["model"] as String } == ["a", "b"])
        #expect(rows.map { $0["number"] as Int } == [3, 1])
        #expect(rows.map { $0["state"] as String } == ["retired", "retired"])
    }

    @Test func everyMeasuredFieldIsAColumn() throws {
        try reader.read { db in
            let steps = try db.columns(in: "steps").map(\.name)
            for field in StepField.allCases {
                #expect(steps.contains(field.column), "\(field.column)")
            }
            let evaluations = try db.columns(in: "evaluations").map(\.name)
            for field in EvaluationField.allCases {
                #expect(evaluations.contains(field.column), "\(field.column)")
            }
        }
    }

    /// docs/metrics.md names every table, view and column.
    @Test func everyColumnIsDocumented() throws {
        let path = URL(filePath: #filePath).deletingLastPathComponent().appending(path: "../../docs/metrics.md")
            .standardized
        let text = try String(contentsOf: path, encoding: .utf8)
        try reader.read { db in
            let names = try String.fetchAll(
                db, sql: "SELECT name FROM sqlite_master WHERE type IN ('table', 'view') AND name NOT LIKE 'grdb_%'")
            #expect(names.count == 9)
            for name in names {
                // The section of a table or view starts with its name and ends with an empty line.
                let start = try #require(
                    text.range(of: "| `\(name)` |") ?? text.range(of: "\n`\(name)`:"), "\(name) is not described")
                let part = text[start.lowerBound...].dropFirst(2)
                let end = part.range(of: "\n\n")?.lowerBound ?? part.endIndex
                for column in try db.columns(in: name) {
                    #expect(part[..<end].contains("`\(column.name)`"), "\(name).\(column.name)")
                }
            }
        }
    }
}
