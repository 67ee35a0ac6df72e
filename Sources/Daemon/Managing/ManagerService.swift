import AsyncSupport
import Durable
import Events
import Formatting
import FoundationEssentials
import Inference
import Interface
import Jobs
import Kernels
import Models
import Parallel
import Database
import Scheduling
import Settings
import Varlink
import VarlinkServer

/// Implements `io.kantaibert.Manager`.
public struct ManagerService: Sendable {
    private let live: ReloadableSettings
    private var settings: Settings { live.current }
    private let directory: StateDirectory
    private let metrics: StateStore
    private let registry: ModelRegistry
    private let training: TrainingService
    private let promotions: PromotionService
    private let hub: EventHub
    private let admitted: CorpusCatalog
    private let journal: EventJournal
    private let inboxPending: @Sendable () -> Int
    private let version: String
    private let transfers: Transfers
    private let uploads: Uploads
    private let began = ContinuousClock.now
    private var lists: ManagerLists { ManagerLists(metrics: metrics, models: settings.models.map(\.name)) }
    private let speed = SharedWork<String, MachineSpeed>(keptFor: .seconds(60))
    private let checks = SharedWork<String, [ManagerInterface.Check]>(keptFor: .zero)
    private let measureSpeed: @Sendable () async throws -> MachineSpeed
    /// Keyed by generation directory and tensor name.
    private let tensors = SharedWork<[String], TensorSummary>(keptFor: .seconds(60), most: 128)

    /// Maximum number of queued runs in the status.
    private static let mostQueued = 100

    /// - Parameters:
    ///   - transferFolder: where sockets for passing open files are created; nil means in the state directory
    ///   - inboxPending: the number of files in the inbox that are neither admitted nor rejected yet
    ///   - outcomes: what becomes of files in the inbox
    ///   - measureSpeed: the measurement that `Doctor` and `MeasureSpeed` run at most once per minute; replaced in tests
    package init(
        settings: ReloadableSettings, directory: StateDirectory, metrics: StateStore, registry: ModelRegistry,
        training: TrainingService, promotions: PromotionService, hub: EventHub, admitted: CorpusCatalog,
        journal: EventJournal,
        version: String, transferFolder: String? = nil, outcomes: InboxOutcomes = InboxOutcomes(),
        inboxPending: @escaping @Sendable () -> Int,
        measureSpeed: @escaping @Sendable () async throws -> MachineSpeed = { try await MachineSpeed.measured() }
    ) {
        self.measureSpeed = measureSpeed
        live = settings
        self.directory = directory
        self.metrics = metrics
        self.registry = registry
        self.training = training
        self.promotions = promotions
        self.hub = hub
        self.admitted = admitted
        self.journal = journal
        self.version = version
        transfers = Transfers(folder: transferFolder ?? directory.transfer)
        uploads = Uploads(directory: directory, transfers: transfers, outcomes: outcomes)
        self.inboxPending = inboxPending
    }

    /// Removes leftovers of transfers by an earlier process.
    func clearLeftovers() {
        transfers.clearLeftovers()
        uploads.clearLeftovers()
    }

    public func register(with service: inout VarlinkService) {
        service.add(interface: ManagerInterface.name, description: ManagerInterface.description)
        service.handle(ManagerInterface.GetStatus.self) { _, context in try await status(for: context.peer.uid) }
        service.handle(ManagerInterface.ListModels.self) { _, context in
            .init(models: try await models(for: context.peer.uid))
        }
        // The approximate size of an entry of each list.
        service.handle(ManagerInterface.ListCorpora.self, replyBytes: { $0.corpora.count * 512 }) {
            parameters, context in
            try await Blocking.lists.run(for: context.peer.uid) { [lists] in try lists.corpora(parameters) }
        }
        service.handle(ManagerInterface.ListRuns.self, replyBytes: { $0.runs.count * 1024 }) { parameters, context in
            if let model = parameters.model { try known(model) }
            let current = await training.current
            return try await Blocking.lists.run(for: context.peer.uid) { [lists] in
                try lists.runs(parameters, current: current)
            }
        }
        service.handle(ManagerInterface.ListGenerations.self, replyBytes: { $0.generations.count * 1024 }) {
            parameters, context in
            try known(parameters.model)
            let serving = await registry.model(parameters.model)
            return try await Blocking.lists.run(for: context.peer.uid) { [lists, registry, directory] in
                try lists.generations(parameters) { record in
                    guard let serving, serving.generation == record.number else {
                        return registry.precisions.choice(record.measuredPrecisions)
                    }
                    return serving.precision
                } bytes: { record in
                    PublishedFiles.bytes(in: directory.generation(record.number, of: record.model))
                }
            }
        }
        service.handle(
            ManagerInterface.GetMetrics.self, replyBytes: { $0.steps.count * 256 + $0.evaluations.count * 1024 }
        ) { parameters, context in
            try await Blocking.lists.run(for: context.peer.uid) { [lists] in try lists.measurements(parameters) }
        }
        service.handle(ManagerInterface.DescribeRun.self, replyBytes: { $0.corpora.count * 512 + 65_536 }) {
            parameters, context in
            try await Blocking.lists.run(for: context.peer.uid) { [directory, metrics] in
                try RunDescription(directory: directory, metrics: metrics).reply(parameters.run)
            }
        }
        // The text of corpora belongs to those who added them.
        service.handle(ManagerInterface.PreviewCorpus.self, access: .administrators) { parameters, context in
            try await Blocking.lists.run(for: context.peer.uid) { [directory, metrics] in
                try CorpusPreview.read(parameters.sha256, directory: directory, metrics: metrics)
            }
        }
        // Methods that make changes are restricted to administrators.
        service.handle(ManagerInterface.Train.self, access: .administrators) { parameters, _ in
            try await train(parameters)
        }
        service.handle(ManagerInterface.PlanTraining.self) { parameters, context in
            try await plan(parameters, for: context.peer.uid)
        }
        service.handle(ManagerInterface.CancelRun.self, access: .administrators) { parameters, _ in
            guard await training.cancel(parameters.run) else { throw ManagerInterface.RunNotFound(run: parameters.run) }
            return .init()
        }
        service.handle(ManagerInterface.RemoveCorpus.self, access: .administrators) { parameters, _ in
            try await removeCorpus(parameters)
        }
        service.handle(ManagerInterface.Promote.self, access: .administrators) { parameters, _ in
            try await promote(parameters)
        }
        service.handle(ManagerInterface.Describe.self, replyBytes: { $0.parameters.count * 128 }) {
            parameters, context in
            try await describe(parameters, for: context.peer.uid)
        }
        service.handle(ManagerInterface.DescribeTensor.self) { parameters, context in
            try await describe(parameters, for: context.peer.uid)
        }
        service.handle(ManagerInterface.Pause.self, access: .administrators) { parameters, _ in
            let (models, run) = await training.pause(try named(parameters.model))
            return .init(models: models, run: run)
        }
        service.handle(ManagerInterface.Resume.self, access: .administrators) { parameters, _ in
            .init(models: await training.resume(try named(parameters.model)))
        }
        service.handle(ManagerInterface.RemoveGeneration.self, access: .administrators) { parameters, _ in
            try known(parameters.model)
            let serving = await registry.model(parameters.model)?.generation
            try await promotions.remove(parameters.model, parameters.generation, serving: serving)
            return .init()
        }
        service.handleMore(ManagerInterface.Put.self) { parameters, context, writer in
            let model = try parameters.model.map { try known($0).name }
            try await uploads.put(parameters, into: model, settings, context, writer)
        }
        service.handle(ManagerInterface.GetSettings.self, replyBytes: { $0.settings.count * 128 }) { _, _ in
            .init(settings: live.listed)
        }
        service.handle(ManagerInterface.ListEvents.self, replyBytes: { $0.events.count * 1024 }) {
            parameters, context in
            try await Blocking.lists.run(for: context.peer.uid) { [lists] in try lists.events(parameters) }
        }
        service.handle(ManagerInterface.MeasureSpeed.self) { _, context in
            let speed = try await speed.value(for: "", measureSpeed)
            let rates = try await Blocking.files.run(for: context.peer.uid) { [directory] in
                MachineProfile.current(file: directory.machine).rates
            }
            return .init(
                processor: MachineSpeed.processor, threads: ThreadPool.shared.threads,
                float32Operations: speed.float32, bfloat16Operations: speed.bfloat16, memoryRead: speed.memoryRead,
                float32Instructions: rates.float32, bfloat16Instructions: rates.bfloat16, int8Instructions: rates.int8)
        }
        service.handle(ManagerInterface.Doctor.self) { _, context in try await doctor(for: context.peer.uid) }
        service.handleMore(ManagerInterface.Import.self, access: .administrators) { parameters, context, writer in
            try await importModel(parameters, context, writer)
        }
        service.handleMore(ManagerInterface.Export.self, access: .administrators) { parameters, context, writer in
            try await exportModel(parameters, context, writer)
        }
        service.handleSubscription(ManagerInterface.Watch.self) { parameters, _, writer in
            for await event in hub.watch() {
                // The last event is sent to all watchers, including those of a single run.
                let isLast = !event.reply.continues
                guard isLast || parameters.run == nil || parameters.run == event.run else { continue }
                try await writer.send(event.reply)
                if isLast { return }
            }
        }
    }

    private func status(for user: UInt32) async throws -> ManagerInterface.GetStatus.Reply {
        let entries = await training.queued.prefix(Self.mostQueued)
        let queued = try await Blocking.lists.run(for: user) { [metrics] in
            try entries.map { entry in
                (try metrics.run(entry.run) ?? RunRecord(id: entry.run, model: entry.model)).asInterface
            }
        }
        let resources: [String: JSONValue] = ["inbox": .string(directory.inbox), "watches": .int(hub.watches)]
        return .init(
            version: version, uptimeSeconds: began.duration(to: .now) / .seconds(1),
            models: try await models(for: user),
            run: await training.current?.asInterface, queued: queued, inboxPending: inboxPending(),
            resources: .object(ProcessResources.now().merging(resources) { $1 }))
    }

    private func models(for user: UInt32) async throws -> [ManagerInterface.Model] {
        var models: [ManagerInterface.Model] = []
        let names = settings.models.map(\.name)
        let last = try await Blocking.lists.run(for: user) { [metrics] in
            try names.map { try metrics.runs(model: $0, limit: 1).first }
        }
        for (settings, last) in zip(settings.models, last) {
            let serving = await registry.model(settings.name)
            let record = serving?.record(run: nil)
            let nextRun = await training.nextRun(settings.name)
            let state = await state(of: settings.name, nextRun, last)
            models.append(
                .init(
                    name: settings.name, objective: settings.objective == .mlm ? .mlm : .clm,
                    generation: serving?.generation, parameters: record?.parameters,
                    vocabSize: record?.vocabSize, bitsPerByte: record?.bitsPerByte,
                    evaluationLoss: record?.evaluationLoss,
                    nextTraining: nextRun?.date?.interfaceText, state: state,
                    reason: state == .training ? nil : await explain(settings.name, last: last),
                    conversations: serving?.engine.hasConversations,
                    paused: await training.isPaused(settings.name)))
        }
        return models
    }

    private func state(
        of model: String, _ nextRun: Scheduler.NextRun?, _ last: RunRecord?
    ) async -> ManagerInterface.Model.State {
        if await training.current?.model == model { return .training }
        switch nextRun {
        case .begins, .opens: return .waiting
        case .looks, nil: break
        }
        if await training.queued.contains(where: { $0.model == model }) { return .waiting }
        return last?.state == .failed ? .failed : .idle
    }

    /// Describes what the service is doing for a model, or why it is idle.
    public func explain(_ model: String) async -> String {
        let last = try? await Blocking.lists.run(for: nil) { [metrics] in try metrics.runs(model: model, limit: 1).first
        }
        return await explain(model, last: last ?? nil)
    }

    /// - Parameter last: the newest run of the model
    private func explain(_ model: String, last: RunRecord?) async -> String {
        if let run = await training.current, run.model == model { return "training: \(RunProgress(run).statusText)" }
        if await training.isPaused(model) {
            let waits = await training.queued.first { $0.model == model }.map { "; \($0.run) waits" } ?? ""
            let failure =
                last.flatMap { $0.state == .failed ? "; \($0.id) failed: \($0.reason ?? "see the log")" : nil } ?? ""
            return
                "training is paused\(waits): ‘kbctl resume \(model)’ or ‘kbctl train \(model)’ continues it\(failure)"
        }
        let nextRun = await training.nextRun(model)
        let wait = nextRun?.date.map { "in \(MessageFormat.duration($0.timeIntervalSinceNow))" }
        switch nextRun {
        case .begins: return "training starts \(wait ?? "now")"
        case .opens(_, let run): return "\(run) resumes when its training window opens" + (wait.map { ", \($0)" } ?? "")
        case .looks, nil: break
        }
        if await training.queued.contains(where: { $0.model == model }) { return "training is queued" }
        if let last, last.state == .failed { return "training failed: \(last.reason ?? last.id)" }
        if await registry.model(model) == nil, let damaged = directory.currentGeneration(of: model) {
            return "generation \(damaged) cannot be loaded; see the log"
        }
        let looks = wait.map { "; the schedule fires \($0)" } ?? ""
        guard let last else { return "waiting for text files in \(directory.inbox)\(looks)" }
        let ended = RunRecord.State.ended.contains(last.state) ? last : nil
        return RunHistory.nothingNew(since: ended) + looks
    }

    private func removeCorpus(_ parameters: ManagerInterface.RemoveCorpus.Parameters) async throws -> VarlinkNothing {
        let sha256 = parameters.sha256
        let isRemoved = try await Blocking.changes.run(for: nil) { [admitted] in try admitted.remove(sha256: sha256) }
        guard isRemoved else { throw ManagerInterface.CorpusNotFound(sha256: sha256) }
        await training.corporaRemoved([sha256])
        journal.report(
            ServiceEvent(.corpusRemoved, "a corpus was removed; later training runs do not use it", corpus: sha256))
        return .init()
    }

    /// Queues a run of one model, or of every model that has a new corpus.
    private func train(_ parameters: ManagerInterface.Train.Parameters) async throws -> ManagerInterface.Train.Reply {
        let force = parameters.force ?? false
        if let model = parameters.model {
            try known(model)
            do {
                return .init(runs: [try await training.train(model, force: force)])
            } catch {
                throw await nothingToTrain(model, error)
            }
        }
        var runs: [String] = []
        var refusal: ManagerInterface.NothingToTrain?
        for model in settings.models.map(\.name) {
            do {
                runs.append(try await training.train(model, force: force))
            } catch {
                if refusal == nil { refusal = await nothingToTrain(model, error) }
            }
        }
        if runs.isEmpty, let refusal { throw refusal }
        return .init(runs: runs)
    }

    private func plan(_ parameters: ManagerInterface.PlanTraining.Parameters, for user: UInt32) async throws
        -> ManagerInterface.PlanTraining.Reply
    {
        let models = try parameters.model.map { [try known($0)] } ?? settings.models
        let (rates, bytes) = try await Blocking.lists.run(for: user) { [directory, metrics] in
            (
                MachineProfile.current(file: directory.machine).rates,
                try models.map { try metrics.bytes(feeding: $0.name) }
            )
        }
        let fed = zip(models, bytes).filter { $0.1 > 0 }
        guard !fed.isEmpty else { throw await nothingToTrain(models[0].name, .noCorpus) }
        return .init(
            plans: fed.flatMap { model, bytes in
                // `auto` is not a precision.
                let precision = Precision(rawValue: model.recipe.precision.rawValue) ?? rates.fastestPrecision
                return TrainingPlans(
                    model: model, textBytes: bytes,
                    operationsPerSecond: rates.rate(in: precision) * Double(ThreadPool.shared.threads)
                ).plans
            })
    }

    private func nothingToTrain(_ model: String, _ refusal: Scheduler.Refusal) async -> ManagerInterface.NothingToTrain
    {
        let pause = await training.isPaused(model) ? "; its training stays paused until ‘kbctl resume \(model)’" : ""
        let reason =
            switch refusal {
            case .noCorpus, .unknownModel: "there is no corpus: drop a text file into \(directory.inbox)"
            case .nothingNew:
                "no corpus is new: each has been or is being trained on; to train on the same text again, use force (kbctl train --force)"
            }
        return ManagerInterface.NothingToTrain(model: model, reason: reason + pause)
    }

    private func promote(_ parameters: ManagerInterface.Promote.Parameters) async throws -> VarlinkNothing {
        try known(parameters.model)
        guard directory.generations(of: parameters.model).contains(parameters.generation) else {
            throw ManagerInterface.GenerationNotFound(model: parameters.model, generation: parameters.generation)
        }
        try await promotions.promote(parameters.model, to: parameters.generation)
        return .init()
    }

    private func describe(
        _ parameters: ManagerInterface.Describe.Parameters, for user: UInt32
    ) async throws -> ManagerInterface.Describe.Reply {
        let serving = try await serving(parameters.model)
        let layout = ParameterLayout(serving.configuration)
        let folder = serving.engine.directory
        let path = "\(folder)/\(ModelDirectory.configurationFile)"
        let configuration = try await Blocking.files.run(for: user) {
            try JSONDecoder().decode(
                JSONValue.self, from: Data(Durable.read(path, atMost: ModelDirectory.mostConfigurationBytes)))
        }
        return .init(
            parameters: layout.entries.map { .init(name: $0.name, shape: $0.shape, count: $0.count) },
            total: layout.count, configuration: configuration, generation: serving.generation, directory: folder)
    }

    private func describe(
        _ parameters: ManagerInterface.DescribeTensor.Parameters, for user: UInt32
    ) async throws -> ManagerInterface.DescribeTensor.Reply {
        let serving = try await serving(parameters.model)
        guard ParameterLayout(serving.configuration).entry(parameters.name) != nil else {
            throw ManagerInterface.TensorNotFound(model: parameters.model, name: parameters.name)
        }
        let summary = try await tensors.value(for: [serving.engine.directory, parameters.name]) {
            try await Blocking.files.run(for: user) { flag in
                let file = try SafetensorsFile(path: "\(serving.engine.directory)/\(ModelDirectory.weightsFile)")
                return try TensorSummary(parameters.name, in: file) { flag.isCancelled }
            }
        }
        let positions = summary.rows.flatMap { row in summary.columns.map { (row: row, column: $0) } }
        return .init(
            shape: summary.shape, type: summary.type.rawValue, minimum: summary.minimum, maximum: summary.maximum,
            mean: summary.mean, standardDeviation: summary.standardDeviation, zeros: summary.zeros,
            notFinite: summary.notFinite,
            values: zip(positions, summary.corners).map { position, value in
                .init(row: position.row, column: position.column, value: value.isFinite ? Double(value) : nil)
            })
    }

    private func doctor(for user: UInt32) async throws -> ManagerInterface.Doctor.Reply {
        let speed = try await speed.value(for: "", measureSpeed)
        var serving: [(name: String, generation: Int, precision: String)] = []
        for name in settings.models.map(\.name) {
            guard let model = await registry.model(name) else { continue }
            serving.append((name, model.generation, model.engine.precision.rawValue))
        }
        let machine = Diagnostics(settings: settings, directory: directory, serving: serving)
        return .init(
            checks: try await checks.value(for: "") {
                try await Blocking.files.run(for: user) { machine.all(speed: speed) }
            })
    }

    private func importModel(
        _ parameters: ManagerInterface.Import.Parameters, _ context: CallContext,
        _ writer: ReplyWriter<ManagerInterface.Import.Reply>
    ) async throws {
        guard context.more else { throw VarlinkServiceError.expectedMore }
        let model = try known(parameters.model)
        let names = parameters.files
        try ReceivedFiles.check(names: names, objective: model.objective)
        let (record, differences) = try await transfers.counted {
            let descriptors = try await transfers.receive(names.count, from: context.peer.uid) {
                try await writer.send(.init(transfer: $0))
            }
            let files = zip(names, descriptors).map { NamedFile(name: $0, file: $1) }
            // If the process is killed, it is removed at the next start.
            let source = TemporaryName.beside("\(directory.root)/import")
            defer { try? Durable.removeTree(source) }
            let reserve = try settings.retention.reserve(at: directory.root)
            let bytes = try await Transfers.queue.runCancellable {
                try ReceivedFiles.copy(files, to: source, reserve: reserve, $0)
            }
            try await writer.send(.init(bytes: bytes))
            let (staged, differences) = try await ModelImport(
                model: model, directory: directory, process: registry.process,
                precision: registry.precisions.choice(nil).precision
            ).stage(from: source)
            guard !Task.isCancelled else {
                try? Durable.removeTree(staged)
                throw CancellationError()
            }
            return (try await promotions.adopt(staged, as: model.name), differences)
        }
        try await writer.finish(
            .init(
                generation: record.number, modelSha256: record.modelSha256, parameters: record.parameters,
                differences: differences.isEmpty ? nil : differences))
    }

    private func exportModel(
        _ parameters: ManagerInterface.Export.Parameters, _ context: CallContext,
        _ writer: ReplyWriter<ManagerInterface.Export.Reply>
    ) async throws {
        guard context.more else { throw VarlinkServiceError.expectedMore }
        let model = try known(parameters.model)
        let generation: Int
        let folder: String
        if let wanted = parameters.generation {
            guard directory.generations(of: parameters.model).contains(wanted) else {
                throw ManagerInterface.GenerationNotFound(model: parameters.model, generation: wanted)
            }
            (generation, folder) = (wanted, directory.generation(wanted, of: parameters.model))
        } else {
            let serving = try await serving(parameters.model)
            (generation, folder) = (serving.generation, serving.engine.directory)
        }
        func reply(_ transfer: String?, _ names: [String]) -> ManagerInterface.Export.Reply {
            .init(
                transfer: transfer, generation: generation, files: names, license: model.license,
                language: model.languages.isEmpty ? nil : model.languages)
        }
        let names = try await transfers.counted {
            let files = try PublishedFiles.open(in: folder)
            let names = files.map(\.name)
            try await transfers.send(files.map(\.file), to: context.peer.uid) {
                try await writer.send(reply($0, names))
            }
            return names
        }
        try await writer.finish(reply(nil, names))
    }

    /// - Throws: `ModelNotFound`, `GenerationNotFound`
    private func serving(_ model: String) async throws -> ServingModel {
        try known(model)
        guard let serving = await registry.model(model) else {
            throw ManagerInterface.GenerationNotFound(model: model, generation: 0)
        }
        return serving
    }

    /// Returns the names of the model, or of all models.
    private func named(_ model: String?) throws(ManagerInterface.ModelNotFound) -> [String] {
        guard let model else { return settings.models.map(\.name) }
        return [try known(model).name]
    }

    @discardableResult
    private func known(_ model: String) throws(ManagerInterface.ModelNotFound) -> ModelSettings {
        guard let known = settings.model(named: model) else {
            throw ManagerInterface.ModelNotFound(model: model, available: settings.models.map(\.name))
        }
        return known
    }
}

extension ReloadableSettings {
    /// The settings in force.
    fileprivate var listed: [ManagerInterface.Setting] {
        let waiting = awaitingRestart
        return current.inForce.map { setting in
            let (source, place): (ManagerInterface.Setting.Source, String?) =
                switch setting.origin {
                case nil: (.default, nil)
                case .file(let place): (.file, place)
                case .environment(let variable): (.environment, variable)
                }
            return .init(
                key: setting.key, value: setting.text, source: source, place: place,
                awaitsRestart: waiting.contains(setting.key))
        }
    }
}
