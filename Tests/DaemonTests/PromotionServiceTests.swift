import Daemon
import Events
import Foundation
import Inference
import Jobs
import Kernels
import Logging
import Database
import Settings
import Testing

/// Imports, with a shell script in place of `kantaibert-train evaluate`.
@Suite(.timeLimit(.minutes(15))) final class PromotionServiceTests {
    private let models: ServingTests.Models
    private let metrics: StateStore
    private let hub = EventHub()
    private let registry: ModelRegistry
    private var directory: StateDirectory { models.directory }

    init() throws {
        // The generation becomes the import; nothing serves.
        models = try ServingTests.Models(generations: 1, of: "m", objective: .mlm)
        let directory = models.directory
        try FileManager.default.removeItem(atPath: directory.current(of: "m"))
        try FileManager.default.moveItem(atPath: directory.generation(1, of: "m"), toPath: directory.root + "/import")
        metrics = try StateStore(path: directory.metrics)
        registry = ModelRegistry(
            directory: directory, rates: InstructionRates(float32: 175, bfloat16: 86, int8: 737))
    }

    /// Records a run whose job defines the held-out text.
    private func addRun() throws {
        let corpus = directory.root + "/corpus.txt"
        try Data("text".utf8).write(to: URL(filePath: corpus))
        let job = Job(
            run: "m-1", model: "m", generation: 1, objective: .mlm, architecture: Preset.tiny.architecture,
            recipe: RecipeName.default.recipe(for: .mlm),
            corpora: [JobCorpus(sha256: String(repeating: "0", count: 64), name: "x", path: corpus, bytes: 4)],
            samples: .lines, filters: [], tokenizer: nil, wordCountsDirectory: nil, runDirectory: directory.run("m-1"),
            outputDirectory: directory.generation(1, of: "m"))
        try FileManager.default.createDirectory(atPath: directory.run("m-1"), withIntermediateDirectories: true)
        try JobCoding.encode(job).write(to: URL(filePath: directory.job(of: "m-1")))
        try metrics.save(RunRecord(id: "m-1", model: "m", state: .failed, reason: "no room"))
    }

    /// - Parameter members: the result that the program reports for the model directory, as members of a JSON object
    private func service(reporting members: String) throws -> PromotionService {
        try service(
            running: """
                echo "{\\"kind\\":\\"judged\\",\\"time\\":\\"2026-01-01T00:00:00.000Z\\",\\"directory\\":\\"$3\\",\(members)}"
                """)
    }

    /// - Parameter script: what the program does to evaluate
    private func service(running script: String) throws -> PromotionService {
        let program = try ScriptedProgram.write(
            """
            #!/bin/sh
            [ "$1" = evaluate ] || exit 64
            \(script)
            """, in: directory.root)
        var settings = Settings.builtIn
        settings.models = [ModelSettings(name: "m", objective: .mlm)]
        let journal = EventJournal(hub: hub, metrics: metrics, logger: Logger(label: "test"))
        return PromotionService(
            settings: ReloadableSettings(settings), directory: directory, metrics: metrics, journal: journal,
            registry: registry, program: program)
    }

    private static let evaluation =
        #"\"evaluation\":{\"step\":1,\"loss\":2,\"perplexity\":7.4,\"accuracy\":0.5,\"bits_per_byte\":1.25},"#
    private static let amount = #"\"samples\":3,\"bytes\":100,\"seconds\":0.5"#

    @Test func importIsEvaluatedOnHeldOutTextWhenNoGenerationServes() async throws {
        try addRun()
        let events = hub.watch()
        let adopted = try await service(reporting: Self.evaluation + Self.amount).adopt(
            directory.root + "/import", as: "m")
        #expect(adopted.number == 1 && adopted.state == .candidate)
        for await event in events where event.kind == .generationServes { break }
        #expect(directory.currentGeneration(of: "m") == 1)
        #expect(await registry.model("m")?.generation == 1)
        let record = try #require(try metrics.generation(1, of: "m"))
        #expect(record.state == .serving && record.judgedBitsPerByte == 1.25 && record.incumbent == nil)
    }

    private static let measurements: [(int8: Double?, precision: WeightPrecision)] = [
        (2.001, .int8), (2.1, .bfloat16), (nil, .bfloat16),
    ]

    /// A generation is served in the precision that its evaluation measured to be good enough. Without a measurement, that
    /// is never int8.
    @Test(arguments: measurements)
    func evaluationChoosesThePrecision(int8: Double?, precision: WeightPrecision) async throws {
        try addRun()
        let events = hub.watch()
        let measured = int8.map { int8 in
            """
            echo "{\\"kind\\":\\"precisions_measured\\",\\"time\\":\\"2026-01-01T00:00:00.000Z\\",\\"directory\\":\\"$3\\",\
            \\"precisions\\":{\\"float32\\":2,\\"bfloat16\\":2,\\"int8\\":\(int8)},\\"scored_tokens\\":9,\\"seconds\\":1}"
            """
        }
        let judged =
            #"echo "{\"kind\":\"judged\",\"time\":\"2026-01-01T00:00:00.000Z\",\"directory\":\"$3\","#
            + Self.evaluation + Self.amount + #"}""#
        _ = try await service(running: judged + "\n" + (measured ?? "")).adopt(directory.root + "/import", as: "m")
        for await event in events where event.kind == .generationServes { break }
        let serving = try #require(await registry.model("m"))
        #expect(serving.engine.precision == precision && serving.precision.precision == precision)
        let message = serving.event(run: nil).message
        #expect(message.contains("weights in \(precision.rawValue): \(serving.precision.reason)"), "\(message)")
        let record = try #require(try metrics.generation(1, of: "m"))
        #expect(record.state == .serving && record.int8BitsPerByte == int8)
        #expect(record.float32BitsPerByte == int8.map { _ in 2 } && record.judgedBitsPerByte == 1.25)
        let folder = directory.generation(1, of: "m")
        #expect(MeasuredPrecisions.read(directory: folder)?.int8 == int8)
        #expect(FileManager.default.fileExists(atPath: "\(folder)/.packed-\(precision.rawValue)"))
    }

    @Test func importWithUnusableAnswersDoesNotServeWhenNoGenerationServes() async throws {
        try addRun()
        let events = hub.watch()
        let failureReason = #"\"failure_reason\":\"the loss is not finite\","#
        _ = try await service(reporting: failureReason + Self.amount).adopt(directory.root + "/import", as: "m")
        for await event in events where event.kind == .generationDamaged { break }
        #expect(directory.currentGeneration(of: "m") == nil)
        #expect(await registry.model("m") == nil)
        let record = try #require(try metrics.generation(1, of: "m"))
        #expect(record.state == .rejected && record.reason == "the loss is not finite")
    }

    /// The state of a service that is stopping must not be used by a process that it no longer waits for.
    @Test func finishWaitsForInterruptedEvaluations() async throws {
        try addRun()
        let root = directory.root
        // Takes a moment to exit after it was asked to.
        let service = try service(
            running: """
                touch "\(root)/started"
                # The end of standard input asks the program to stop.
                cat > /dev/null
                sleep 0.3
                touch "\(root)/exited"
                """)
        _ = try await service.adopt(root + "/import", as: "m")
        while !FileManager.default.fileExists(atPath: root + "/started") { try await Task.sleep(for: .milliseconds(5)) }
        service.stop()
        await service.finish()
        #expect(FileManager.default.fileExists(atPath: root + "/exited"))
        #expect(try metrics.generation(1, of: "m")?.state == .candidate)
    }

    @Test func failedImportLeavesNoGeneration() async throws {
        try Data("{}".utf8).write(to: URL(filePath: directory.root + "/import/config.json"))
        await #expect(throws: (any Error).self) {
            _ = try await service(reporting: Self.amount).adopt(directory.root + "/import", as: "m")
        }
        #expect(directory.generations(of: "m").isEmpty)
        #expect(try metrics.generations(of: "m").isEmpty)
        #expect(await registry.model("m") == nil)
    }

    @Test func importServesAtOnceWhenThereIsNoHeldOutText() async throws {
        let adopted = try await service(reporting: Self.amount).adopt(directory.root + "/import", as: "m")
        #expect(adopted.number == 1 && adopted.state == .serving)
        #expect(directory.currentGeneration(of: "m") == 1)
    }
}
