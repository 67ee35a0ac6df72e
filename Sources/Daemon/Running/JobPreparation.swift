import Events
import Jobs
import Database
import Scheduling
import Settings
import Varlink

/// Prepares the job of a run that is about to start.
struct JobPreparation: Sendable {
    let settings: Settings
    let directory: StateDirectory
    let metrics: StateStore
    let journal: EventJournal

    /// Returns the job of a run: the existing one if it resumes, or else a new one with the corpora that the run was queued for.
    /// A new job continues from the checkpoint of a cancelled or failed run with the same work.
    /// - Throws: `MissingCorpus`, `DurableError`, `JobError`, `MetricsError`
    func job(for entry: Scheduler.Entry, resumes: Bool) throws -> Job {
        if resumes { return try directory.readJob(of: entry.run) }
        guard let model = settings.model(named: entry.model) else {
            preconditionFailure("\(entry.model) is scheduled, but not in the settings")
        }
        let known = Dictionary(
            try metrics.corpora(feeding: model.name).map { ($0.sha256, $0) }, uniquingKeysWith: { first, _ in first })
        let corpora = try (entry.corpora ?? []).compactMap { known[$0] }.map { try JobCorpus($0, in: directory) }
        try MissingCorpus.check(corpora)
        let job = directory.makeJob(run: entry.run, model: model, corpora: corpora)
        let last = try metrics.runs(model: model.name, states: RunRecord.State.ended, limit: 1).first
        if let last, last.state != .finished, try directory.adoptCheckpoints(last.id, for: job) {
            journal.report(
                ServiceEvent(
                    .runResumed, "\(job.run) continues \(last.id), which was \(last.state.rawValue)",
                    model: model.name, run: job.run, fields: ["from": .string(last.id)]))
            return job
        }
        try directory.write(job)
        return job
    }
}
