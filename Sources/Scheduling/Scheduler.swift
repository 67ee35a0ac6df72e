import FoundationEssentials

/// Decides when each model is trained. One run is active at a time; the others queue in order of arrival.
///
/// A pure value type: its methods take an event and the current time, and return the actions to perform.
public struct Scheduler: Sendable {
    public typealias Time = ContinuousClock.Instant

    /// A point in time on the monotonic clock, which measures waits, and on the wall clock, which can be set.
    public struct Timestamp: Sendable, Equatable {
        public var time: Time
        public var date: Date

        public init(time: Time, date: Date) {
            self.time = time
            self.date = date
        }

        public static var now: Timestamp { Timestamp(time: .now, date: Date()) }
    }

    /// A queued or active run.
    public struct Entry: Sendable, Equatable {
        public var run: String
        public var model: String
        /// The corpora of the run's job, if it has a job and resumes; nil means all eligible corpora when the run
        /// starts.
        public var corpora: [String]?
        /// Whether a user requested the run. Windows do not delay such a run.
        public var isManual: Bool

        public init(run: String, model: String, corpora: [String]? = nil, isManual: Bool = false) {
            self.run = run
            self.model = model
            self.corpora = corpora
            self.isManual = isManual
        }
    }

    public enum Action: Sendable, Equatable {
        /// The run was queued.
        case enqueued(Entry)
        /// Start the run on the corpora of the entry (SHA-256, in the order of admission), or continue the run if
        /// `resumes` is true, which means that it already has a job.
        case start(Entry, resumes: Bool)
        /// Call `tick` at this time; replaces an earlier request.
        case wake(Time)
        /// Ask the active run to stop because its window has closed or its model was paused. It resumes later.
        case pause(Entry)
        /// Ask the active run to stop; it does not resume.
        case stop(Entry)
        /// The run was removed from the queue before it was finished.
        case dropped(Entry)
        /// The model's schedule elapsed, but no run is queued.
        case skipped(String, SkipReason)
    }

    /// Why no run is queued when a schedule elapses.
    public enum SkipReason: Sendable, Equatable {
        case noCorpus
        /// The last run was trained on the same corpora and would have the same result.
        case nothingNew
        /// The named run, which is active or queued, covers all eligible corpora.
        case underWay(String)
    }

    public enum Refusal: Error, Sendable, Equatable {
        case unknownModel
        case noCorpus
        case nothingNew
    }

    /// The state that must survive a restart of the service, apart from the runs themselves.
    public struct PersistedState: Sendable, Equatable, Codable {
        /// When the schedule last elapsed, by model.
        public var elapsed: [String: Date]
        /// The unfinished runs that a user requested.
        public var byHand: [String]
        /// When the first waiting corpus arrived, by model.
        public var waiting: [String: Date]
        /// The models whose training a user paused.
        public var paused: [String]

        public init(
            elapsed: [String: Date] = [:], byHand: [String] = [], waiting: [String: Date] = [:], paused: [String] = []
        ) {
            self.elapsed = elapsed
            self.byHand = byHand
            self.waiting = waiting
            self.paused = paused
        }

        /// Also decodes files of older versions, whose missing keys are empty.
        public init(from decoder: any Decoder) throws {
            let keys = try decoder.container(keyedBy: CodingKeys.self)
            elapsed = try keys.decode([String: Date].self, forKey: .elapsed)
            byHand = try keys.decode([String].self, forKey: .byHand)
            waiting = try keys.decodeIfPresent([String: Date].self, forKey: .waiting) ?? [:]
            paused = try keys.decodeIfPresent([String].self, forKey: .paused) ?? []
        }
    }

    /// The longest interval between checks of the wall clock while an action depends on it, because the clock may be
    /// set.
    package static let longestSleep = Duration.seconds(60)

    private var models: [ScheduledModel]
    public private(set) var queue: [Entry] = []
    public private(set) var running: Entry?
    /// Whether the active run was asked to stop.
    private var isLeaving = false
    private var paused: Set<String> = []
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
            waiting: dates(\.waitingSince?.date), paused: paused.sorted())
    }

    /// Whether a user paused the training of the model.
    public func isPaused(_ name: String) -> Bool { paused.contains(name) }

    // MARK: Events

    /// Starts scheduling. Corpora that arrived while the service was down settle from now on, or sooner if one was already
    /// waiting before.
    /// - Parameter unfinished: the runs to resume, in order
    public mutating func start(unfinished: [Entry], memory: PersistedState = PersistedState(), now: Timestamp)
        -> [Action]
    {
        queue = unfinished.map { entry in
            var entry = entry
            entry.isManual = memory.byHand.contains(entry.run)
            return entry
        }
        paused = Set(memory.paused).intersection(models.map(\.name))
        for index in models.indices {
            models[index].begin(elapsed: memory.elapsed[models[index].name], now)
            models[index].arrive(now)
            models[index].waited(since: memory.waiting[models[index].name], now)
        }
        return queue.map(Action.enqueued) + advance(now)
    }

    /// Notes that a corpus was admitted.
    /// - Parameter names: the models that the corpus is eligible for
    public mutating func corpusAdmitted(_ sha256: String, for names: [String], now: Timestamp) -> [Action] {
        corporaAdmitted([(sha256, names)], now: now)
    }

    /// Notes that corpora were admitted, each with the models that it is eligible for.
    public mutating func corporaAdmitted(
        _ corpora: [(sha256: String, models: [String])], now: Timestamp
    ) -> [Action] {
        for index in models.indices {
            let name = models[index].name
            models[index].admit(corpora.lazy.filter { $0.models.contains(name) }.map(\.sha256), now)
        }
        return advance(now)
    }

    /// Notes that corpora were removed. A run that has started keeps them; a queued run without a job is dropped if no
    /// corpus is left for it.
    /// - Parameter kept: the models that a corpus still feeds; it is removed from all others
    public mutating func corporaRemoved(
        _ corpora: Set<String>, keptFor kept: [String: Set<String>] = [:], now: Timestamp
    ) -> [Action] {
        let dropped = remove(corpora, keptFor: kept)
        return dropped.isEmpty ? [] : dropped + advance(now)
    }

    /// Notes that the active run failed because of a corpus, which is set aside: no model uses it any more, and the
    /// run's model is trained on the remaining corpora at once.
    public mutating func setAside(_ sha256: String, run: String, now: Timestamp) -> [Action] {
        let entry = leaveTurn(run)
        var actions = remove([sha256])
        for index in models.indices { models[index].forget(sha256) }
        if let index = models.firstIndex(where: { $0.name == entry.model }) {
            // The remaining corpora were either published or never tried without this one.
            models[index].attempt(models[index].learned)
            let isNew = models[index].eligible != models[index].learned
            if isNew, !models[index].eligibleCorpora.isEmpty, covering(index) == nil {
                actions.append(.enqueued(enqueue(index, isManual: entry.isManual)))
            }
        }
        return actions + advance(now)
    }

    /// Removes corpora from all models but those that they are kept for.
    /// - Returns: a `dropped` action for each run without a job that has no corpus left
    private mutating func remove(_ corpora: Set<String>, keptFor kept: [String: Set<String>] = [:]) -> [Action] {
        var dropped: [Action] = []
        for index in models.indices {
            let name = models[index].name
            models[index].remove(kept.isEmpty ? corpora : corpora.filter { kept[$0]?.contains(name) != true })
            guard models[index].eligibleCorpora.isEmpty else { continue }
            let isIdle = { (entry: Entry) in entry.model == models[index].name && entry.corpora == nil }
            dropped += queue.filter(isIdle).map(Action.dropped)
            queue.removeAll(where: isIdle)
        }
        return dropped
    }

    /// Handles the time requested with `wake`. Calling it at any other time is harmless.
    public mutating func tick(now: Timestamp) -> [Action] {
        wakesAt = nil
        return advance(now)
    }

    /// Pauses the training of models at a user's request, until `resume` or `train`. Runs are queued as before but do not work.
    public mutating func pause(_ names: [String], now: Timestamp) -> [Action] {
        paused.formUnion(names)
        return advance(now)
    }

    /// Ends `pause`.
    public mutating func resume(_ names: [String], now: Timestamp) -> [Action] {
        paused.subtract(names)
        return advance(now)
    }

    /// Queues a run at a user's request, which does not wait for a window and ends `pause`.
    /// - Parameter force: trains even if nothing is new
    /// - Returns: the run, which may have been queued before, and the actions to perform
    public mutating func train(_ name: String, force: Bool, now: Timestamp) -> Result<
        (run: String, actions: [Action]), Refusal
    > {
        guard let index = models.firstIndex(where: { $0.name == name }) else { return .failure(.unknownModel) }
        if let place = queue.firstIndex(where: { $0.model == name }) {
            queue[place].isManual = true
            paused.remove(name)
            return .success((queue[place].run, advance(now)))
        }
        if var running, running.model == name, isPaused(name) {
            // It is about to stop, and then goes on at once.
            running.isManual = true
            self.running = running
            paused.remove(name)
            return .success((running.run, advance(now)))
        }
        guard !models[index].eligibleCorpora.isEmpty else { return .failure(.noCorpus) }
        let isNew = models[index].eligible != models[index].learned && covering(index) == nil
        guard force || isNew else { return .failure(.nothingNew) }
        paused.remove(name)
        let entry = enqueue(index, isManual: true)
        return .success((entry.run, [.enqueued(entry)] + advance(now)))
    }

    /// Notes that the active run has ended.
    /// - Parameter published: whether it published a generation
    public mutating func ended(_ run: String, published: Bool, now: Timestamp) -> [Action] {
        let entry = leaveTurn(run)
        if let index = models.firstIndex(where: { $0.name == entry.model }) {
            models[index].learn(Set(entry.corpora ?? []), published: published, now)
        }
        return advance(now)
    }

    /// Notes that the active run has ended and published a generation that does not replace the one that serves, and queues
    /// another run of the same model, unless one is queued already. It starts when the ended run could have.
    public mutating func endedInVain(_ run: String, now: Timestamp) -> [Action] {
        let entry = leaveTurn(run)
        var actions: [Action] = []
        if let index = models.firstIndex(where: { $0.name == entry.model }) {
            models[index].learn(Set(entry.corpora ?? []), published: true, now)
            if !models[index].eligibleCorpora.isEmpty, covering(index) == nil {
                actions.append(.enqueued(enqueue(index, isManual: entry.isManual)))
            }
        }
        return actions + advance(now)
    }

    /// Notes that the paused run has stopped. It moves to the front of the queue.
    public mutating func paused(_ run: String, now: Timestamp) -> [Action] {
        queue.insert(leaveTurn(run), at: 0)
        return advance(now)
    }

    /// Cancels a run.
    /// - Returns: nil if no such run is queued or active
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

    /// Replaces a model's schedule. The new one also applies to waiting corpora.
    public mutating func reschedule(_ name: String, _ schedule: TrainingSchedule, now: Timestamp) -> [Action] {
        guard let index = models.firstIndex(where: { $0.name == name }) else { return [] }
        models[index].reschedule(schedule, now)
        return advance(now)
    }

    // MARK: Outlook

    /// The next action of the schedule for a model that is not being trained.
    public enum NextRun: Sendable, Equatable {
        /// A run starts, or is queued if another run is active then.
        case begins(Date)
        /// The run waits for its window to open; nil if the window never opens.
        case opens(Date?, run: String)
        /// The schedule elapses, but so far there is nothing to train on.
        case looks(Date)

        public var date: Date? {
            switch self {
            case .begins(let date), .looks(let date): date
            case .opens(let date, _): date
            }
        }
    }

    /// - Returns: nil if nothing is due, if a run waits only for other runs, or if the model is paused
    public func nextRun(_ name: String, now: Timestamp) -> NextRun? {
        guard !isPaused(name), let index = models.firstIndex(where: { $0.name == name }) else { return nil }
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

    // MARK: Decisions

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
            preconditionFailure("\(run) ended, but is not the active run")
        }
        running = nil
        isLeaving = false
        if let index = models.firstIndex(where: { $0.name == entry.model }) { models[index].leave() }
        return entry
    }

    /// Returns the queued or active run that is trained on all eligible corpora of the model.
    private func covering(_ index: Int) -> Entry? {
        let model = models[index]
        return ([running].compactMap(\.self) + queue).first { entry in
            entry.model == model.name && (entry.corpora.map { Set($0) == model.eligible } ?? true)
        }
    }

    private func skip(_ index: Int) -> SkipReason? {
        if models[index].eligibleCorpora.isEmpty { return .noCorpus }
        if let entry = covering(index) { return .underWay(entry.run) }
        return models[index].eligible.isSubset(of: models[index].attempted) ? .nothingNew : nil
    }

    /// Returns whether the run may work now: its model is not paused, and its window is open.
    private func mayWork(_ entry: Entry, _ now: Timestamp) -> Bool {
        guard !isPaused(entry.model) else { return false }
        return entry.isManual || models.first { $0.name == entry.model }?.schedule.isOpen(at: now.date) ?? true
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

    /// Handles an elapse of the schedule, which stays pending until a run is queued or skipped.
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
            // Rounded up: otherwise the last fraction of a microsecond would cause wake-ups over and over.
            let seconds = max(0, date.timeIntervalSince(now.date)) + 0.001
            return now.time.advanced(by: min(.seconds(seconds), Self.longestSleep))
        }
        return (settled + [byTheWall]).compactMap(\.self).min()
    }
}

extension Scheduler.Timestamp {
    /// Returns the time that the wall clock will show at `time`, unless the clock is set before.
    func date(at time: Scheduler.Time) -> Date {
        date.addingTimeInterval(self.time.duration(to: time) / .seconds(1))
    }
}
