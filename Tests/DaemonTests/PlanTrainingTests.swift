import Daemon
import Database
import FoundationEssentials
import Interface
import Jobs
import Logging
import Settings
import TestSupport
import Testing
import Varlink
import VarlinkServer

/// Forecasts of training runs, from the text that the service has recorded.
@Suite(.timeLimit(.minutes(15))) struct PlanTrainingTests {
    /// Calls a service with the models `large`, which has two million bytes of text, and `small`, which shares the last
    /// 20,000 of them.
    private func withManager(hasText: Bool = true, _ body: @escaping @Sendable (_ socket: String) throws -> Void)
        async throws
    {
        let directory = StateDirectory(root: "/tmp/plan-\(UUID().uuidString)")
        defer { try? FileManager.default.removeItem(atPath: directory.root) }
        var settings = Settings.builtIn
        settings.models = ["large", "small"].map { ModelSettings(name: $0, objective: .clm) }
        settings.models[0].recipe.maxTime = .seconds(1234)
        settings.models[1].recipe.maxTime = .none
        try directory.prepare(models: settings.models.map(\.name))
        let metrics = try StateStore(path: directory.metrics)
        let corpora: [(bytes: Int, state: CorpusRecord.State, model: String?)] = [
            (1_980_000, .admitted, "large"), (20_000, .admitted, nil), (9_000_000, .rejected, nil),
        ]
        try metrics.restore(
            (hasText ? corpora : []).enumerated().map { index, corpus in
                CorpusRecord(
                    sha256: String(repeating: "\(index)", count: 64), name: "\(index).txt", bytes: corpus.bytes,
                    documents: 1, state: corpus.state, reason: corpus.state == .rejected ? "damaged" : nil,
                    model: corpus.model)
            })
        var service = VarlinkService(vendor: "", product: "", version: "", url: "")
        try ManagerService.idle(in: directory, settings: settings, metrics: metrics).register(with: &service)
        let socket = directory.root + "/socket"
        let server = VarlinkServer(
            service: service, listener: .path(socket), logger: Logger(label: "test") { _ in SwiftLogNoOpLogHandler() })
        let (listening, isListening) = AsyncStream.makeStream(of: Void.self)
        try await withThrowingTaskGroup(of: Void.self) { group in
            group.addTask {
                defer { isListening.finish() }
                try await server.run { isListening.yield() }
            }
            for await _ in listening { break }
            let result: Result<Void, any Error>
            do { result = .success(try await blocking { try body(socket) }) } catch { result = .failure(error) }
            group.cancelAll()
            try result.get()
        }
    }

    private static func plans(_ model: String?, _ socket: String) throws -> [ManagerInterface.TrainingPlan] {
        try VarlinkClient(path: socket, errors: ManagerInterface.errors).call(
            ManagerInterface.PlanTraining.self, .init(model: model)
        ).plans
    }

    @Test func planWithoutTextSaysWhatIsMissing() async throws {
        try await withManager(hasText: false) { socket in
            for model in ["small", nil] {
                let error = #expect(throws: ManagerInterface.NothingToTrain.self) { try Self.plans(model, socket) }
                #expect(error?.model == model ?? "large")
                #expect(error?.reason.contains("drop a text file") == true)
            }
        }
    }

    @Test func planOfTheSettingsComesFirst() async throws {
        try await withManager { socket in
            let plans = try Self.plans("large", socket)
            #expect(plans.map(\.maxSeconds) == [1234, 600, 3600, 28_800])
            for plan in plans {
                #expect(plan.model == "large")
                #expect(plan.numHiddenLayers > 0 && plan.hiddenSize > 0 && plan.parameters > 0 && plan.steps > 0)
                #expect(plan.seconds > 0 && plan.seconds <= plan.maxSeconds ?? 0)
            }
            // More time never makes the best choice worse.
            #expect(plans[1].bitsPerByte >= plans[0].bitsPerByte && plans[0].bitsPerByte >= plans[2].bitsPerByte)
            #expect(plans[2].bitsPerByte >= plans[3].bitsPerByte)
        }
    }

    @Test func everyModelIsPlannedWithItsOwnText() async throws {
        try await withManager { socket in
            let plans = try Self.plans(nil, socket)
            #expect(plans.map(\.model) == Array(repeating: "large", count: 4) + Array(repeating: "small", count: 4))
            #expect(plans[4].maxSeconds == nil)
            for (large, small) in zip(plans[1..<4], plans[5..<8]) {
                #expect(large.maxSeconds == small.maxSeconds)
                #expect(large.bitsPerByte < small.bitsPerByte)
            }
            #expect(try Self.plans("small", socket) == Array(plans[4...]))
        }
    }

    @Test func unknownModelIsNotFound() async throws {
        try await withManager { socket in
            #expect(throws: ManagerInterface.ModelNotFound(model: "none", available: ["large", "small"])) {
                try Self.plans("none", socket)
            }
        }
    }
}
