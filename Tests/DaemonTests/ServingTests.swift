import Daemon
import Foundation
import Inference
import Interface
import Jobs
import Kernels
import Logging
import Models
import Settings
import Synchronization
import TestSupport
import Testing
import Tokenizers
import Varlink
import VarlinkServer

/// Replacement of generations, and overload.
@Suite(.timeLimit(.minutes(15))) struct ServingTests {
    /// A state directory with generations of tiny, untrained models that differ from one another.
    final class Models: Sendable {
        let directory = StateDirectory(root: "/tmp/serving-\(UUID().uuidString)")

        init(generations: Int, of model: String, objective: Objective) throws {
            let tokenizer = try BPETrainer(vocabularySize: BPETrainer.smallestVocabulary, minFrequency: 1).train()
            for number in 1...max(generations, 1) where generations > 0 {
                let folder = directory.generation(number, of: model)
                try FileManager.default.createDirectory(atPath: folder, withIntermediateDirectories: true)
                let configuration = RobertaConfiguration(
                    vocabSize: tokenizer.vocabularySize, hiddenSize: 32, numHiddenLayers: 2, numAttentionHeads: 4,
                    intermediateSize: 64, maxPositionEmbeddings: 130, isDecoder: objective == .clm)
                try ModelDirectory.write(
                    RobertaModel.initialized(configuration: configuration, seed: UInt64(number)), to: folder)
                try tokenizer.save(directory: folder, modelMaxLength: 128)
            }
            guard generations > 0 else { return }
            try FileManager.default.createSymbolicLink(
                atPath: directory.current(of: model), withDestinationPath: "1")
        }

        deinit { try? FileManager.default.removeItem(atPath: directory.root) }
    }

    let sampling = SamplingOptions(maxNewTokens: 40, temperature: 1, seed: 7)

    @Test func requestFinishesOnTheGenerationItStartedWith() async throws {
        let models = try Models(generations: 2, of: "m", objective: .clm)
        let registry = ModelRegistry(directory: models.directory)
        var first = try #require(try await registry.loadCurrent("m")).engine as InferenceEngine?
        let expected = try await first!.generate("Reason", sampling: sampling)
        let promoted = Mutex(false)
        let found = try await first!.generate("Reason", sampling: sampling) { _ in
            let isFirst = promoted.withLock { promoted in
                defer { promoted = true }
                return !promoted
            }
            guard isFirst else { return }
            let second = try await registry.promote("m", to: 2)
            #expect(second?.generation == 2)
        }
        #expect(promoted.withLock { $0 })
        #expect(found == expected)

        let second = try #require(await registry.model("m"))
        #expect(second.generation == 2)
        let other = try await second.engine.generate("Reason", sampling: sampling)
        #expect(other.text != expected.text)
        #expect(second.engine.modelSHA256 != first!.modelSHA256)
        // The request held the last reference to the first engine.
        weak let old = first
        first = nil
        #expect(old == nil)
    }

    @Test func failedLoadKeepsTheServingGeneration() async throws {
        let models = try Models(generations: 2, of: "m", objective: .clm)
        let registry = ModelRegistry(directory: models.directory)
        _ = try await registry.loadCurrent("m")
        let path = models.directory.generation(2, of: "m") + "/model.safetensors"
        let handle = try FileHandle(forWritingTo: URL(filePath: path))
        try handle.truncate(atOffset: 10_000)
        try handle.close()
        await #expect {
            try await registry.promote("m", to: 2)
        } throws: { error in
            guard case .load(path, _) = error as? InferenceError else { return false }
            return true
        }
        #expect(await registry.model("m")?.generation == 1)
        #expect(models.directory.currentGeneration(of: "m") == 1)
    }

    @Test(arguments: ServingPrecision.allCases)
    func precisionFollowsTheSettings(precision: ServingPrecision) async throws {
        let models = try Models(generations: 1, of: "m", objective: .mlm)
        let folder = models.directory.generation(1, of: "m")
        try MeasuredPrecisions(float32: 2, bfloat16: 2, int8: 2).write(directory: folder)
        let registry = ModelRegistry(
            directory: models.directory, precision: precision,
            rates: InstructionRates(float32: 175, bfloat16: 86, int8: 737))
        let serving = try #require(try await registry.loadCurrent("m"))
        let engine = serving.engine
        // int8 is the fastest and loses nothing.
        let expected = WeightPrecision(rawValue: precision.rawValue) ?? .int8
        #expect(engine.precision == expected && serving.precision.precision == expected)
        #expect((serving.precision.reason == "set by serving.precision") == (precision != .auto))
        let packed = models.directory.generation(1, of: "m") + "/.packed-" + engine.precision.rawValue
        #expect(FileManager.default.fileExists(atPath: packed))
    }

    @Test func overloadErrorSaysWhenToRetry() async throws {
        let models = try Models(generations: 0, of: "m", objective: .mlm)
        // A request is in progress until the service has explained why a model has no generation.
        let (asked, asks) = AsyncStream.makeStream(of: Void.self)
        let (gate, opens) = AsyncStream.makeStream(of: Void.self)
        var settings = Settings.builtIn
        settings.models = [ModelSettings(name: "m", objective: .mlm)]
        settings.serving.maxConcurrentRequests = 1
        var service = VarlinkService(vendor: "", product: "", version: "", url: "")
        InferenceService(
            settings: ReloadableSettings(settings), registry: ModelRegistry(directory: models.directory)
        ) { _ in
            asks.yield()
            for await _ in gate { break }
            return "thinking"
        }.register(with: &service)
        let socket = models.directory.root + ".socket"
        defer { unlink(socket) }
        let server = VarlinkServer(
            service: service, listener: .path(socket, mode: 0o600),
            logger: Logger(label: "test") { _ in SwiftLogNoOpLogHandler() })
        let (listening, isListening) = AsyncStream.makeStream(of: Void.self)
        await withThrowingTaskGroup(of: Void.self) { group in
            group.addTask { try await server.run { isListening.yield() } }
            for await _ in listening { break }
            let errors: [any VarlinkErrorReply.Type] = [
                InferenceInterface.Overloaded.self, InferenceInterface.NoGeneration.self,
            ]
            @Sendable func ask() async throws {
                try await blocking {
                    _ = try VarlinkClient(path: socket, errors: errors).call(
                        InferenceInterface.FillMask.self, .init(text: "<mask>", model: "m"))
                }
            }
            let first = Task {
                _ = await #expect(throws: InferenceInterface.NoGeneration(model: "m", state: "thinking")) {
                    try await ask()
                }
            }
            for await _ in asked { break }
            await #expect {
                try await ask()
            } throws: { error in
                (error as? InferenceInterface.Overloaded).map { $0.retryAfterMs >= 10 } ?? false
            }
            opens.yield()
            await first.value
            group.cancelAll()
        }
    }
}
