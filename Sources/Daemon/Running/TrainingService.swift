import AsyncSupport
import Events
import FoundationEssentials
import Jobs
import LimitedLogging
import Database
import Scheduling
import ServiceLifecycle
import Settings
import Supervision
import Systemd
import Varlink

/// Carries out the scheduler's decisions: runs training, one run at a time, and submits the published models for promotion.
public actor TrainingService: Service {
    private nonisolated let live: ReloadableSettings
    private nonisolated var settings: Settings { live.current }
    private let directory: StateDirectory
    private let metrics: StateStore
    private let journal: EventJournal
    private let recorder: RunRecorder
    private let promotions: PromotionService
    private let notifier: RunNotifier
    private let admitted: CorpusCatalog
    /// The path of `kantaibert-train`.
    private let program: String

    private var scheduler = Scheduler(models: [])
    private nonisolated let starts = AsyncStream.makeStream(of: Start.self)
    private nonisolated let stopping = Latch()
    private var alarm: Task<Void, Never>?
    private var activeRun: ActiveRun?
    private var memory: ScheduleStateFile
    private var statusRate = RateLimiter()

    private struct Start: Sendable {
        var entry: Scheduler.Entry
        var resumes: Bool
    }

    private struct ActiveRun {
        var progress: RunProgress
        /// The corpora the run is trained on, once it has a job.
        var corpora: [String]?
        let leave = Latch()
        var isCancelled = false
        /// Why it was asked to stop and is to resume later; nil if it was not.
        var pauseReason: String?
        /// Whether no other run can continue from its checkpoints.
        var isRefused = false
        /// The generation that it started from, if the gate rejected its model in favor of that one.
        var lostTo: Int?
        /// SHA-256 of the corpus that made it fail.
        var faultyCorpus: String?
        /// SHA-256 of the published model, as reported by the run.
        var modelSha256: String?
    }

    /// - Parameter program: the path of `kantaibert-train`
    package init(
        settings: ReloadableSettings, directory: StateDirectory, metrics: StateStore, journal: EventJournal,
        promotions: PromotionService, admitted: CorpusCatalog, program: String
    ) {
        live = settings
        self.directory = directory
        self.metrics = metrics
        self.journal = journal
        recorder = RunRecorder(directory: directory, metrics: metrics, journal: journal)
        self.promotions = promotions
        notifier = RunNotifier(settings: settings, directory: directory, journal: journal)
        self.admitted = admitted
        self.program = program
        memory = ScheduleStateFile(path: directory.schedule)
    }

    /// Trains until the service is stopped. The active run then writes a checkpoint and resumes at the next start.
    public func run() async throws {
        try await withGracefulShutdownHandler {
            promotions.judgeCandidates()
            promotions.prune()
            perform(try resume())
            await notifier.start { [metrics] run in
                (try? metrics.run(run)).map { RunRecord.State.ended.contains($0.state) } ?? false
            }
            for await start in starts.stream where !stopping.isOpen { await carryOut(start) }
            // ServiceGroup treats an early return as a failure.
            try await gracefulShutdown()
        } onGracefulShutdown: {
            self.stop()
        }
        alarm?.cancel()
        await promotions.finish()
        await notifier.finish()
    }

    /// Makes the active run write a checkpoint and exit, and starts no other. `run` returns when that is done.
    nonisolated func stop() {
        stopping.open()
        promotions.stop()
        notifier.stop()
        starts.continuation.finish()
    }

    /// Restores the scheduler from the database, the jobs on disk and the saved schedule.
    private func resume() throws -> [Scheduler.Action] {
        scheduler = Scheduler(models: try history.models())
        var remembered = Scheduler.PersistedState()
        journal.attempt("the saved schedule was not read") { remembered = try memory.load() }
        return scheduler.start(unfinished: try history.unfinished(), memory: remembered, now: .now)
    }

    private nonisolated var history: RunHistory {
        RunHistory(settings: settings, directory: directory, metrics: metrics)
    }

    private func tick() {
        perform(scheduler.tick(now: .now))
    }

    /// Updates the line shown by `systemctl status`, at most once per second: a service manager that reads slowly blocks the
    /// processes that write to it.
    private func tellStatus() {
        guard let progress = activeRun?.progress else {
            let waiting = scheduler.queue.first.map { entry in
                scheduler.isPaused(entry.model)
                    ? "\(entry.run) is paused" : "\(entry.run) is waiting for its training window"
            }
            let paused = settings.models.map(\.name).filter(scheduler.isPaused)
            let idle =
                paused.isEmpty
                ? "Waiting for corpora" : "The training of \(paused.joined(separator: ", ")) is paused"
            return SystemdNotify.status(waiting ?? idle)
        }
        guard statusRate.allowsLine() else { return }
        SystemdNotify.status(progress.statusText)
    }
}

/// Requests and notifications from other services.
extension TrainingService {
    /// Called when corpora were admitted, each for these models.
    public func corporaAdmitted(_ corpora: [(sha256: String, models: [String])]) {
        guard !corpora.isEmpty else { return }
        perform(scheduler.corporaAdmitted(corpora, now: .now))
    }

    /// Called when corpora were removed.
    /// - Parameter kept: the models that a corpus still feeds
    public func corporaRemoved(_ corpora: [String], keptFor kept: [String: Set<String>] = [:]) {
        guard !corpora.isEmpty else { return }
        perform(scheduler.corporaRemoved(Set(corpora), keptFor: kept, now: .now))
    }

    /// Called when the settings were reloaded. Applies the new schedules.
    func settingsChanged() {
        let local = TimeZoneRules.local()
        for model in settings.models {
            perform(scheduler.reschedule(model.name, TrainingSchedule(model.schedule, local: local), now: .now))
        }
    }

    /// Queues a run now, regardless of the schedule.
    /// - Parameter force: train even if no corpus is new, and include the corpora that were set aside
    /// - Returns: the run's name, which may be that of a run already queued
    public func train(_ model: String, force: Bool) throws(Scheduler.Refusal) -> String {
        if force { tryAgain(corporaOf: model) }
        let wasPaused = scheduler.isPaused(model)
        let (run, actions) = try scheduler.train(model, force: force, now: .now).get()
        perform(actions)
        if wasPaused { report(.trainingResumed, "is resumed", [model]) }
        return run
    }

    /// Makes the corpora of a model that were set aside available for training again.
    private func tryAgain(corporaOf model: String) {
        journal.attempt("the corpora that were set aside remain so") {
            let models = settings.models.map(\.name)
            corporaAdmitted(
                try metrics.tryAgain(corporaOf: model).map { ($0, try metrics.modelsFed(by: $0, of: models)) })
        }
    }

    /// Pauses the training of models.
    /// - Returns: the models that were not paused before, and the run that stops
    public func pause(_ models: [String]) -> (models: [String], run: String?) {
        let new = models.filter { !scheduler.isPaused($0) }
        let run = scheduler.running.flatMap { new.contains($0.model) ? $0.run : nil }
        perform(scheduler.pause(new, now: .now))
        report(.trainingPaused, "is paused", new)
        return (new, run)
    }

    /// Ends `pause`.
    /// - Returns: the models that were paused
    public func resume(_ models: [String]) -> [String] {
        let paused = models.filter(scheduler.isPaused)
        perform(scheduler.resume(paused, now: .now))
        report(.trainingResumed, "is resumed", paused)
        return paused
    }

    /// Whether the training of the model is paused.
    public func isPaused(_ model: String) -> Bool { scheduler.isPaused(model) }

    private func report(_ kind: EventKind, _ change: String, _ models: [String]) {
        guard !models.isEmpty else { return }
        journal.report(
            ServiceEvent(
                kind, "training of \(models.joined(separator: ", ")) \(change)",
                model: models.count == 1 ? models[0] : nil,
                fields: ["models": .array(models.map { .string($0) })]))
        tellStatus()
    }

    /// Cancels a run.
    /// - Returns: false if no such run is queued or active
    public func cancel(_ run: String) -> Bool {
        guard let actions = scheduler.cancel(run, now: .now) else { return false }
        perform(actions)
        return true
    }

    /// The active run.
    public var current: RunRecord? {
        activeRun?.progress.record ?? scheduler.running.map { RunRecord(id: $0.run, model: $0.model) }
    }

    public var queued: [Scheduler.Entry] { scheduler.queue }

    /// Returns the next action of the schedule for a model.
    public func nextRun(_ model: String) -> Scheduler.NextRun? { scheduler.nextRun(model, now: .now) }
}

/// The scheduler's decisions.
extension TrainingService {
    private func perform(_ actions: [Scheduler.Action]) {
        for action in actions {
            switch action {
            case .enqueued(let entry):
                guard entry.corpora == nil else { continue }
                let record = RunRecord(id: entry.run, model: entry.model)
                recorder.save(record)
                journal.report(
                    ServiceEvent(
                        .runQueued, "\(entry.run) is queued", model: entry.model, run: entry.run,
                        runState: record.state))
            case .start(let entry, let resumes):
                activeRun = ActiveRun(progress: RunProgress(priorRecord(entry)))
                starts.continuation.yield(Start(entry: entry, resumes: resumes))
            case .wake(let time):
                alarm?.cancel()
                alarm = Task {
                    guard (try? await Task.sleep(until: time)) != nil else { return }
                    self.tick()
                }
            case .pause(let entry):
                activeRun?.pauseReason =
                    scheduler.isPaused(entry.model)
                    ? "until ‘kbctl resume \(entry.model)’" : "because its training window has closed"
                activeRun?.leave.open()
            case .stop:
                activeRun?.isCancelled = true
                activeRun?.leave.open()
            case .dropped(let entry):
                var progress = RunProgress(priorRecord(entry))
                progress.end(.cancelled)
                recorder.save(progress.record)
                admitted.sweep()
                journal.report(
                    ServiceEvent(
                        .runCancelled, "\(entry.run) is cancelled", model: entry.model, run: entry.run,
                        runState: progress.record.state))
            case .skipped(let model, let skip): report(skip, of: model)
            }
        }
        // Saved after the runs: if that fails, the schedule fires once more and finds its run queued.
        journal.attempt("the schedule was not saved") { try memory.save(scheduler.memory) }
    }

    private func report(_ skip: Scheduler.SkipReason, of model: String) {
        let reason =
            switch skip {
            case .noCorpus: "there are no corpora"
            case .nothingNew: history.nothingNew(model)
            case .underWay(let run): "\(run) is being trained on all corpora"
            }
        journal.report(
            ServiceEvent(
                .scheduleSkipped, "\(model): the schedule fired, but \(reason)", model: model,
                fields: ["reason": .string(reason)]))
    }

    private func priorRecord(_ entry: Scheduler.Entry) -> RunRecord {
        (try? metrics.run(entry.run)) ?? RunRecord(id: entry.run, model: entry.model)
    }
}

/// The active run, from its start to its end.
extension TrainingService {
    private func carryOut(_ start: Start) async {
        let run = start.entry.run
        let outcome: RunSupervisor.Outcome
        var job: Job?
        do {
            let made = try await diskRetry.withDiskRetry("the job of \(run) was not written") {
                try admitted.undisturbed { try promotions.choosingNumber { try begin(start) } }
            }
            job = made
            outcome = await supervise(made)
            // A process removes the temporary files of its predecessor, but this run may never be started again.
            journal.attempt("temporary files of \(run) remain") { try directory.clearLeftovers(of: made) }
        } catch {
            outcome = stopping.isOpen ? .left : .failed(reason: "\(error)")
        }
        let isPublished = await conclude(outcome, run: run, job: job)
        let goesOn = outcome == .left && activeRun?.isCancelled == false
        let faultyCorpus = activeRun?.faultyCorpus
        let lostTo = activeRun?.lostTo
        activeRun = nil
        promotions.prune()
        admitted.sweep()
        // After a restart, the scheduler finds an interrupted run by its record.
        guard outcome != .left || !stopping.isOpen else { return }
        if let faultyCorpus {
            perform(scheduler.setAside(faultyCorpus, run: run, now: .now))
        } else if let lostTo {
            repeatFresh(run, of: start.entry.model, lostTo: lostTo)
        } else {
            perform(
                goesOn ? scheduler.paused(run, now: .now) : scheduler.ended(run, published: isPublished, now: .now))
        }
        tellStatus()
    }

    /// Queues a run from random weights after one that started from a generation was not better than it. `StartDecision`
    /// finds the verdict and starts no other run from that generation.
    private func repeatFresh(_ run: String, of model: String, lostTo generation: Int) {
        let actions = scheduler.endedInVain(run, now: .now)
        perform(actions)
        for case .enqueued(let entry) in actions where entry.model == model {
            journal.report(
                ServiceEvent(
                    .startChosen,
                    "\(run) started from generation \(generation) and was not promoted: \(entry.run) trains on the same "
                        + "text from random weights",
                    model: model, run: entry.run,
                    fields: ["generation": .int(generation), "lost": .string(run)]))
        }
    }

    private var diskRetry: DiskRetry {
        DiskRetry(settings: settings.training, journal: journal, stopping: stopping)
    }

    /// Prepares the job and records its corpora.
    private func begin(_ start: Start) throws -> Job {
        let job = try JobPreparation(settings: settings, directory: directory, metrics: metrics, journal: journal)
            .job(for: start.entry, resumes: start.resumes)
        let corpora = job.corpora.map(\.sha256)
        activeRun?.corpora = corpora
        activeRun?.progress.begin(generation: job.generation)
        if let record = activeRun?.progress.record { recorder.save(record, corpora: corpora) }
        return job
    }

    private func supervise(_ job: Job) async -> RunSupervisor.Outcome {
        guard let leave = activeRun?.leave else { preconditionFailure("no run is under way") }
        let supervisor = RunSupervisor(program: program, settings: settings, directory: directory)
        return await withLeave(leave) {
            await supervisor.supervise(
                job, at: self.directory.job(of: job.run), readingLimit: ReadingLimit(job), leave: leave
            ) { line in
                await self.received(line, from: job)
            } onCrash: { death in
                self.journal.report(death, of: job.run, model: job.model, self.settings.training)
            }
        }
    }

    /// Runs `body`; if the service stops in the meantime, opens `leave`.
    private func withLeave<Outcome: Sendable>(
        _ leave: Latch, _ body: @escaping @Sendable () async -> Outcome
    ) async -> Outcome {
        let watch = Task { [stopping] in
            await stopping.wait()
            if stopping.isOpen { leave.open() }
        }
        defer { watch.cancel() }
        return await body()
    }

    private func received(_ line: Result<RunEvent, MalformedEvent>, from job: Job) {
        let event: RunEvent
        switch line {
        case .success(let decoded): event = decoded
        case .failure(let error):
            return journal.report(ServiceEvent(.problem, "\(job.run): \(error)", model: job.model, run: job.run))
        }
        activeRun?.progress.note(event)
        let isRecorded: Bool
        switch event.payload {
        case .published(let published):
            activeRun?.modelSha256 = published.modelSha256
            isRecorded = false
        case .step(let step): isRecorded = step.log
        case .started: isRecorded = true
        default: isRecorded = false
        }
        if isRecorded, let record = activeRun?.progress.record { recorder.save(record) }
        tellStatus()
        recorder.record(event, of: job)
    }

    /// Records the end of a run and submits the model that it published, if any, for promotion.
    /// - Returns: whether the run is finished
    private func conclude(_ outcome: RunSupervisor.Outcome, run: String, job: Job?) async -> Bool {
        switch outcome {
        case .published:
            guard let job else { preconditionFailure("a run without a job has published") }
            return await promoteGeneration(of: job)
        case .left where activeRun?.isCancelled == true:
            await end(.cancelled, kind: .runCancelled, "\(run) is cancelled")
        case .left where activeRun?.pauseReason != nil:
            await end(.interrupted, kind: .runPaused, "\(run) is paused \(activeRun?.pauseReason ?? "")")
        case .left:
            await end(
                .interrupted, kind: .runInterrupted,
                "\(run) is interrupted and resumes when the service is started again")
        case .failed(let reason, let corpus), .refused(let reason, let corpus):
            if case .refused = outcome { activeRun?.isRefused = true }
            let faulty = corpus.flatMap { corpus in job?.corpora.first { $0.sha256 == corpus }?.sha256 }
            if faulty != nil {
                activeRun?.faultyCorpus = faulty
                // No model was trained on the other corpora, which must still count as new after a restart.
                activeRun?.corpora = []
            }
            await end(.failed, kind: .runFailed, "\(run) failed: \(reason)", reason: reason) {
                guard let faulty, let job else { return }
                recorder.setAside(faulty, because: reason, run: run, model: job.model)
            }
        }
        return false
    }

    /// Submits the model that a run has published for promotion.
    /// - Returns: whether the run is finished
    private func promoteGeneration(of job: Job) async -> Bool {
        guard let leave = activeRun?.leave else { preconditionFailure("no run is under way") }
        let (run, model, number) = (job.run, job.model, job.generation)
        let candidate = PromotionGate.Candidate(
            model: model, generation: number, run: run, modelSha256: activeRun?.modelSha256)
        let outcome: PromotionGate.Outcome
        do {
            outcome = try await diskRetry.withDiskRetry("generation \(number) of \(model) was not promoted") {
                let outcome = await withLeave(leave) { [promotions] in
                    await promotions.submit(candidate, leave: leave)
                }
                if case .unable(let error) = outcome { throw error }
                return outcome
            }
        } catch {
            // The generation is complete; if `current` cannot be switched now, the next start tries again.
            await end(
                .interrupted, kind: .problem,
                "\(run) is finished, but generation \(number) could not be promoted yet: \(error)")
            return false
        }
        switch outcome {
        case .serves, .rejected, .unjudged, .withdrawn:
            await end(.finished, kind: .runFinished, "\(run) is finished: generation \(number)")
            promotions.report(outcome, of: candidate)
            if case .rejected(let verdict) = outcome, let start = job.start, verdict.incumbent == start.generation {
                activeRun?.lostTo = start.generation
            }
            return true
        case .damaged(let reason):
            await end(.failed, kind: .generationDamaged, "generation \(number) of \(model) cannot serve: \(reason)")
            return false
        case .left, .unable:
            return await conclude(.left, run: run, job: job)
        }
    }

    /// Records the end of the active run.
    ///
    /// Does not suspend once anything was reported: a request that follows a report must find the scheduler's state after it.
    /// - Parameter before: called before the end is recorded
    private func end(
        _ state: RunRecord.State, kind: EventKind, _ message: String, reason: String? = nil,
        before: () -> Void = {}
    ) async {
        guard let activeRun else { preconditionFailure("no run is under way") }
        let isTrouble = kind == .runFailed || kind == .generationDamaged
        self.activeRun?.progress.end(state, reason: isTrouble ? reason ?? message : nil)
        guard let record = self.activeRun?.progress.record else { return }
        await notifier.note(record)
        before()
        recorder.recordEnd(
            of: record, kind: kind, message, corpora: activeRun.corpora, goesOn: !activeRun.isRefused)
        Task { [notifier] in await notifier.deliver() }
    }
}
