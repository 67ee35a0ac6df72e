import AsyncSupport
import Durable
import Formatting
import FoundationEssentials
import Interface
import Jobs
import LimitedLogging
import Database
import Scheduling
import ServiceLifecycle
import Supervision
import Systemd
import Varlink

/// Trains: carries out what the scheduler decides, one run at a time, and publishes what comes of it.
public actor TrainingService: Service {
    private nonisolated let live: ReloadableSettings
    nonisolated var settings: Settings { live.current }
    let directory: StateDirectory
    let metrics: StateStore
    let journal: EventJournal
    let registry: ModelRegistry
    let admitted: CorpusCatalog
    /// The path of `kantaibert-train`.
    let program: String
    /// Generations that someone has asked to serve, while they are opened.
    var opening: [String: Set<Int>] = [:]

    var scheduler = Scheduler(models: [])
    private nonisolated let starts = AsyncStream.makeStream(of: Start.self)
    nonisolated let stopping = Latch()
    private var alarm: Task<Void, Never>?
    var activeRun: ActiveRun?
    private var memory: ScheduleStateFile
    private let clockDoubt = Once()
    private var statusRate = RateLimiter()
    var stepRate = RateLimiter()

    struct Start: Sendable {
        var entry: Scheduler.Entry
        var resumes: Bool
    }

    struct ActiveRun {
        var progress: RunProgress
        /// What the run is trained on, once it has a job.
        var corpora: [String]?
        let leave = Latch()
        var isCancelled = false
        /// Its window has closed.
        var isPausing = false
        /// What it has is of no use to another run.
        var isRefused = false
        /// SHA-256 of the corpus that it has failed of.
        var faultyCorpus: String?
        /// Of the model it has published, as the run says.
        var modelSha256: String?
    }

    /// - Parameter program: the path of `kantaibert-train`
    package init(
        settings: ReloadableSettings, directory: StateDirectory, metrics: StateStore, journal: EventJournal,
        registry: ModelRegistry, admitted: CorpusCatalog, program: String
    ) {
        live = settings
        self.directory = directory
        self.metrics = metrics
        self.journal = journal
        self.registry = registry
        self.admitted = admitted
        self.program = program
        memory = ScheduleStateFile(path: directory.schedule)
    }

    /// Trains until the service is told to stop; the run under way then writes a checkpoint and goes on next time.
    public func run() async throws {
        try await withGracefulShutdownHandler {
            judgeCandidates()
            prune()
            perform(try resume())
            for await start in starts.stream where !stopping.isOpen { await carryOut(start) }
            // The group takes it amiss when a service ends before its turn.
            try await gracefulShutdown()
        } onGracefulShutdown: {
            self.stop()
        }
        alarm?.cancel()
    }

    /// Lets the run under way checkpoint and leave, and begins no other. `run` returns when that is done.
    nonisolated func stop() {
        stopping.open()
        starts.continuation.finish()
    }

    /// Puts the scheduler together from what earlier lives of the service have left.
    private func resume() throws -> [Scheduler.Action] {
        var unfinished: [Scheduler.Entry] = []
        for record in try metrics.runs(states: [.queued, .running, .interrupted]).reversed() {
            guard settings.model(named: record.model) != nil else { continue }
            let corpora = try? directory.readJob(of: record.id).corpora.map(\.sha256)
            unfinished.append(Scheduler.Entry(run: record.id, model: record.model, corpora: corpora))
        }
        // Runs that have begun come before those that wait.
        unfinished = unfinished.filter { $0.corpora != nil } + unfinished.filter { $0.corpora == nil }
        let names = Set(directory.runNames() + (try metrics.runs().map(\.id)))
        let local = TimeZoneRules.local()
        scheduler = Scheduler(
            models: try settings.models.map { model in
                let ended = try metrics.runs(model: model.name, states: [.finished, .failed, .cancelled])
                let finished = ended.first { $0.state == .finished }
                let numbers = names.compactMap { name -> Int? in
                    guard name.hasPrefix("\(model.name)-") else { return nil }
                    return Int(name.dropFirst(model.name.count + 1))
                }
                let learned = Set(try finished.map { try metrics.corpora(ofRun: $0.id) } ?? [])
                let attempted = Set(try ended.first.map { try metrics.corpora(ofRun: $0.id) } ?? [])
                return Scheduler.Model(
                    name: model.name, schedule: TrainingSchedule(model.schedule, local: local),
                    eligibleCorpora: try metrics.corpora(feeding: model.name).map(\.sha256), learned: learned,
                    // One that failed of a corpus that was set aside has tried none of the others.
                    attempted: attempted.isEmpty ? learned : attempted,
                    nextNumber: (numbers.max() ?? 0) + 1)
            })
        var remembered = Scheduler.PersistedState()
        journal.attempt("the schedule begins anew") { remembered = try memory.load() }
        return scheduler.start(unfinished: unfinished, memory: remembered, now: .now)
    }

    func perform(_ actions: [Scheduler.Action]) {
        for action in actions {
            switch action {
            case .enqueued(let entry):
                guard entry.corpora == nil else { continue }
                record(RunRecord(id: entry.run, model: entry.model))
                journal.report(
                    ServiceEvent(.runQueued, "\(entry.run) is queued", model: entry.model, run: entry.run))
            case .start(let entry, let resumes):
                activeRun = ActiveRun(progress: RunProgress(priorRecord(entry)))
                starts.continuation.yield(Start(entry: entry, resumes: resumes))
            case .wake(let time):
                alarm?.cancel()
                alarm = Task {
                    guard (try? await Task.sleep(until: time)) != nil else { return }
                    self.tick()
                }
            case .pause:
                activeRun?.isPausing = true
                activeRun?.leave.open()
            case .stop:
                activeRun?.isCancelled = true
                activeRun?.leave.open()
            case .dropped(let entry):
                var progress = RunProgress(priorRecord(entry))
                progress.end(.cancelled)
                record(progress.record)
                admitted.sweep()
                journal.report(
                    ServiceEvent(.runCancelled, "\(entry.run) is cancelled", model: entry.model, run: entry.run))
            case .skipped(let model, let skip): journal.report(event(skip, of: model))
            }
        }
        // After the runs: a time that is not remembered comes again, and finds its run queued.
        journal.attempt("what the schedule remembers is not written") { try memory.save(scheduler.memory) }
    }

    func event(_ skip: Scheduler.SkipReason, of model: String) -> ServiceEvent {
        let reason =
            switch skip {
            case .noCorpus: "no text has come"
            case .nothingNew: nothingNew(model)
            case .activeRun(let run): "\(run) learns from everything there is"
            }
        return ServiceEvent(
            .scheduleSkipped, "\(model): its time has come, but \(reason)", model: model,
            fields: ["reason": .string(reason)])
    }

    /// Why there is nothing to train the model on.
    nonisolated func nothingNew(_ model: String) -> String {
        let last = try? metrics.runs(model: model, states: [.finished, .failed, .cancelled], limit: 1).first
        return "nothing new has come" + (last.map { " since \($0.id), which is \($0.state.rawValue)" } ?? "")
    }

    private func tick() {
        perform(scheduler.tick(now: .now))
    }

    private func carryOut(_ start: Start) async {
        let run = start.entry.run
        let outcome: RunSupervisor.Outcome
        var job: Job?
        do {
            let made = try await withDiskRetry("\(run) has no job") { try admitted.undisturbed { try begin(start) } }
            job = made
            outcome = await supervise(made)
            // A run that has another life clears up itself, but who knows whether this one has.
            journal.attempt("\(run) has left something half written") { try directory.clearLeftovers(of: made) }
        } catch {
            outcome = stopping.isOpen ? .left : .failed(reason: "\(error)")
        }
        let isPublished = await conclude(outcome, run: run, model: start.entry.model, job: job)
        let goesOn = outcome == .left && activeRun?.isCancelled == false
        let faultyCorpus = activeRun?.faultyCorpus
        activeRun = nil
        prune()
        admitted.sweep()
        // The scheduler of the next life finds an interrupted run by its record.
        guard outcome != .left || !stopping.isOpen else { return }
        if let faultyCorpus {
            perform(scheduler.setAside(faultyCorpus, run: run, now: .now))
        } else {
            perform(
                goesOn ? scheduler.paused(run, now: .now) : scheduler.ended(run, published: isPublished, now: .now))
        }
        tellStatus()
    }

    /// Does what a disk may refuse for a while: again after waits that grow as those between the lives of a run.
    func withDiskRetry<Value: Sendable>(
        _ consequence: String, _ body: () async throws -> Value
    ) async throws -> Value {
        var wait = settings.training.restartWaitSeconds
        for _ in 0..<settings.training.maxRestarts {
            do {
                return try await body()
            } catch let error as DurableError {
                journal.report(
                    ServiceEvent(.problem, "\(consequence): \(error); again in \(MessageFormat.duration(wait))"))
                if await stopping.wait(atMost: .seconds(wait)) { throw error }
                wait *= 4
            }
        }
        return try await body()
    }

    private func priorRecord(_ entry: Scheduler.Entry) -> RunRecord {
        (try? metrics.run(entry.run)) ?? RunRecord(id: entry.run, model: entry.model)
    }

    /// - Returns: whether the run's model serves
    func conclude(_ outcome: RunSupervisor.Outcome, run: String, model: String, job: Job?) async -> Bool {
        switch outcome {
        case .published:
            guard let job else { preconditionFailure("a run without a job has published") }
            return await conclude(job)
        case .left where activeRun?.isCancelled == true:
            end(.cancelled, kind: .runCancelled, "\(run) is cancelled", model: model)
        case .left where activeRun?.isPausing == true:
            end(.interrupted, kind: .runPaused, "\(run) pauses, its window has closed", model: model)
        case .left:
            end(.interrupted, kind: .runInterrupted, "\(run) goes on when the service is back", model: model)
        case .failed(let reason, let corpus), .refused(let reason, let corpus):
            if case .refused = outcome { activeRun?.isRefused = true }
            if let corpus, job?.corpora.contains(where: { $0.sha256 == corpus }) == true {
                setAside(corpus, because: reason, run: run, model: model)
            }
            end(.failed, kind: .runFailed, "\(run) failed: \(reason)", reason: reason, model: model)
        }
        return false
    }

    func record(_ run: RunRecord, corpora: [String]? = nil) {
        journal.attempt("run \(run.id) is not recorded") { try metrics.save(run, corpora: corpora) }
    }

    func prune() {
        Pruner(settings: settings, directory: directory, metrics: metrics, journal: journal, doubt: clockDoubt)
            .prune(held: opening)
    }

    /// One line for `systemctl status`, at most once a second: a manager that is slow to read holds its writers up.
    func tellStatus() {
        guard let progress = activeRun?.progress else {
            let waiting = scheduler.queue.first.map { "\($0.run) waits for its window" }
            return SystemdNotify.status(waiting ?? "Waiting for text")
        }
        guard statusRate.allowsLine() else { return }
        SystemdNotify.status(progress.statusText)
    }
}
