import FoundationEssentials

extension Scheduler {
    /// The state of a model when the service starts.
    public struct Model: Sendable {
        public var name: String
        public var schedule: TrainingSchedule
        /// SHA-256 of every corpus that is eligible for the model, in the order of admission.
        public var eligibleCorpora: [String]
        /// The corpora that its last published run was trained on.
        public var learned: Set<String>
        /// The corpora that its last run was trained on, regardless of the outcome: training on the same set would have
        /// the same result.
        public var attempted: Set<String>
        /// The number of the next run.
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

/// The scheduler's state for one model: its corpora and its due times.
@dynamicMemberLookup
struct ScheduledModel: Sendable {
    private var known: Scheduler.Model
    /// The same corpora as `eligibleCorpora`.
    private(set) var eligible: Set<String>
    private var newestArrival: Scheduler.Time?
    /// When the first corpus arrived that no run has used yet; nil if no corpus is waiting.
    private(set) var waitingSince: Scheduler.Timestamp?
    /// The corpora of the active run.
    private var taken: Set<String> = []
    /// When the new corpora will have settled, if `on_arrival` is set.
    var dueAt: Scheduler.Time?
    /// When the schedule last elapsed, or when this schedule was first seen; nil if it never elapses.
    private(set) var elapsed: Date?
    /// When the schedule next elapses, or the elapse that has not been handled yet.
    private(set) var nextElapse: Date?
    /// When the corpora that arrived just before the schedule elapsed will have settled.
    private(set) var elapseDueAt: Scheduler.Time?

    init(_ model: Scheduler.Model) {
        known = model
        eligible = Set(model.eligibleCorpora)
    }

    var nextNumber: Int {
        get { known.nextNumber }
        set { known.nextNumber = newValue }
    }

    subscript<Value>(dynamicMember path: KeyPath<Scheduler.Model, Value>) -> Value { known[keyPath: path] }

    /// Adds corpora, unless they are already eligible. They are new, even if a run was trained on them: then they were
    /// removed in the meantime. The cost does not depend on the number of eligible corpora.
    mutating func admit(_ corpora: some Sequence<String>, _ now: Scheduler.Timestamp) {
        var isAnyNew = false
        for sha256 in corpora where eligible.insert(sha256).inserted {
            known.eligibleCorpora.append(sha256)
            forget(sha256)
            isAnyNew = true
        }
        guard isAnyNew else { return }
        newestArrival = now.time
        if waitingSince == nil { waitingSince = now }
        if known.schedule.onArrival { dueAt = settledAt }
    }

    /// Restores how long corpora were waiting before the service was restarted.
    /// - Parameter date: when the first waiting corpus arrived
    mutating func waited(since date: Date?, _ now: Scheduler.Timestamp) {
        guard let date, waitingSince != nil else { return }
        // If the clock was set back, the wait starts over; if it was set ahead, the wait ends.
        let seconds = min(max(0, now.date.timeIntervalSince(date)), known.schedule.longestWait / .seconds(1))
        waitingSince = Scheduler.Timestamp(
            time: now.time.advanced(by: .seconds(-seconds)), date: min(date, now.date))
        if dueAt != nil { dueAt = settledAt }
    }

    /// When the new corpora will have settled: once none has arrived for `settle`, but at most `longestWait` after the
    /// first waiting corpus arrived. Without this limit, a user who keeps adding files would postpone training forever.
    private var settledAt: Scheduler.Time? {
        guard let newestArrival else { return nil }
        let settled = newestArrival.advanced(by: known.schedule.settle)
        guard let waitingSince else { return settled }
        return min(settled, waitingSince.time.advanced(by: known.schedule.longestWait))
    }

    /// Starts the schedule.
    /// - Parameter elapsed: when the schedule last elapsed; nil if it is new
    mutating func begin(elapsed: Date?, _ now: Scheduler.Timestamp) {
        let last = elapsed ?? now.date
        nextElapse = known.schedule.next(after: last)
        self.elapsed = nextElapse == nil ? nil : last
    }

    /// Replaces the schedule. It continues from the last elapse, and waiting corpora settle according to the new
    /// schedule.
    mutating func reschedule(_ schedule: TrainingSchedule, _ now: Scheduler.Timestamp) {
        guard schedule != known.schedule else { return }
        known.schedule = schedule
        elapseDueAt = nil
        begin(elapsed: elapsed, now)
        guard schedule.onArrival else { return dueAt = nil }
        let isWaiting = !eligible.isSubset(of: known.attempted)
        dueAt = isWaiting ? settledAt : nil
    }

    /// Treats the eligible corpora as having arrived now, unless the last run was trained on all eligible corpora.
    mutating func arrive(_ now: Scheduler.Timestamp) {
        guard !eligible.isSubset(of: known.attempted) else { return }
        newestArrival = now.time
        if waitingSince == nil { waitingSince = now }
        if known.schedule.onArrival { dueAt = settledAt }
    }

    /// Notes that a run starts or resumes with these corpora. If they are all eligible corpora, none is waiting.
    mutating func take(_ corpora: [String]) {
        taken = Set(corpora)
        if eligible.isSubset(of: taken) { waitingSince = nil }
    }

    /// Notes that the active run has ended or paused.
    mutating func leave() { taken = [] }

    /// Notes which corpora the last run was, or would have been, trained on.
    mutating func attempt(_ corpora: Set<String>) {
        known.attempted = corpora
        if eligible.isSubset(of: corpora) { waitingSince = nil }
    }

    /// Makes a corpus count as new if it arrives again.
    mutating func forget(_ sha256: String) {
        known.attempted.remove(sha256)
        known.learned.remove(sha256)
    }

    /// Removes corpora from the eligible ones.
    mutating func remove(_ corpora: Set<String>) {
        if !eligible.isDisjoint(with: corpora) {
            eligible.subtract(corpora)
            known.eligibleCorpora.removeAll(where: corpora.contains)
        }
        guard eligible.isSubset(of: known.attempted.union(taken)) else { return }
        dueAt = nil
        waitingSince = nil
    }

    mutating func learn(_ corpora: Set<String>, published: Bool, _ now: Scheduler.Timestamp) {
        known.attempted = corpora
        if published { known.learned = corpora }
        // A resumed run may have been trained on all eligible corpora.
        guard !eligible.isSubset(of: corpora) else {
            dueAt = nil
            waitingSince = nil
            return
        }
        if waitingSince == nil { waitingSince = now }
        if newestArrival == nil { newestArrival = now.time }
        guard known.schedule.onArrival, dueAt == nil else { return }
        // Corpora that arrived during the run have been settling since their arrival.
        dueAt = settledAt
    }

    /// Recomputes the next elapse if the wall clock was set back to before the last one, as systemd's `timer_time_change`
    /// does.
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

    /// Waits until the corpora that arrived just before the schedule elapsed have settled. Later arrivals do not extend
    /// the wait; otherwise a steady stream of text would never be trained on. The wait is limited to `longestWait`,
    /// even across restarts.
    /// - Returns: whether they have settled
    mutating func settleElapse(_ now: Scheduler.Timestamp) -> Bool {
        let due = elapseDueAt ?? max(settledAt ?? now.time, now.time)
        elapseDueAt = due
        return due <= now.time
    }

    /// Returns when the schedule next takes effect, or nil if it never does.
    func elapseDue(_ now: Scheduler.Timestamp) -> Date? { elapseDueAt.map(now.date(at:)) ?? nextElapse }
}
