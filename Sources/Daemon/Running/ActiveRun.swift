import AsyncSupport
import Formatting
import Jobs
import LimitedLogging
import Database
import Scheduling
import Supervision
import Varlink

/// One run from its job to its end: what it is told to do, what it says, and how it is recorded.
extension TrainingService {
    /// Prepares the job, and records what it reads.
    func begin(_ start: Start) throws -> Job {
        let job = try prepare(start)
        activeRun?.progress.begin(generation: job.generation)
        activeRun?.corpora = job.corpora.map(\.sha256)
        record(activeRun!.progress.record, corpora: activeRun?.corpora)
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
        try MissingCorpus.check(corpora)
        let job = directory.makeJob(run: start.entry.run, model: model, corpora: corpora)
        let last = try metrics.runs(model: model.name, states: [.finished, .failed, .cancelled], limit: 1).first
        if let last, last.state != .finished, try directory.adoptCheckpoints(last.id, for: job) {
            journal.report(
                ServiceEvent(
                    .runResumed, "\(job.run) goes on where \(last.id) was \(last.state.rawValue)", model: model.name,
                    run: job.run, fields: ["from": .string(last.id)]))
            return job
        }
        try directory.write(job)
        return job
    }

    func supervise(_ job: Job) async -> RunSupervisor.Outcome {
        guard let leave = activeRun?.leave else { preconditionFailure("no run is under way") }
        return await withLeave(leave) {
            await self.supervisor.supervise(job, at: self.directory.job(of: job.run), leave: leave) { line in
                await self.received(line, from: job)
            } onCrash: { death in
                await self.crashed(death, job.run, job.model)
            }
        }
    }

    /// Opens `leave` when the service stops while `body` goes on.
    func withLeave<Outcome: Sendable>(_ leave: Latch, _ body: @escaping @Sendable () async -> Outcome) async
        -> Outcome
    {
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
        switch event.payload {
        case .published(let published): activeRun?.modelSha256 = published.modelSha256
        case .step(let step):
            journal.attempt("a step is not recorded") {
                try metrics.record([StepRecord(step, of: job.run, at: event.time)])
            }
            if step.log, let record = activeRun?.progress.record { self.record(record) }
        case .evaluation(let evaluation):
            journal.attempt("an evaluation is not recorded") {
                try metrics.record(EvaluationRecord(evaluation, of: job.run, at: event.time))
            }
        case .started:
            if let record = activeRun?.progress.record { self.record(record) }
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

    func crashed(_ death: RunSupervisor.Crash, _ run: String, _ model: String) {
        let cause = RunSupervisor.describe(death.cause, death.lastLines)
        journal.report(
            ServiceEvent(
                .runDied,
                "\(run) died (\(cause)); restart \(death.restart) of "
                    + "\(settings.training.maxRestarts) in \(MessageFormat.duration(death.waitSeconds))",
                model: model, run: run, corpus: death.corpus,
                fields: [
                    "reason": .string(death.cause), "restart": .int(death.restart),
                    "last_lines": .array(death.lastLines.map(JSONValue.string)),
                ]))
    }

    func end(_ state: RunRecord.State, kind: EventKind, _ message: String, reason: String? = nil, model: String) {
        guard var progress = activeRun?.progress else { preconditionFailure("no run is under way") }
        let isTrouble = kind == .runFailed || kind == .generationDamaged
        progress.end(state, reason: isTrouble ? reason ?? message : nil)
        if state != .interrupted {
            journal.attempt("the end of \(progress.record.id) is not written") {
                try RunEnding(
                    state: state, reason: progress.record.reason, goesOn: activeRun?.isRefused == false
                ).write(directory.run(progress.record.id))
            }
        }
        activeRun?.progress = progress
        // With the corpora once more: without them the next life would train on the same again.
        record(progress.record, corpora: activeRun?.corpora)
        var fields: [String: JSONValue] = ["step": .int(progress.record.step)]
        fields["reason"] = progress.record.reason.map(JSONValue.string)
        fields["generation"] = progress.record.generation.map(JSONValue.int)
        journal.report(ServiceEvent(kind, message, model: model, run: progress.record.id, fields: fields))
    }

    var supervisor: RunSupervisor {
        // A file system whose size cannot be read reports its errors when something is written.
        let reserve = (try? settings.retention.reserve(at: directory.root)) ?? 0
        return RunSupervisor(program: program, configuration: .init(settings.training, diskReserve: reserve))
    }
}

extension RunSupervisor.Configuration {
    init(_ settings: TrainingSettings, diskReserve: Int) {
        self.init(
            maxRestarts: settings.maxRestarts, restartWaitSeconds: settings.restartWaitSeconds,
            stopSeconds: settings.stopSeconds, stallSeconds: settings.stallSeconds, nice: settings.nice,
            oomScoreAdjust: settings.oomScoreAdjust, memoryLimit: settings.memoryLimit, diskReserve: diskReserve)
    }
}
