import Database
import Scheduling

/// What others ask and tell.
extension TrainingService {
    /// A corpus has been admitted for these models.
    public func corpusAdmitted(_ sha256: String, for models: [String]) {
        perform(scheduler.corpusAdmitted(sha256, for: models, now: .now))
    }

    /// The settings have been read again: what waits for its time waits as they say now.
    func settingsChanged() {
        let local = TimeZoneRules.local()
        for model in settings.models {
            perform(scheduler.reschedule(model.name, TrainingSchedule(model.schedule, local: local), now: .now))
        }
    }

    /// A corpus has been taken out.
    public func corpusRemoved(_ sha256: String) {
        perform(scheduler.corpusRemoved(sha256, now: .now))
    }

    /// A run now, whatever the schedule says.
    /// - Parameter force: also where nothing is new, and with the corpora that were set aside
    /// - Returns: the run's name; it may be one that waits already
    public func train(_ model: String, force: Bool) throws(Scheduler.Refusal) -> String {
        if force { tryAgain(corporaOf: model) }
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

    /// The run that has its turn.
    public var current: RunRecord? {
        activeRun?.progress.record ?? scheduler.running.map { RunRecord(id: $0.run, model: $0.model) }
    }

    public var queued: [Scheduler.Entry] { scheduler.queue }

    /// What the schedule has in mind for a model.
    public func nextRun(_ model: String) -> Scheduler.NextRun? { scheduler.nextRun(model, now: .now) }
}
