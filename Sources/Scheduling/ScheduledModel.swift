import FoundationEssentials

extension Scheduler {
    /// What is known of a model when the service starts.
    public struct Model: Sendable {
        public var name: String
        public var schedule: TrainingSchedule
        /// SHA-256 of every corpus that feeds the model, in the order of admission.
        public var eligibleCorpora: [String]
        /// What its last published run was trained on.
        public var learned: Set<String>
        /// What its last run of any outcome was trained on: the same again would end the same way.
        public var attempted: Set<String>
        /// The number the next run gets.
        public var nextNumber: Int

        public init(
            name: String, schedule: TrainingSchedule, eligibleCorpora: [String] = [], learned: Set<String> = [],
            attempted: Set<String> = [], nextNumber: Int = 1
        ) {
            self.name = name
            self.schedule = schedule
            self.eligibleCorpora = eligibleCorpora
            self.learned = learned
            self.attempted = attempted
            self.nextNumber = nextNumber
        }
    }
}

/// A model as the scheduler keeps it: what feeds it, and what is due.
@dynamicMemberLookup
struct ScheduledModel: Sendable {
    private var known: Scheduler.Model
    private var newestArrival: Scheduler.Time?
    /// When the first corpus came that no run has been begun with; nil where none waits.
    private(set) var waitingSince: Scheduler.Timestamp?
    /// What the run that has its turn is trained on.
    private var taken: Set<String> = []
    /// When what has come is trained on, if `on_arrival` says so.
    var dueAt: Scheduler.Time?
    /// When the schedule's time last came, or else when this schedule was first seen; nil: it has no times.
    private(set) var elapsed: Date?
    /// The schedule's next time, or the one that has come and is not yet dealt with.
    private(set) var nextElapse: Date?
    /// When what had just come at the schedule's time has settled.
    private(set) var elapseDueAt: Scheduler.Time?

    init(_ model: Scheduler.Model) { known = model }

    subscript<Value>(dynamicMember path: WritableKeyPath<Scheduler.Model, Value>) -> Value {
        get { known[keyPath: path] }
        set { known[keyPath: path] = newValue }
    }

    /// Takes over from an earlier life of the service how long a corpus has waited.
    /// - Parameter date: when the first one came that waits
    mutating func waited(since date: Date?, _ now: Scheduler.Timestamp) {
        guard let date, waitingSince != nil else { return }
        // A clock that was set back makes nobody wait for longer than from now on, one set ahead ends the wait.
        let seconds = min(max(0, now.date.timeIntervalSince(date)), known.schedule.longestWait / .seconds(1))
        waitingSince = Scheduler.Timestamp(
            time: now.time.advanced(by: .seconds(-seconds)), date: min(date, now.date))
        if dueAt != nil { dueAt = settledAt }
    }

    /// When what has come is trained on: when no more has come for `settle`, but no later than the longest wait after the
    /// first that waits, or someone who drops a file now and then would put training off without end.
    private var settledAt: Scheduler.Time? {
        guard let newestArrival else { return nil }
        let settled = newestArrival.advanced(by: known.schedule.settle)
        guard let waitingSince else { return settled }
        return min(settled, waitingSince.time.advanced(by: known.schedule.longestWait))
    }

    /// - Parameter elapsed: when the schedule's time last came; nil: it has never been seen
    mutating func begin(elapsed: Date?, _ now: Scheduler.Timestamp) {
        let last = elapsed ?? now.date
        nextElapse = known.schedule.next(after: last)
        self.elapsed = nextElapse == nil ? nil : last
    }

    /// Its times go on from when one last came, its arrivals settle as the new schedule says.
    mutating func reschedule(_ schedule: TrainingSchedule, _ now: Scheduler.Timestamp) {
        guard schedule != known.schedule else { return }
        known.schedule = schedule
        elapseDueAt = nil
        begin(elapsed: elapsed, now)
        guard schedule.onArrival else { return dueAt = nil }
        let isWaiting = !Set(known.eligibleCorpora).isSubset(of: known.attempted)
        dueAt = isWaiting ? settledAt : nil
    }

    /// Something has come that the last run was not trained on.
    mutating func arrive(_ now: Scheduler.Timestamp) {
        guard !Set(known.eligibleCorpora).isSubset(of: known.attempted) else { return }
        newestArrival = now.time
        if waitingSince == nil { waitingSince = now }
        if known.schedule.onArrival { dueAt = settledAt }
    }

    /// A run begins or goes on with these: where they are all there is, nothing waits any more.
    mutating func take(_ corpora: [String]) {
        taken = Set(corpora)
        if Set(known.eligibleCorpora).isSubset(of: taken) { waitingSince = nil }
    }

    /// The run that had its turn has left it.
    mutating func leave() { taken = [] }

    /// The last run was, or was to be, trained on these.
    mutating func attempt(_ corpora: Set<String>) {
        known.attempted = corpora
        if Set(known.eligibleCorpora).isSubset(of: corpora) { waitingSince = nil }
    }

    /// A corpus that comes again is new to the model.
    mutating func forget(_ sha256: String) {
        known.attempted.remove(sha256)
        known.learned.remove(sha256)
    }

    /// A corpus is not learned from any more.
    mutating func remove(_ sha256: String) {
        known.eligibleCorpora.removeAll { $0 == sha256 }
        guard Set(known.eligibleCorpora).isSubset(of: known.attempted.union(taken)) else { return }
        dueAt = nil
        waitingSince = nil
    }

    mutating func learn(_ corpora: Set<String>, published: Bool, _ now: Scheduler.Timestamp) {
        known.attempted = corpora
        if published { known.learned = corpora }
        // A run of an earlier life of the service, gone on with, may have learned all there is.
        guard !Set(known.eligibleCorpora).isSubset(of: corpora) else {
            dueAt = nil
            waitingSince = nil
            return
        }
        if waitingSince == nil { waitingSince = now }
        if newestArrival == nil { newestArrival = now.time }
        guard known.schedule.onArrival, dueAt == nil else { return }
        // What came during the run settled from its own arrival on.
        dueAt = settledAt
    }

    /// Where the clock on the wall was set back behind the schedule's last time, its times come again; so does systemd's
    /// `timer_time_change`.
    mutating func rewind(_ now: Scheduler.Timestamp) {
        guard let last = elapsed, last > now.date else { return }
        elapsed = now.date
        nextElapse = known.schedule.next(after: now.date)
        elapseDueAt = nil
    }

    mutating func elapse(_ now: Scheduler.Timestamp) {
        elapsed = now.date
        nextElapse = known.schedule.next(after: now.date)
        elapseDueAt = nil
    }

    /// Lets what had just come at the schedule's time settle; what comes after it no longer counts, or a steady stream of
    /// text would never be trained on. Nor is it put off for longer than the longest wait, over restarts too.
    /// - Returns: whether it has
    mutating func settleElapse(_ now: Scheduler.Timestamp) -> Bool {
        let due = elapseDueAt ?? max(settledAt ?? now.time, now.time)
        elapseDueAt = due
        return due <= now.time
    }

    /// When the schedule's time next has its effect; nil: never.
    func elapseDue(_ now: Scheduler.Timestamp) -> Date? { elapseDueAt.map(now.date(at:)) ?? nextElapse }
}
