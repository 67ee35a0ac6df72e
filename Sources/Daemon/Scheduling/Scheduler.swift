/// Decides when which model is trained. One run at a time, first come first served.
///
/// A value without I/O: what happened goes in with the time, what to do comes out.
public struct Scheduler: Sendable {
    public typealias Time = ContinuousClock.Instant

    /// A run that waits for its turn or has it.
    public struct Entry: Sendable, Equatable {
        public var run: String
        public var model: String
        /// What the run's job names, where it has one already and goes on; nil: whatever there is when it begins.
        public var corpora: [String]?

        public init(run: String, model: String, corpora: [String]? = nil) {
            self.run = run
            self.model = model
            self.corpora = corpora
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
        /// Tell the run that has its turn to leave.
        case stop(Entry)
        /// The run left the queue without having begun.
        case dropped(Entry)
    }

    /// What is known of a model when the service starts.
    public struct Model: Sendable {
        public var name: String
        public var settle: Duration
        /// SHA-256 of every corpus that feeds the model, in the order of admission.
        public var fed: [String]
        /// What its last published run was trained on.
        public var learned: Set<String>
        /// What its last run of any outcome was trained on: the same again would end the same way.
        public var attempted: Set<String>
        /// The number the next run gets.
        public var nextNumber: Int

        var newestArrival: Time?
        var dueAt: Time?

        public init(
            name: String, settle: Duration, fed: [String] = [], learned: Set<String> = [],
            attempted: Set<String> = [], nextNumber: Int = 1
        ) {
            self.name = name
            self.settle = settle
            self.fed = fed
            self.learned = learned
            self.attempted = attempted
            self.nextNumber = nextNumber
        }
    }

    public enum Refusal: Error, Sendable, Equatable {
        case unknownModel
        case noCorpus
        case nothingNew
    }

    private var models: [Model]
    public private(set) var queue: [Entry] = []
    public private(set) var running: Entry?
    private var wakesAt: Time?

    public init(models: [Model]) {
        self.models = models
    }

    /// Corpora that came while the service was away are due `settle` from now.
    /// - Parameter unfinished: runs to go on with, in their order
    public mutating func start(unfinished: [Entry], now: Time) -> [Action] {
        queue = unfinished
        for index in models.indices { arrive(index, now) }
        return unfinished.map(Action.enqueued) + advance(now)
    }

    /// - Parameter names: the models that the corpus feeds
    public mutating func corpusAdmitted(_ sha256: String, for names: [String], now: Time) -> [Action] {
        for index in models.indices where names.contains(models[index].name) {
            guard !models[index].fed.contains(sha256) else { continue }
            models[index].fed.append(sha256)
            arrive(index, now)
        }
        return advance(now)
    }

    /// The moment asked for with `wake` has come; harmless at any other.
    public mutating func tick(now: Time) -> [Action] {
        wakesAt = nil
        return advance(now)
    }

    /// Someone asks for a run now.
    /// - Returns: the run, which may be one that waits already, and what to do
    public mutating func train(_ name: String, force: Bool, now: Time) -> Result<
        (run: String, actions: [Action]), Refusal
    > {
        guard let index = models.firstIndex(where: { $0.name == name }) else { return .failure(.unknownModel) }
        guard !models[index].fed.isEmpty else { return .failure(.noCorpus) }
        if let waiting = queue.first(where: { $0.model == name && $0.corpora == nil }) {
            return .success((waiting.run, []))
        }
        let isNew = Set(models[index].fed) != models[index].learned && !isCovered(index)
        guard force || isNew else { return .failure(.nothingNew) }
        let enqueued = enqueue(index)
        return .success((enqueued.run, [.enqueued(enqueued)] + advance(now)))
    }

    /// The run that had its turn is over.
    /// - Parameter published: its model serves
    public mutating func ended(_ run: String, published: Bool, now: Time) -> [Action] {
        guard let entry = running, entry.run == run else {
            preconditionFailure("\(run) ended without having its turn")
        }
        if let index = models.firstIndex(where: { $0.name == entry.model }) {
            models[index].attempted = Set(entry.corpora ?? [])
            if published { models[index].learned = models[index].attempted }
            // A run of an earlier life of the service, gone on with, may have learned all there is.
            if Set(models[index].fed) == models[index].attempted { models[index].dueAt = nil }
            // What came during the run settled from its own arrival on.
            if models[index].dueAt == nil, Set(models[index].fed) != models[index].attempted {
                models[index].dueAt = (models[index].newestArrival ?? now).advanced(by: models[index].settle)
            }
        }
        running = nil
        return advance(now)
    }

    /// - Returns: nil where no such run waits or has its turn
    public mutating func cancel(_ run: String, now: Time) -> [Action]? {
        if let running, running.run == run { return [.stop(running)] }
        guard let place = queue.firstIndex(where: { $0.run == run }) else { return nil }
        let entry = queue.remove(at: place)
        if let index = models.firstIndex(where: { $0.name == entry.model }) {
            models[index].attempted = Set(models[index].fed)
        }
        return [.dropped(entry)] + advance(now)
    }

    /// The model's corpora settle so long from now on, the newest of those that wait included.
    public mutating func settle(_ name: String, after settle: Duration, now: Time) -> [Action] {
        guard let index = models.firstIndex(where: { $0.name == name }) else { return [] }
        models[index].settle = settle
        if models[index].dueAt != nil { models[index].dueAt = models[index].newestArrival?.advanced(by: settle) }
        return advance(now)
    }

    /// How long until the model's next run is queued; nil where nothing is due.
    public func remaining(_ name: String, now: Time) -> Duration? {
        models.first { $0.name == name }?.dueAt.map { max(.zero, now.duration(to: $0)) }
    }

    private mutating func arrive(_ index: Int, _ now: Time) {
        guard !models[index].fed.isEmpty, Set(models[index].fed) != models[index].attempted else { return }
        models[index].newestArrival = now
        models[index].dueAt = now.advanced(by: models[index].settle)
    }

    private mutating func enqueue(_ index: Int) -> Entry {
        let entry = Entry(run: "\(models[index].name)-\(models[index].nextNumber)", model: models[index].name)
        models[index].nextNumber += 1
        models[index].dueAt = nil
        queue.append(entry)
        return entry
    }

    /// Whether a run that waits or has its turn learns from everything that feeds the model.
    private func isCovered(_ index: Int) -> Bool {
        let model = models[index]
        return (queue + [running].compactMap(\.self)).contains { entry in
            entry.model == model.name && (entry.corpora.map { Set($0) == Set(model.fed) } ?? true)
        }
    }

    private mutating func advance(_ now: Time) -> [Action] {
        var actions: [Action] = []
        for index in models.indices {
            guard let dueAt = models[index].dueAt, dueAt <= now else { continue }
            models[index].dueAt = nil
            if !isCovered(index) { actions.append(.enqueued(enqueue(index))) }
        }
        if running == nil, !queue.isEmpty {
            var entry = queue.removeFirst()
            let resumes = entry.corpora != nil
            entry.corpora = entry.corpora ?? models.first { $0.name == entry.model }?.fed ?? []
            running = entry
            actions.append(.start(entry, resumes: resumes))
        }
        let next = models.compactMap(\.dueAt).min()
        if let next, next != wakesAt { actions.append(.wake(next)) }
        wakesAt = next
        return actions
    }
}
