import Crypto
import Database
import Digests
import Events
import Formatting
import Jobs
import Models
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
        var job = directory.makeJob(run: entry.run, model: model, corpora: corpora)
        let decision = StartDecision(model.startOfJob, job: job, serving: serving(model.name))
        if case .previous(let start, _) = decision { job.start = start }
        report(decision, model.startOfJob, of: job)
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

    /// Returns the generation that serves, with the known facts about its training.
    private func serving(_ model: String) -> StartDecision.Serving {
        guard let number = directory.currentGeneration(of: model) else { return .nothing }
        let folder = directory.generation(number, of: model)
        do {
            guard let facts = try TrainingFacts.read(directory: folder) else { return .imported(number) }
            let recorded = (try? metrics.generation(number, of: model))?.modelSha256
            return .generation(
                .init(
                    number: number, directory: folder,
                    modelSha256: try recorded
                        ?? SHA256.hash(ofFile: "\(folder)/\(ModelDirectory.weightsFile)").hexadecimal,
                    facts: facts, architecture: try .trained("\(folder)/\(ModelDirectory.configurationFile)"),
                    rejectedSuccessor: directory.generations(of: model).first {
                        directory.isLostWarmStart($0, of: model)
                    }))
        } catch {
            return .unreadable(number, reason: "\(error)")
        }
    }

    private func report(_ decision: StartDecision, _ setting: StartSetting, of job: Job) {
        let message: String
        var fields: [String: JSONValue] = [:]
        switch decision {
        case .previous(let start, let newShare):
            let share = MessageFormat.fixed(newShare * 100, newShare < 0.1 ? 1 : 0)
            message = "\(job.run) starts from generation \(start.generation): \(share) % of the text is new"
            fields = ["generation": .int(start.generation), "new_share": .double(newShare)]
        case .fresh(let reason):
            guard reason.isNotable || setting == .previous else { return }
            message = "\(job.run) starts from random weights: \(reason)"
            fields = ["reason": .string("\(reason)")]
        }
        journal.report(ServiceEvent(.startChosen, message, model: job.model, run: job.run, fields: fields))
    }
}

extension StateDirectory {
    /// Whether a generation started from the one that serves, and the gate rejected it in favor of that one.
    func isLostWarmStart(_ number: Int, of model: String) -> Bool {
        guard let serving = currentGeneration(of: model), number > serving else { return false }
        let folder = generation(number, of: model)
        guard let verdict = PromotionVerdict.read(folder), !verdict.passes, verdict.incumbent == serving else {
            return false
        }
        return (try? TrainingFacts.read(directory: folder))?.startedFrom == serving
    }
}
