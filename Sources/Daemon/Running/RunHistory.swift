import FoundationEssentials
import Jobs
import Database
import Scheduling
import Settings

/// The runs that earlier processes of the service recorded, for the scheduler.
struct RunHistory: Sendable {
    let settings: Settings
    let directory: StateDirectory
    let metrics: StateStore

    /// Returns the models with the corpora they have been trained on and the numbers of their runs.
    func models() throws -> [Scheduler.Model] {
        let names = Set(directory.runNames() + (try metrics.runs().map(\.id)))
        let local = TimeZoneRules.local()
        return try settings.models.map { model in
            let ended = try metrics.runs(model: model.name, states: RunRecord.State.ended)
            let finished = ended.first { $0.state == .finished }
            let numbers = names.compactMap { name -> Int? in
                guard name.hasPrefix("\(model.name)-") else { return nil }
                return Int(name.dropFirst(model.name.count + 1))
            }
            let eligible = try metrics.corpora(feeding: model.name)
            let received = Dictionary(eligible.map { ($0.sha256, $0.received) }) { first, _ in first }
            // Returns the corpora of a run, except those that were removed and received again since.
            func corpora(of run: RunRecord?) throws -> Set<String> {
                guard let run else { return [] }
                let end = run.finished ?? .distantFuture
                return Set(try metrics.corpora(ofRun: run.id)).filter { received[$0].map { $0 <= end } ?? true }
            }
            let (learned, attempted) = (try corpora(of: finished), try corpora(of: ended.first))
            // The service was stopped before it queued the run from random weights.
            let isLost =
                ended.first.flatMap { $0.state == .finished ? $0.generation : nil }
                .map { directory.isLostWarmStart($0, of: model.name) } ?? false
            return Scheduler.Model(
                name: model.name, schedule: TrainingSchedule(model.schedule, local: local),
                eligibleCorpora: eligible.map(\.sha256), learned: learned,
                // A run that failed because of a corpus that was set aside has not been trained on any other.
                attempted: isLost ? [] : attempted.isEmpty ? learned : attempted,
                nextNumber: (numbers.max() ?? 0) + 1)
        }
    }

    /// Returns the unfinished runs: those that have started, then those that are queued.
    func unfinished() throws -> [Scheduler.Entry] {
        var entries: [Scheduler.Entry] = []
        for record in try metrics.runs(states: RunRecord.State.unfinished).reversed() {
            guard settings.model(named: record.model) != nil else { continue }
            let corpora = try? directory.readJob(of: record.id).corpora.map(\.sha256)
            entries.append(Scheduler.Entry(run: record.id, model: record.model, corpora: corpora))
        }
        return entries.filter { $0.corpora != nil } + entries.filter { $0.corpora == nil }
    }

    /// Explains why there is nothing to train a model on.
    func nothingNew(_ model: String) -> String {
        Self.nothingNew(since: (try? metrics.runs(model: model, states: RunRecord.State.ended, limit: 1))?.first)
    }

    /// - Parameter last: the newest run of the model that has ended
    static func nothingNew(since last: RunRecord?) -> String {
        "there is no new corpus" + (last.map { " since \($0.id), which is \($0.state.rawValue)" } ?? "")
    }
}
