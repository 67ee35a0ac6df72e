import FoundationEssentials

/// Decides when which model is trained. One run at a time, first come first served.
///
/// A value without I/O: what happened goes in with the time, what to do comes out.
public struct Scheduler: Sendable {
    public typealias Time = ContinuousClock.Instant

    /// One moment by both clocks: waits are measured by the first; the other is on the wall, where it can be set.
    public struct Timestamp: Sendable, Equatable {
        public var time: Time
        public var date: Date

        public init(time: Time, date: Date) {
            self.time = time
            self.date = date
        }

        public static var now: Timestamp { Timestamp(time: .now, date: Date()) }
    }

    /// A run that waits for its turn or has it.
    public struct Entry: Sendable, Equatable {
        public var run: String
        public var model: String
        /// What the run's job names, where it has one already and goes on; nil: whatever there is when it begins.
        public var corpora: [String]?
        /// Somebody asked for it: no window holds it up.
        public var isManual: Bool

        public init(run: String, model: String, corpora: [String]? = nil, isManual: Bool = false) {
            self.run = run
            self.model = model
            self.corpora = corpora
            self.isManual = isManual
        }
    }

    public enum Action: Sendable, Equatable {
        /// The run stands in the queue.
        case enqueued(Entry)
        /// Begin now, on the corpora of the entry (SHA-256, in the order of their admission), or go on where
        /// `resumes` says that the run has a job.
        case start(Entry, resumes: Bool)
        /// Give the time back at this moment; replaces an earlier wish.
        case wake(Time)
        /// Tell the run that has its turn to leave: its window has closed. It goes on later.
        case pause(Entry)
        /// Tell the run that has its turn to leave for good.
        case stop(Entry)
        /// The run left the queue without having had its turn to the end.
        case dropped(Entry)
        /// The schedule's time has come for the model, and no run is queued.
        case skipped(String, SkipReason)
    }

    /// Why a schedule's time is let pass.
    public enum SkipReason: Sendable, Equatable {
        case noCorpus
        /// The last run was trained on the same: it would end the same way.
        case nothingNew
        /// This run learns from everything there is.
        case underWay(String)
    }

    public enum Refusal: Error, Sendable, Equatable {
        case unknownModel
        case noCorpus
        case nothingNew
    }

    /// What has to outlive the service, beside the runs themselves.
    public struct PersistedState: Sendable, Equatable, Codable {
        /// When the schedule's time last came, by model.
        public var elapsed: [String: Date]
        /// The runs that somebody asked for and that are not over.
        public var byHand: [String]
        /// When the first corpus came that waits to be trained on, by model.
        public var waiting: [String: Date]

        public init(elapsed: [String: Date] = [:], byHand: [String] = [], waiting: [String: Date] = [:]) {
            self.elapsed = elapsed
            self.byHand = byHand
            self.waiting = waiting
        }

        /// What an older version has not written is empty.
        public init(from decoder: any Decoder) throws {
            let keys = try decoder.container(keyedBy: CodingKeys.self)
            elapsed = try keys.decode([String: Date].self, forKey: .elapsed)
            byHand = try keys.decode([String].self, forKey: .byHand)
            waiting = try keys.decodeIfPresent([String: Date].self, forKey: .waiting) ?? [:]
        }
    }

    /// The clock on the wall is looked at so often at least, while something waits for it: it may have been set.
    package static let longestSleep = Duration.seconds(60)

    private var models: [ScheduledModel]
    public private(set) var queue: [Entry] = []
    public private(set) var running: Entry?
    /// The run that has its turn has been told to leave.
    private var isLeaving = false
    private var wakesAt: Time?

    public init(models: [Model]) {
        self.models = models.map(ScheduledModel.init)
    }

    public var memory: PersistedState {
        func dates(_ date: (ScheduledModel) -> Date?) -> [String: Date] {
            Dictionary(uniqueKeysWithValues: models.compactMap { model in date(model).map { (model.name, $0) } })
        }
        return PersistedState(
            elapsed: dates(\.elapsed),
            byHand: (queue + [running].compactMap(\.self)).filter(\.isManual).map(\.run).sorted(),
            waiting: dates(\.waitingSince?.date))
    }

    // MARK: What happens

    /// Corpora that came while the service was away are due `settle` from now, or sooner where one has waited for others
    /// before.
    /// - Parameter unfinished: runs to go on with, in their order
    public mutating func start(unfinished: [Entry], memory: PersistedState = PersistedState(), now: Timestamp)
        -> [Action]
    {
        queue = unfinished.map { entry in
            var entry = entry
            entry.isManual = memory.byHand.contains(entry.run)
            return entry
        }
        for index in models.indices {
            models[index].begin(elapsed: memory.elapsed[models[index].name], now)
            models[index].arrive(now)
            models[index].waited(since: memory.waiting[models[index].name], now)
        }
        return queue.map(Action.enqueued) + advance(now)
    }

    /// - Parameter names: the models that the corpus feeds
    public mutating func corpusAdmitted(_ sha256: String, for names: [String], now: Timestamp) -> [Action] {
        for index in models.indices where names.contains(models[index].name) {
            guard !models[index].eligibleCorpora.contains(sha256) else { continue }
            models[index].eligibleCorpora.append(sha256)
            models[index].arrive(now)
        }
        return advance(now)
    }

    /// The corpus is not to be learned from any more; a run that has begun goes on with it.
    /// - Returns: a run that has no job yet is dropped where no text is left for it
    public mutating func corpusRemoved(_ sha256: String, now: Timestamp) -> [Action] {
        let dropped = remove(sha256)
        return dropped.isEmpty ? [] : dropped + advance(now)
    }

    /// The run that had its turn has failed of a corpus, which is set aside: it feeds no model, and the run's model is trained on
    /// the others at once.
    public mutating func setAside(_ sha256: String, run: String, now: Timestamp) -> [Action] {
        let entry = leaveTurn(run)
        var actions = remove(sha256)
        for index in models.indices { models[index].forget(sha256) }
        if let index = models.firstIndex(where: { $0.name == entry.model }) {
            // The others have been learned, or have not been tried without it.
            models[index].attempt(models[index].learned)
            let isNew = Set(models[index].eligibleCorpora) != models[index].learned
            if isNew, !models[index].eligibleCorpora.isEmpty, covering(index) == nil {
                actions.append(.enqueued(enqueue(index, isManual: entry.isManual)))
            }
        }
        return actions + advance(now)
    }

    /// - Returns: the runs without a job that have no text left
    private mutating func remove(_ sha256: String) -> [Action] {
        var dropped: [Action] = []
        for index in models.indices {
            models[index].remove(sha256)
            guard models[index].eligibleCorpora.isEmpty else { continue }
            let isIdle = { (entry: Entry) in entry.model == models[index].name && entry.corpora == nil }
            dropped += queue.filter(isIdle).map(Action.dropped)
            queue.removeAll(where: isIdle)
        }
        return dropped
    }

    /// The moment asked for with `wake` has come; harmless at any other.
    public mutating func tick(now: Timestamp) -> [Action] {
        wakesAt = nil
        return advance(now)
    }

    /// Someone asks for a run now: it does not wait for a window.
    /// - Returns: the run, which may be one that waits already, and what to do
    public mutating func train(_ name: String, force: Bool, now: Timestamp) -> Result<
        (run: String, actions: [Action]), Refusal
    > {
        guard let index = models.firstIndex(where: { $0.name == name }) else { return .failure(.unknownModel) }
        if let place = queue.firstIndex(where: { $0.model == name }) {
            queue[place].isManual = true
            return .success((queue[place].run, advance(now)))
        }
        guard !models[index].eligibleCorpora.isEmpty else { return .failure(.noCorpus) }
        let isNew = Set(models[index].eligibleCorpora) != models[index].learned && covering(index) == nil
        guard force || isNew else { return .failure(.nothingNew) }
        let entry = enqueue(index, isManual: true)
        return .success((entry.run, [.enqueued(entry)] + advance(now)))
    }

    /// The run that had its turn is over.
    /// - Parameter published: its model serves
    public mutating func ended(_ run: String, published: Bool, now: Timestamp) -> [Action] {
        let entry = leaveTurn(run)
        if let index = models.firstIndex(where: { $0.name == entry.model }) {
            models[index].learn(Set(entry.corpora ?? []), published: published, now)
        }
        return advance(now)
    }

    /// The run that was told to pause has left. It is the first to have its turn again.
    public mutating func paused(_ run: String, now: Timestamp) -> [Action] {
        queue.insert(leaveTurn(run), at: 0)
        return advance(now)
    }

    /// - Returns: nil where no such run waits or has its turn
    public mutating func cancel(_ run: String, now: Timestamp) -> [Action]? {
        if let running, running.run == run {
            isLeaving = true
            return [.stop(running)]
        }
        guard let place = queue.firstIndex(where: { $0.run == run }) else { return nil }
        let entry = queue.remove(at: place)
        if let index = models.firstIndex(where: { $0.name == entry.model }) {
            models[index].attempt(Set(entry.corpora ?? models[index].eligibleCorpora))
        }
        return [.dropped(entry)] + advance(now)
    }

    /// A model's schedule has changed: what waits, waits as the new one has it.
    public mutating func reschedule(_ name: String, _ schedule: TrainingSchedule, now: Timestamp) -> [Action] {
        guard let index = models.firstIndex(where: { $0.name == name }) else { return [] }
        models[index].reschedule(schedule, now)
        return advance(now)
    }

    // MARK: What will happen

    /// What the schedule has in mind for a model that is not being trained.
    public enum NextRun: Sendable, Equatable {
        /// A run begins, or where another one is under way then, is queued.
        case begins(Date)
        /// The run waits for its window, which opens then; nil: never.
        case opens(Date?, run: String)
        /// The schedule's time comes then, and so far there is nothing to train on.
        case looks(Date)

        public var date: Date? {
            switch self {
            case .begins(let date), .looks(let date): date
            case .opens(let date, _): date
            }
        }
    }

    /// - Returns: nil where nothing is due, or where a run waits for nothing but its turn
    public func nextRun(_ name: String, now: Timestamp) -> NextRun? {
        guard let index = models.firstIndex(where: { $0.name == name }) else { return nil }
        let schedule = models[index].schedule
        if let waiting = queue.first(where: { $0.model == name }) {
            guard !mayWork(waiting, now) else { return nil }
            return .opens(schedule.windowChange(after: now.date), run: waiting.run)
        }
        let elapse = models[index].elapseDue(now)
        let due = [models[index].dueAt.map(now.date(at:)), skip(index) == nil ? elapse : nil].compactMap(\.self).min()
        guard let due else { return elapse.map { .looks($0) } }
        return .begins(schedule.isOpen(at: due) ? due : schedule.windowChange(after: due) ?? due)
    }

    // MARK: Deciding

    private mutating func enqueue(_ index: Int, isManual: Bool = false) -> Entry {
        let entry = Entry(
            run: "\(models[index].name)-\(models[index].nextNumber)", model: models[index].name, isManual: isManual)
        models[index].nextNumber += 1
        models[index].dueAt = nil
        queue.append(entry)
        return entry
    }

    private mutating func leaveTurn(_ run: String) -> Entry {
        guard let entry = running, entry.run == run else {
            preconditionFailure("\(run) ended without having its turn")
        }
        running = nil
        isLeaving = false
        if let index = models.firstIndex(where: { $0.name == entry.model }) { models[index].leave() }
        return entry
    }

    /// The run that waits or has its turn and learns from everything that feeds the model.
    private func covering(_ index: Int) -> Entry? {
        let model = models[index]
        return ([running].compactMap(\.self) + queue).first { entry in
            entry.model == model.name && (entry.corpora.map { Set($0) == Set(model.eligibleCorpora) } ?? true)
        }
    }

    private func skip(_ index: Int) -> SkipReason? {
        if models[index].eligibleCorpora.isEmpty { return .noCorpus }
        if let entry = covering(index) { return .underWay(entry.run) }
        return Set(models[index].eligibleCorpora).isSubset(of: models[index].attempted) ? .nothingNew : nil
    }

    /// Whether the model's window lets the run work.
    private func mayWork(_ entry: Entry, _ now: Timestamp) -> Bool {
        entry.isManual || models.first { $0.name == entry.model }?.schedule.isOpen(at: now.date) ?? true
    }

    private mutating func advance(_ now: Timestamp) -> [Action] {
        var actions: [Action] = []
        for index in models.indices {
            models[index].rewind(now)
            if let dueAt = models[index].dueAt, dueAt <= now.time {
                models[index].dueAt = nil
                if covering(index) == nil { actions.append(.enqueued(enqueue(index))) }
            }
            if let elapse = models[index].nextElapse, elapse <= now.date { actions += elapsed(index, now) }
        }
        if let running {
            if !isLeaving, !mayWork(running, now) {
                isLeaving = true
                actions.append(.pause(running))
            }
        } else if let place = queue.firstIndex(where: { mayWork($0, now) }) {
            var entry = queue.remove(at: place)
            let resumes = entry.corpora != nil
            let index = models.firstIndex { $0.name == entry.model }
            let corpora = entry.corpora ?? index.map { models[$0].eligibleCorpora } ?? []
            entry.corpora = corpora
            if let index { models[index].take(corpora) }
            running = entry
            actions.append(.start(entry, resumes: resumes))
        }
        let next = nextWake(now)
        if let next, next != wakesAt { actions.append(.wake(next)) }
        wakesAt = next
        return actions
    }

    /// The schedule's time has come. It stays come until a run is queued for it, or it is let pass.
    private mutating func elapsed(_ index: Int, _ now: Timestamp) -> [Action] {
        let name = models[index].name
        if let skip = skip(index) {
            models[index].elapse(now)
            return [.skipped(name, skip)]
        }
        guard models[index].settleElapse(now) else { return [] }
        models[index].elapse(now)
        return [.enqueued(enqueue(index))]
    }

    private func nextWake(_ now: Timestamp) -> Time? {
        let settled = models.flatMap { [$0.dueAt, $0.elapseDueAt] }
        var dates = models.filter { $0.elapseDueAt == nil }.map(\.nextElapse)
        for entry in queue + [running].compactMap(\.self) where !entry.isManual {
            dates.append(models.first { $0.name == entry.model }?.schedule.windowChange(after: now.date))
        }
        let byTheWall = dates.compactMap(\.self).min().map { date in
            // Rounded up, or the last fraction of a microsecond would be waited for again and again.
            let seconds = max(0, date.timeIntervalSince(now.date)) + 0.001
            return now.time.advanced(by: min(.seconds(seconds), Self.longestSleep))
        }
        return (settled + [byTheWall]).compactMap(\.self).min()
    }
}

extension Scheduler.Timestamp {
    /// What the wall will show at `time`, if nobody sets the clock.
    func date(at time: Scheduler.Time) -> Date {
        date.addingTimeInterval(self.time.duration(to: time) / .seconds(1))
    }
}
