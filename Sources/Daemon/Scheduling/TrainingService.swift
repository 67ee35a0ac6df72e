import Durable
import FoundationEssentials
import Interface
import Jobs
import Records
import ServiceLifecycle
import Systemd
import Varlink

/// Trains: carries out what the scheduler decides, one run at a time, and publishes what comes of it.
public actor TrainingService: Service {
    private nonisolated let live: LiveSettings
    nonisolated var settings: Settings { live.current }
    private let directory: StateDirectory
    private let metrics: MetricsStore
    private let journal: EventJournal
    private let registry: ModelRegistry
    private let admitted: AdmittedCorpora
    /// The path of `kantaibert-train`.
    private let program: String
    /// Generations that someone has asked to serve, while they are opened.
    private var opening: [String: Set<Int>] = [:]

    private var scheduler = Scheduler(models: [])
    private nonisolated let starts = AsyncStream.makeStream(of: Start.self)
    private nonisolated let stopping = Latch()
    private var alarm: Task<Void, Never>?
    private var underWay: UnderWay?
    private var memory: ScheduleMemory
    private var statusRate = LineRate()
    private var stepRate = LineRate()

    private struct Start: Sendable {
        var entry: Scheduler.Entry
        var resumes: Bool
    }

    private struct UnderWay {
        var progress: RunProgress
        /// What the run is trained on, once it has a job.
        var corpora: [String]?
        let leave = Latch()
        var isCancelled = false
        /// Its window has closed.
        var isPausing = false
        /// What it has is of no use to another run.
        var isRefused = false
        /// Of the model it has published, as the run says.
        var modelSha256: String?
    }

    /// - Parameter program: the path of `kantaibert-train`
    package init(
        settings: LiveSettings, directory: StateDirectory, metrics: MetricsStore, journal: EventJournal,
        registry: ModelRegistry, admitted: AdmittedCorpora, program: String
    ) {
        live = settings
        self.directory = directory
        self.metrics = metrics
        self.journal = journal
        self.registry = registry
        self.admitted = admitted
        self.program = program
        memory = ScheduleMemory(path: directory.schedule)
    }

    // MARK: Running

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
                return Scheduler.Model(
                    name: model.name, schedule: Schedule(model.schedule, local: local),
                    fed: try metrics.corpora(feeding: model.name).map(\.sha256),
                    learned: Set(try finished.map { try metrics.corpora(ofRun: $0.id) } ?? []),
                    attempted: Set(try ended.first.map { try metrics.corpora(ofRun: $0.id) } ?? []),
                    nextNumber: (numbers.max() ?? 0) + 1)
            })
        var remembered = Scheduler.Memory()
        journal.attempt("the schedule begins anew") { remembered = try memory.load() }
        return scheduler.start(unfinished: unfinished, memory: remembered, now: .now)
    }

    private func perform(_ actions: [Scheduler.Action]) {
        for action in actions {
            switch action {
            case .enqueued(let entry):
                guard entry.corpora == nil else { continue }
                record(RunRecord(id: entry.run, model: entry.model))
                journal.report(
                    ServiceEvent(.runQueued, "\(entry.run) is queued", model: entry.model, run: entry.run))
            case .start(let entry, let resumes):
                underWay = UnderWay(progress: RunProgress(priorRecord(entry)))
                starts.continuation.yield(Start(entry: entry, resumes: resumes))
            case .wake(let time):
                alarm?.cancel()
                alarm = Task {
                    guard (try? await Task.sleep(until: time)) != nil else { return }
                    self.tick()
                }
            case .pause:
                underWay?.isPausing = true
                underWay?.leave.open()
            case .stop:
                underWay?.isCancelled = true
                underWay?.leave.open()
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

    private func event(_ skip: Scheduler.Skip, of model: String) -> ServiceEvent {
        let reason =
            switch skip {
            case .noCorpus: "no text has come"
            case .nothingNew: nothingNew(model)
            case .underWay(let run): "\(run) learns from everything there is"
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
            let made = try await patiently("\(run) has no job") { try admitted.undisturbed { try begin(start) } }
            job = made
            outcome = await supervise(made)
            // A run that has another life clears up itself, but who knows whether this one has.
            journal.attempt("\(run) has left something half written") { try directory.clearLeftovers(of: made) }
        } catch {
            outcome = stopping.isOpen ? .left : .failed(reason: "\(error)")
        }
        let isPublished = await conclude(outcome, run: run, model: start.entry.model, job: job)
        let goesOn = outcome == .left && underWay?.isCancelled == false
        underWay = nil
        prune()
        admitted.sweep()
        // The scheduler of the next life finds an interrupted run by its record.
        guard outcome != .left || !stopping.isOpen else { return }
        perform(
            goesOn ? scheduler.paused(run, now: .now) : scheduler.ended(run, published: isPublished, now: .now))
        tellStatus()
    }

    /// Does what a disk may refuse for a while: again after waits that grow as those between the lives of a run.
    private func patiently<Value: Sendable>(
        _ consequence: String, _ body: () async throws -> Value
    ) async throws -> Value {
        var wait = settings.training.restartWaitSeconds
        for _ in 0..<settings.training.maxRestarts {
            do {
                return try await body()
            } catch let error as DurableError {
                journal.report(
                    ServiceEvent(.problem, "\(consequence): \(error); again in \(Wording.duration(wait))"))
                if await stopping.wait(atMost: .seconds(wait)) { throw error }
                wait *= 4
            }
        }
        return try await body()
    }

    private func priorRecord(_ entry: Scheduler.Entry) -> RunRecord {
        (try? metrics.run(entry.run)) ?? RunRecord(id: entry.run, model: entry.model)
    }

    /// Prepares the job, and records what it reads.
    private func begin(_ start: Start) throws -> Job {
        let job = try prepare(start)
        underWay?.progress.begin(generation: job.generation)
        underWay?.corpora = job.corpora.map(\.sha256)
        record(underWay!.progress.record, corpora: underWay?.corpora)
        return job
    }

    private func prepare(_ start: Start) throws -> Job {
        if start.resumes { return try directory.readJob(of: start.entry.run) }
        guard let model = settings.model(named: start.entry.model) else {
            preconditionFailure("\(start.entry.model) is scheduled, but not in the settings")
        }
        let wanted = start.entry.corpora ?? []
        let known = Dictionary(
            try metrics.corpora(feeding: model.name).map { ($0.sha256, $0) }, uniquingKeysWith: { first, _ in first })
        let corpora = try wanted.compactMap { known[$0] }.map {
            try JobCorpus($0, in: directory)
        }
        let job = directory.makeJob(run: start.entry.run, model: model, corpora: corpora)
        let last = try metrics.runs(model: model.name, states: [.finished, .failed, .cancelled], limit: 1).first
        if let last, last.state != .finished, try directory.takeOver(last.id, for: job) {
            journal.report(
                ServiceEvent(
                    .runResumed, "\(job.run) goes on where \(last.id) was \(last.state.rawValue)", model: model.name,
                    run: job.run, fields: ["from": .string(last.id)]))
            return job
        }
        try directory.write(job)
        return job
    }

    private func supervise(_ job: Job) async -> RunSupervisor.Outcome {
        guard let leave = underWay?.leave else { preconditionFailure("no run is under way") }
        return await withLeave(leave) {
            await self.supervisor.supervise(job, at: self.directory.job(of: job.run), leave: leave) { line in
                await self.received(line, from: job)
            } onDeath: { death in
                await self.died(death, job.run, job.model)
            }
        }
    }

    /// Opens `leave` when the service stops while `body` goes on.
    private func withLeave<Outcome: Sendable>(_ leave: Latch, _ body: @escaping @Sendable () async -> Outcome) async
        -> Outcome
    {
        let watch = Task { [stopping] in
            await stopping.wait()
            if stopping.isOpen { leave.open() }
        }
        defer { watch.cancel() }
        return await body()
    }

    // MARK: What a run says, and what becomes of it

    private func received(_ line: Result<RunEvent, NotAnEvent>, from job: Job) {
        let event: RunEvent
        switch line {
        case .success(let decoded): event = decoded
        case .failure(let error):
            return journal.report(ServiceEvent(.problem, "\(job.run): \(error)", model: job.model, run: job.run))
        }
        underWay?.progress.note(event)
        switch event.payload {
        case .published(let published): underWay?.modelSha256 = published.modelSha256
        case .step(let step):
            journal.attempt("a step is not recorded") {
                try metrics.record([StepRecord(step, of: job.run, at: event.time)])
            }
            if step.log, let record = underWay?.progress.record { self.record(record) }
        case .evaluation(let evaluation):
            journal.attempt("an evaluation is not recorded") {
                try metrics.record(EvaluationRecord(evaluation, of: job.run, at: event.time))
            }
        case .started:
            if let record = underWay?.progress.record { self.record(record) }
        default: break
        }
        tellStatus()
        guard let told = ServiceEvent(event, of: job) else { return }
        if case .step(let step) = event.payload {
            journal.reportStep(told, isLogged: step.log && stepRate.allowsLine())
        } else {
            journal.report(told)
        }
    }

    private func died(_ death: RunSupervisor.Death, _ run: String, _ model: String) {
        let last = death.lastLines.last.map { ": \($0)" } ?? ""
        journal.report(
            ServiceEvent(
                .runDied,
                "\(run) died (\(death.cause)\(last)); restart \(death.restart) of "
                    + "\(settings.training.maxRestarts) in \(Wording.duration(death.waitSeconds))",
                model: model, run: run,
                fields: [
                    "reason": .string(death.cause), "restart": .int(death.restart),
                    "last_lines": .array(death.lastLines.map(JSONValue.string)),
                ]))
    }

    /// - Returns: whether the run's model serves
    private func conclude(_ outcome: RunSupervisor.Outcome, run: String, model: String, job: Job?) async -> Bool {
        switch outcome {
        case .published:
            guard let job else { preconditionFailure("a run without a job has published") }
            return await conclude(job)
        case .left where underWay?.isCancelled == true:
            end(.cancelled, kind: .runCancelled, "\(run) is cancelled", model: model)
        case .left where underWay?.isPausing == true:
            end(.interrupted, kind: .runPaused, "\(run) pauses, its window has closed", model: model)
        case .left:
            end(.interrupted, kind: .runInterrupted, "\(run) goes on when the service is back", model: model)
        case .failed(let reason), .refused(let reason):
            underWay?.isRefused = outcome == .refused(reason: reason)
            end(.failed, kind: .runFailed, "\(run) failed: \(reason)", reason: reason, model: model)
        }
        return false
    }

    /// Brings what a run has published to the gate.
    /// - Returns: whether the run is finished
    private func conclude(_ job: Job) async -> Bool {
        guard let leave = underWay?.leave else { preconditionFailure("no run is under way") }
        let (run, model, number) = (job.run, job.model, job.generation)
        let gate = gate
        let candidate = Gate.Candidate(
            model: model, generation: number, run: run, modelSha256: underWay?.modelSha256)
        let outcome: Gate.Outcome
        do {
            outcome = try await patiently("generation \(number) of \(model) does not serve") {
                let outcome = await withLeave(leave) {
                    await gate.pass(candidate, leave: leave) { death in await self.died(death, run, model) }
                }
                if case .unable(let error) = outcome { throw error }
                return outcome
            }
        } catch {
            // It is whole; where `current` cannot point to it today, the next life of the service tries again.
            end(
                .interrupted, kind: .problem,
                "\(run) is finished, but generation \(number) cannot serve yet: \(error)", model: model)
            return false
        }
        switch outcome {
        case .serves(let serving):
            // Before it is told that the model serves: who hears of that finds its run finished.
            end(.finished, kind: .runFinished, "\(run) is finished: generation \(number)", model: model)
            if let serving { announce(serving, run: run) }
        case .rejected(let verdict):
            end(.finished, kind: .runFinished, "\(run) is finished: generation \(number)", model: model)
            reject(model, number, verdict, run: run)
        case .unjudged(let reason):
            end(.finished, kind: .runFinished, "\(run) is finished: generation \(number)", model: model)
            leaveCandidate(model, number, reason, run: run)
        case .damaged(let reason):
            end(
                .failed, kind: .generationDamaged, "generation \(number) of \(model) cannot serve: \(reason)",
                model: model)
            return false
        case .left, .unable:
            return await conclude(.left, run: run, model: model, job: job)
        }
        return true
    }

    private func reject(_ model: String, _ number: Int, _ verdict: PromotionVerdict, run: String?) {
        journal.attempt("generation \(number) of \(model) is not recorded") {
            var record =
                try metrics.generation(number, of: model)
                ?? directory.record(ofGeneration: number, of: model, state: .rejected)
            record.state = .rejected
            record.take(verdict)
            try metrics.save(record)
        }
        journal.report(
            ServiceEvent(
                .generationRejected, "\(model) \(number) does not serve: \(verdict.reason); promote it to overrule",
                model: model, run: run, fields: ["generation": .int(number), "reason": .string(verdict.reason)]))
    }

    private func leaveCandidate(_ model: String, _ number: Int, _ reason: String, run: String?) {
        journal.report(
            ServiceEvent(
                .generationRejected,
                "\(model) \(number) could not be judged and stays a candidate: \(reason); promote it to overrule, or it is "
                    + "judged again at the next start",
                model: model, run: run, fields: ["generation": .int(number), "reason": .string(reason)]))
    }

    private func end(_ state: RunRecord.State, kind: EventKind, _ message: String, reason: String? = nil, model: String)
    {
        guard var progress = underWay?.progress else { preconditionFailure("no run is under way") }
        let isTrouble = kind == .runFailed || kind == .generationDamaged
        progress.end(state, reason: isTrouble ? reason ?? message : nil)
        if state != .interrupted {
            journal.attempt("the end of \(progress.record.id) is not written") {
                try RunEnding(
                    state: state, reason: progress.record.reason, goesOn: underWay?.isRefused == false
                ).write(directory.run(progress.record.id))
            }
        }
        underWay?.progress = progress
        // With the corpora once more: without them the next life would train on the same again.
        record(progress.record, corpora: underWay?.corpora)
        var fields: [String: JSONValue] = ["step": .int(progress.record.step)]
        fields["reason"] = progress.record.reason.map(JSONValue.string)
        fields["generation"] = progress.record.generation.map(JSONValue.int)
        journal.report(ServiceEvent(kind, message, model: model, run: progress.record.id, fields: fields))
    }

    private func announce(_ serving: ServingModel, run: String?) {
        journal.attempt("generation \(serving.generation) of \(serving.name) is not recorded") {
            try metrics.save(serving.record(run: run))
        }
        journal.report(serving.event(run: run))
    }

    private func record(_ run: RunRecord, corpora: [String]? = nil) {
        journal.attempt("run \(run.id) is not recorded") { try metrics.save(run, corpora: corpora) }
    }

    private var supervisor: RunSupervisor { RunSupervisor(program: program, settings: settings.training) }

    private var gate: Gate {
        Gate(
            directory: directory, metrics: metrics, journal: journal, registry: registry, supervisor: supervisor,
            tolerance: settings.promotion.tolerance)
    }

    private func prune() {
        Pruner(settings: settings, directory: directory, metrics: metrics, journal: journal).prune(held: opening)
    }

    /// One line for `systemctl status`, at most once a second: a manager that is slow to read holds its writers up.
    private func tellStatus() {
        guard let progress = underWay?.progress else {
            let waiting = scheduler.queue.first.map { "\($0.run) waits for its window" }
            return SystemdNotify.status(waiting ?? "Waiting for text")
        }
        guard statusRate.allowsLine() else { return }
        SystemdNotify.status(progress.statusText)
    }

    // MARK: What others ask

    /// A corpus has been admitted for these models.
    public func corpusAdmitted(_ sha256: String, for models: [String]) {
        perform(scheduler.corpusAdmitted(sha256, for: models, now: .now))
    }

    /// The settings have been read again: what waits for its time waits as they say now.
    func settingsChanged() {
        let local = TimeZoneRules.local()
        for model in settings.models {
            perform(scheduler.reschedule(model.name, Schedule(model.schedule, local: local), now: .now))
        }
    }

    /// A corpus has been taken out.
    public func corpusRemoved(_ sha256: String) {
        scheduler.corpusRemoved(sha256)
    }

    /// A run now, whatever the schedule says.
    /// - Returns: the run's name; it may be one that waits already
    public func train(_ model: String, force: Bool) throws(Scheduler.Refusal) -> String {
        let (run, actions) = try scheduler.train(model, force: force, now: .now).get()
        perform(actions)
        return run
    }

    /// - Returns: false where no such run waits or is under way
    public func cancel(_ run: String) -> Bool {
        guard let actions = scheduler.cancel(run, now: .now) else { return false }
        perform(actions)
        return true
    }

    /// The way back, or forward, to a generation that exists.
    public func promote(_ model: String, to generation: Int) async throws {
        opening[model, default: []].insert(generation)
        defer { opening[model]?.remove(generation) }
        guard let serving = try await registry.promote(model, to: generation) else { return }
        announce(serving, run: nil)
        opening[model]?.remove(generation)
        prune()
    }

    /// Gives a model directory that was written aside the next number, and brings it to the gate, with what is held out of
    /// the model's newest run. Where nothing serves yet, or no run has a job, it serves at once.
    /// - Returns: what it is by now: a candidate while the gate is at work
    /// - Throws: `DurableError` or `InferenceError`; the folder aside is gone, and what served before goes on.
    func adopt(_ aside: String, as model: String) async throws -> GenerationRecord {
        let number: Int
        do {
            // Nothing is awaited between the number's choice and the name's: no job can take the same one.
            let planned = try metrics.runs(model: model, states: [.queued, .running, .interrupted]).compactMap(
                \.generation)
            number = max(directory.generations(of: model).last ?? 0, planned.max() ?? 0) + 1
            try Durable.publishDirectory(aside, as: directory.generation(number, of: model))
        } catch {
            try? Durable.removeTree(aside)
            throw error
        }
        opening[model, default: []].insert(number)
        var isAtTheGate = false
        defer { if !isAtTheGate { opening[model]?.remove(number) } }
        if directory.currentGeneration(of: model) != nil, newestJob(of: model) != nil {
            let record = try await Blocking.run { [directory] in
                try directory.record(ofGeneration: number, of: model, state: .candidate)
            }
            try metrics.save(record)
            isAtTheGate = true
            Task { await self.judge(model, number) }
            return record
        }
        guard let serving = try await registry.promote(model, to: number) else {
            throw ManagerInterface.GenerationNotFound(model: model, generation: number)
        }
        announce(serving, run: nil)
        return serving.record(run: nil)
    }

    /// The newest job of a model whose texts are all there still; else the newest that can be read.
    private func newestJob(of model: String) -> Job? {
        let runs = (try? metrics.runs(model: model)) ?? []
        let jobs = runs.lazy.compactMap { try? self.directory.readJob(of: $0.id) }
        return jobs.first { $0.corpora.allSatisfy { FileManager.default.fileExists(atPath: $0.path) } } ?? jobs.first
    }

    /// Brings the generations to the gate that an earlier life of the service did not see through it: imported ones, and
    /// those whose judges had failed. One that is older than what serves has had its time; a run's own is the run's to
    /// bring.
    private func judgeCandidates() {
        for model in settings.models.map(\.name) {
            journal.attempt("the candidates of \(model) are not judged") {
                let planned = try metrics.runs(model: model, states: [.queued, .running, .interrupted])
                    .compactMap(\.generation)
                let serving = directory.currentGeneration(of: model) ?? 0
                let candidates = try metrics.generations(of: model).filter {
                    $0.state == .candidate && $0.number > serving && !planned.contains($0.number)
                }.map(\.number)
                guard !candidates.isEmpty else { return }
                opening[model, default: []].formUnion(candidates)
                Task { for number in candidates.sorted() { await self.judge(model, number) } }
            }
        }
    }

    /// Brings a generation to the gate that no run under way brings.
    private func judge(_ model: String, _ number: Int) async {
        let (leave, gate) = (Latch(), gate)
        let run = newestJob(of: model)?.run
        let candidate = Gate.Candidate(model: model, generation: number, run: run)
        let outcome = await withLeave(leave) {
            await gate.pass(candidate, leave: leave) { death in
                await self.died(death, run ?? "the judge of \(model) \(number)", model)
            }
        }
        switch outcome {
        case .serves(let serving): if let serving { announce(serving, run: nil) }
        case .rejected(let verdict): reject(model, number, verdict, run: nil)
        case .unjudged(let reason): leaveCandidate(model, number, reason, run: nil)
        case .damaged(let reason):
            journal.report(
                ServiceEvent(
                    .generationDamaged, "generation \(number) of \(model) cannot serve: \(reason)", model: model))
        case .unable(let error): leaveCandidate(model, number, "\(error)", run: nil)
        // The next life of the service judges it.
        case .left: return
        }
        opening[model]?.remove(number)
        prune()
    }

    /// The run that has its turn.
    public var current: RunRecord? {
        underWay?.progress.record ?? scheduler.running.map { RunRecord(id: $0.run, model: $0.model) }
    }

    public var queued: [Scheduler.Entry] { scheduler.queue }

    /// What the schedule has in mind for a model.
    public func outlook(_ model: String) -> Scheduler.Outlook? { scheduler.outlook(model, now: .now) }
}
