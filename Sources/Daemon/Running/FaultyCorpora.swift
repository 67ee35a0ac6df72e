import Database
import Varlink

/// Corpora that runs fail of: one bad text must not keep the others from being learned.
extension TrainingService {
    /// Keeps a corpus from all models until somebody tries it again; the run under way is to be begun anew without it.
    func setAside(_ sha256: String, because reason: String, run: String, model: String) {
        activeRun?.faultyCorpus = sha256
        // Nothing has been learned or tried of the others: the next life of the service trains on them, whenever this one ends.
        activeRun?.corpora = []
        journal.attempt("corpus \(sha256) is not set aside") {
            // It may have been removed meanwhile.
            guard try metrics.setAsideCorpus(sha256: sha256, because: "\(run) failed of it: \(reason)") else { return }
            let name = try metrics.corpus(sha256: sha256)?.name ?? String(sha256.prefix(12))
            let short = sha256.prefix(12)
            journal.report(
                ServiceEvent(
                    .corpusSetAside,
                    "\(name) is set aside, for \(run) failed of it: \(reason). ‘kbctl corpora rm \(short)’ takes it out; "
                        + "put into the inbox again, or with ‘kbctl train \(model) --force’, it is tried again",
                    model: model, run: run, corpus: sha256,
                    fields: ["name": .string(name), "reason": .string(reason)]))
        }
    }

    /// Lets the corpora of a model that were set aside feed their models again.
    func tryAgain(corporaOf model: String) {
        journal.attempt("the corpora that are set aside stay so") {
            for sha256 in try metrics.tryAgain(corporaOf: model) {
                corpusAdmitted(sha256, for: try metrics.modelsFed(by: sha256, of: settings.models.map(\.name)))
            }
        }
    }
}

extension StateStore {
    /// Those of the models that learn from a corpus.
    func modelsFed(by sha256: String, of models: [String]) throws(MetricsError) -> [String] {
        var eligibleCorpora: [String] = []
        for model in models where try corpora(feeding: model).contains(where: { $0.sha256 == sha256 }) {
            eligibleCorpora.append(model)
        }
        return eligibleCorpora
    }
}
