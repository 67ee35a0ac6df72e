import Events
import Jobs
import Database
import Varlink

/// Records runs, their measurements and their ends, and reports them as events.
struct RunRecorder: Sendable {
    let directory: StateDirectory
    let metrics: StateStore
    let journal: EventJournal

    /// - Parameter corpora: the SHA-256 of the run's corpora; nil keeps the recorded ones
    func save(_ run: RunRecord, corpora: [String]? = nil) {
        journal.attempt("the run \(run.id) was not recorded") { try metrics.save(run, corpora: corpora) }
    }

    /// Records and reports an event of a run.
    func record(_ event: RunEvent, of job: Job) {
        switch event.payload {
        case .step(let step):
            journal.attempt("a step was not recorded") {
                try metrics.record([StepRecord(run: job.run, step.metrics, time: event.time)])
            }
        case .evaluation(let evaluation):
            journal.attempt("an evaluation was not recorded") {
                try metrics.record(EvaluationRecord(run: job.run, evaluation, time: event.time))
            }
        case .sample(let sample):
            journal.attempt("a sample of text was not recorded") {
                try metrics.record(sample.bounded, ofRun: job.run)
            }
        default: break
        }
        guard let reported = ServiceEvent(event, of: job) else { return }
        if case .step(let step) = event.payload {
            journal.reportStep(reported, isLogged: step.log)
        } else {
            journal.report(reported)
        }
    }

    /// Records and reports that a run has ended or is interrupted.
    /// - Parameters:
    ///   - corpora: recorded again, because without them the service would train on the same corpora again after a restart
    ///   - goesOn: whether another run with the same job may continue from its checkpoints
    func recordEnd(
        of run: RunRecord, kind: EventKind, _ message: String, corpora: [String]?, goesOn: Bool
    ) {
        if run.state != .interrupted {
            journal.attempt("the end of \(run.id) was not written to its directory") {
                try RunEnding(state: run.state, reason: run.reason, goesOn: goesOn).write(directory.run(run.id))
            }
        }
        save(run, corpora: corpora)
        var fields: [String: JSONValue] = ["step": .int(run.step)]
        fields["reason"] = run.reason.map(JSONValue.string)
        fields["generation"] = run.generation.map(JSONValue.int)
        journal.report(ServiceEvent(kind, message, model: run.model, run: run.id, runState: run.state, fields: fields))
    }

    /// Excludes a corpus that made a run fail from all models until it is retried, so that it does not prevent training
    /// on the others.
    func setAside(_ sha256: String, because reason: String, run: String, model: String) {
        journal.attempt("the corpus \(sha256) was not set aside") {
            // It may have been removed in the meantime.
            guard try metrics.setAsideCorpus(sha256: sha256, because: "\(run) failed because of it: \(reason)") else {
                return
            }
            let short = sha256.prefix(12)
            let name = try metrics.corpus(sha256: sha256)?.name ?? String(short)
            journal.report(
                ServiceEvent(
                    .corpusSetAside,
                    "\(name) is set aside because it made \(run) fail: \(reason). ‘kbctl corpora rm \(short)’ removes it; "
                        + "to try it again, put it into the inbox once more or run ‘kbctl train \(model) --force’",
                    model: model, run: run, corpus: sha256,
                    fields: ["name": .string(name), "reason": .string(reason)]))
        }
    }
}

extension StateStore {
    /// Returns those of the models that are trained on a corpus.
    func modelsFed(by sha256: String, of models: [String]) throws(MetricsError) -> [String] {
        var fed: [String] = []
        for model in models where try corpora(feeding: model).contains(where: { $0.sha256 == sha256 }) {
            fed.append(model)
        }
        return fed
    }
}
