import FoundationEssentials

extension Scheduler {
    /// What is known of a model when the service starts.
    public struct Model: Sendable {
        public var name: String
        public var schedule: Schedule
        /// SHA-256 of every corpus that feeds the model, in the order of admission.
        public var fed: [String]
        /// What its last published run was trained on.
        public var learned: Set<String>
        /// What its last run of any outcome was trained on: the same again would end the same way.
        public var attempted: Set<String>
        /// The number the next run gets.
        public var nextNumber: Int

        public init(
            name: String, schedule: Schedule, fed: [String] = [], learned: Set<String> = [],
            attempted: Set<String> = [], nextNumber: Int = 1
        ) {
            self.name = name
            self.schedule = schedule
            self.fed = fed
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

    /// - Parameter elapsed: when the schedule's time last came; nil: it has never been seen
    mutating func begin(elapsed: Date?, _ now: Scheduler.Moment) {
        let last = elapsed ?? now.date
        nextElapse = known.schedule.next(after: last)
        self.elapsed = nextElapse == nil ? nil : last
    }

    /// Its times go on from when one last came, its arrivals settle as the new schedule says.
    mutating func reschedule(_ schedule: Schedule, _ now: Scheduler.Moment) {
        guard schedule != known.schedule else { return }
        known.schedule = schedule
        elapseDueAt = nil
        begin(elapsed: elapsed, now)
        guard schedule.onArrival else { return dueAt = nil }
        let isWaiting = !Set(known.fed).isSubset(of: known.attempted)
        dueAt = isWaiting ? newestArrival?.advanced(by: schedule.settle) : nil
    }

    /// Something has come that the last run was not trained on.
    mutating func arrive(_ now: Scheduler.Moment) {
        guard !Set(known.fed).isSubset(of: known.attempted) else { return }
        newestArrival = now.time
        if known.schedule.onArrival { dueAt = now.time.advanced(by: known.schedule.settle) }
    }

    mutating func learn(_ corpora: Set<String>, published: Bool, _ now: Scheduler.Moment) {
        known.attempted = corpora
        if published { known.learned = corpora }
        // A run of an earlier life of the service, gone on with, may have learned all there is.
        if Set(known.fed).isSubset(of: corpora) { dueAt = nil }
        guard known.schedule.onArrival, dueAt == nil, !Set(known.fed).isSubset(of: corpora) else { return }
        // What came during the run settled from its own arrival on.
        dueAt = (newestArrival ?? now.time).advanced(by: known.schedule.settle)
    }

    /// Where the clock on the wall was set back behind the schedule's last time, its times come again; so does systemd's
    /// `timer_time_change`.
    mutating func rewind(_ now: Scheduler.Moment) {
        guard let last = elapsed, last > now.date else { return }
        elapsed = now.date
        nextElapse = known.schedule.next(after: now.date)
        elapseDueAt = nil
    }

    mutating func elapse(_ now: Scheduler.Moment) {
        elapsed = now.date
        nextElapse = known.schedule.next(after: now.date)
        elapseDueAt = nil
    }

    /// Lets what had just come at the schedule's time settle; what comes after it no longer counts, or a steady stream of
    /// text would never be trained on.
    /// - Returns: whether it has
    mutating func settleElapse(_ now: Scheduler.Moment) -> Bool {
        let settled = newestArrival?.advanced(by: known.schedule.settle) ?? now.time
        let due = elapseDueAt ?? max(settled, now.time)
        elapseDueAt = due
        return due <= now.time
    }

    /// When the schedule's time next has its effect; nil: never.
    func elapseDue(_ now: Scheduler.Moment) -> Date? { elapseDueAt.map(now.date(at:)) ?? nextElapse }
}
