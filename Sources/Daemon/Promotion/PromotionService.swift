import AsyncSupport
import Durable
import Events
import FoundationEssentials
import Interface
import Jobs
import Database
import Settings
import Supervision
import Synchronization
import Varlink

/// Decides which generations serve: those of runs and imports by the gate, others by an administrator's request.
///
/// `TrainingService` and `ManagerService` call it; it calls neither of them.
package final class PromotionService: Sendable {
    private let live: ReloadableSettings
    private var settings: Settings { live.current }
    private let directory: StateDirectory
    private let metrics: StateStore
    private let journal: EventJournal
    private let registry: ModelRegistry
    /// The path of `kantaibert-train`.
    private let program: String
    private let stopping = Latch()
    private let numbering = Mutex(())
    /// Generations that are being loaded or evaluated, by model, with the number of holders; they are not pruned.
    private let held = Mutex<[String: [Int: Int]]>([:])
    /// Generations that an administrator is removing. Changed only while `held` is locked.
    private let leaving = Mutex<Set<[String]>>([])
    /// The last evaluation of a candidate that no run submits. They run one after another, however many models are
    /// imported.
    private let evaluations = Mutex<Task<Void, Never>?>(nil)
    private let pruning = Mutex(())
    private let clockDoubt = Once()

    /// - Parameter program: the path of `kantaibert-train`
    package init(
        settings: ReloadableSettings, directory: StateDirectory, metrics: StateStore, journal: EventJournal,
        registry: ModelRegistry, program: String
    ) {
        live = settings
        self.directory = directory
        self.metrics = metrics
        self.journal = journal
        self.registry = registry
        self.program = program
    }

    /// Interrupts the evaluation of candidates; they are evaluated when the service is started again.
    package func stop() { stopping.open() }

    /// Waits until the evaluations, which `stop` interrupts, have ended.
    package func finish() async { await evaluations.withLock { $0 }?.value }

    /// Runs `body` while no other generation number is chosen: a run and an import must not take the same one. `body` chooses
    /// a number and records it.
    func choosingNumber<Value: Sendable>(_ body: () throws -> Value) rethrows -> Value {
        try numbering.withLock { _ in try body() }
    }

    /// Removes everything that exceeds the retention settings.
    func prune() {
        pruning.withLock { _ in
            Pruner(settings: settings, directory: directory, metrics: metrics, journal: journal, doubt: clockDoubt)
                .prune(held: held.withLock { $0.mapValues { Set($0.keys) } })
        }
    }

    private func hold(_ model: String, _ generation: Int) {
        held.withLock { $0[model, default: [:]][generation, default: 0] += 1 }
    }

    private func release(_ model: String, _ generation: Int) {
        held.withLock { held in
            guard let holders = held[model]?[generation] else { return }
            held[model]?[generation] = holders > 1 ? holders - 1 : nil
        }
    }
}

/// Candidates of training runs.
extension PromotionService {
    /// Evaluates a candidate and promotes it if it passes the gate, without reporting the outcome: the caller records
    /// the end of the run first, so that a client that learns that the model serves sees its run as finished.
    /// - Parameter leave: when open, the evaluation is interrupted
    func submit(_ candidate: PromotionGate.Candidate, leave: Latch) async -> PromotionGate.Outcome {
        let gate = PromotionGate(
            directory: directory, metrics: metrics, journal: journal, registry: registry,
            supervisor: RunSupervisor(program: program, settings: settings, directory: directory),
            tolerance: settings.promotion.tolerance)
        let subject = candidate.run ?? "the evaluation of \(candidate.model) \(candidate.generation)"
        return await gate.pass(candidate, leave: leave) { [journal, settings] death in
            journal.report(death, of: subject, model: candidate.model, settings.training)
        }
    }

    /// Records and reports the outcome for a run's candidate.
    func report(_ outcome: PromotionGate.Outcome, of candidate: PromotionGate.Candidate) {
        record(outcome, of: candidate, run: candidate.run)
        announce(outcome, of: candidate, run: candidate.run)
    }

    /// Records the outcome for a candidate.
    /// - Parameter run: the run that produced it; nil if it was imported
    private func record(_ outcome: PromotionGate.Outcome, of candidate: PromotionGate.Candidate, run: String?) {
        let (model, number) = (candidate.model, candidate.generation)
        journal.attempt("generation \(number) of \(model) was not recorded") {
            switch outcome {
            case .serves(let serving): if let serving { try metrics.save(serving.record(run: run)) }
            case .rejected(let verdict):
                var record =
                    try metrics.generation(number, of: model)
                    ?? directory.record(ofGeneration: number, of: model, state: .rejected)
                record.state = .rejected
                record.take(verdict)
                try metrics.save(record)
            case .unjudged, .unable, .damaged, .withdrawn, .left: break
            }
        }
    }

    private func announce(_ outcome: PromotionGate.Outcome, of candidate: PromotionGate.Candidate, run: String?) {
        let (model, number) = (candidate.model, candidate.generation)
        switch outcome {
        case .serves(let serving): if let serving { journal.report(serving.event(run: run)) }
        case .rejected(let verdict):
            journal.report(
                ServiceEvent(
                    .generationRejected,
                    "\(model) \(number) was not promoted: \(verdict.reason); ‘kbctl promote’ promotes it anyway",
                    model: model, run: run, fields: ["generation": .int(number), "reason": .string(verdict.reason)]))
        case .unjudged(let reason): reportUnjudged(model, number, reason, run: run)
        case .unable(let error): reportUnjudged(model, number, "\(error)", run: run)
        case .damaged(let reason):
            journal.report(
                ServiceEvent(
                    .generationDamaged, "generation \(number) of \(model) cannot serve: \(reason)", model: model))
        // Reported when the other generation was promoted.
        case .withdrawn: break
        // It is evaluated when the service is started again.
        case .left: break
        }
    }

    private func reportUnjudged(_ model: String, _ number: Int, _ reason: String, run: String?) {
        journal.report(
            ServiceEvent(
                .generationRejected,
                "\(model) \(number) could not be evaluated and stays a candidate: \(reason). It is evaluated again at the next "
                    + "start; ‘kbctl promote’ promotes it now",
                model: model, run: run, fields: ["generation": .int(number), "reason": .string(reason)]))
    }
}

/// Requests of administrators.
extension PromotionService {
    /// Deletes a generation: first its directory, durably, then its record. After a kill in between, the record is removed at
    /// the next start (`Pruner`).
    /// - Parameter serving: the generation that answers requests; nil if there is none
    /// - Throws: `GenerationNotFound`; `GenerationInUse` if it serves or is needed by a run; `DurableError`
    func remove(_ model: String, _ generation: Int, serving: Int?) async throws {
        let mark = [model, "\(generation)"]
        @Sendable func inUse(_ reason: String) -> ManagerInterface.GenerationInUse {
            .init(model: model, generation: generation, reason: reason)
        }
        try await Blocking.changes.run(for: nil) { [self] in
            try pruning.withLock { _ in
                guard directory.generations(of: model).contains(generation) else {
                    throw ManagerInterface.GenerationNotFound(model: model, generation: generation)
                }
                guard ![serving, directory.currentGeneration(of: model)].contains(generation) else {
                    throw inUse("it serves; promote another one first")
                }
                guard directory.generations(of: model).last != generation else {
                    throw inUse("it is the newest one, whose number the next one would get")
                }
                for run in try metrics.runs(model: model, states: RunRecord.State.unfinished) {
                    let start = (try? directory.readJob(of: run.id))?.start?.generation
                    guard run.generation != generation, start != generation else {
                        throw inUse("\(run.id) needs it; cancel the run or wait until it is finished")
                    }
                }
                let isFree = held.withLock { held in
                    guard held[model]?[generation] == nil else { return false }
                    leaving.withLock { _ = $0.insert(mark) }
                    return true
                }
                guard isFree else { throw inUse("it is being loaded or evaluated; try again later") }
                defer { held.withLock { _ in leaving.withLock { _ = $0.remove(mark) } } }
                try Durable.removeWhole(directory.generation(generation, of: model))
                try metrics.removeGeneration(generation, of: model)
            }
        }
        journal.report(
            ServiceEvent(
                .generationRemoved, "generation \(generation) of \(model) was removed", model: model,
                fields: ["generation": .int(generation)]))
    }

    /// Serves an existing generation. Candidates that are being evaluated at this moment, or are waiting for it, are older than
    /// the request and do not replace it.
    func promote(_ model: String, to generation: Int) async throws {
        let isThere = held.withLock { held in
            guard !leaving.withLock({ $0.contains([model, "\(generation)"]) }) else { return false }
            held[model, default: [:]][generation, default: 0] += 1
            return true
        }
        guard isThere else { throw ManagerInterface.GenerationNotFound(model: model, generation: generation) }
        defer { release(model, generation) }
        // It may have been removed since the caller looked.
        guard directory.generations(of: model).contains(generation) else {
            throw ManagerInterface.GenerationNotFound(model: model, generation: generation)
        }
        let reason = "generation \(generation) was promoted manually in the meantime"
        let withdrawn = Mutex<[GenerationRecord]>([])
        let serving: ServingModel?
        do {
            serving = try await registry.promote(model, to: generation, isManual: true) { [metrics] in
                // Recorded before `current` points elsewhere: after a kill in between, no candidate replaces it.
                let records = try metrics.withdrawCandidates(of: model, but: generation, because: reason)
                withdrawn.withLock { $0 = records }
            }
        } catch {
            for record in withdrawn.withLock({ $0 }) {
                journal.attempt("generation \(record.number) of \(model) remains withdrawn") {
                    try metrics.save(record)
                }
            }
            throw error
        }
        guard let serving else { return }
        announce(serving)
        for record in withdrawn.withLock({ $0 }) { reportWithdrawn(record, reason) }
        prune()
    }

    private func announce(_ serving: ServingModel) {
        journal.attempt("generation \(serving.generation) of \(serving.name) was not recorded") {
            try metrics.save(serving.record(run: nil))
        }
        journal.report(serving.event(run: nil))
    }

    private func reportWithdrawn(_ record: GenerationRecord, _ reason: String) {
        let folder = directory.generation(record.number, of: record.model)
        journal.attempt("the verdict on generation \(record.number) of \(record.model) was not written") {
            try PromotionVerdict(withdrawn: reason, tolerance: settings.promotion.tolerance).write(folder)
        }
        journal.report(
            ServiceEvent(
                .generationRejected,
                "\(record.model) \(record.number) was not promoted: \(reason); ‘kbctl promote’ promotes it anyway",
                model: record.model, run: record.run.isEmpty ? nil : record.run,
                fields: ["generation": .int(record.number), "reason": .string(reason)]))
    }

    /// Publishes an imported model directory as the next generation and submits it to the gate, which evaluates it on
    /// the held-out text of the model's newest run. Without a run there is no held-out text, and it serves at once.
    /// - Parameter aside: the model directory, which is moved
    /// - Returns: the generation's record; a candidate while it is being evaluated
    /// - Throws: `DurableError` or `InferenceError`. `aside` is then removed, and the current generation still serves.
    package func adopt(_ aside: String, as model: String) async throws -> GenerationRecord {
        let number: Int
        do {
            // Synced before the number is chosen: large weights take long, and runs wait for the choice.
            try await Blocking.changes.run(for: nil) { try Durable.syncTree(aside) }
            number = try choosingNumber {
                let planned = try plannedGenerations(of: model).max() ?? 0
                let number = max(directory.generations(of: model).last ?? 0, planned) + 1
                hold(model, number)
                do {
                    try Durable.publishDirectory(aside, as: directory.generation(number, of: model))
                } catch {
                    release(model, number)
                    throw error
                }
                return number
            }
        } catch {
            try? Durable.removeTree(aside)
            throw error
        }
        defer { release(model, number) }
        let isEvaluated = newestJob(of: model) != nil
        do {
            if !isEvaluated, let serving = try await registry.promote(model, to: number) {
                announce(serving)
                return serving.record(run: nil)
            }
            // If it is not evaluated, another generation was promoted in the meantime, and this one stays a candidate.
            let record = try await Blocking.changes.run(for: nil) { [directory] in
                try directory.record(ofGeneration: number, of: model, state: .candidate)
            }
            try metrics.save(record)
            if isEvaluated { evaluate(model, [number]) }
            return record
        } catch {
            discard(model, number)
            throw error
        }
    }

    /// Removes an imported generation that was published but could not be recorded or loaded.
    private func discard(_ model: String, _ number: Int) {
        guard directory.currentGeneration(of: model) != number else { return }
        journal.attempt("generation \(number) of \(model) was not removed") {
            try metrics.removeGeneration(number, of: model)
            try Durable.removeWhole(directory.generation(number, of: model))
        }
    }

    /// Returns the numbers of the generations that unfinished runs will publish.
    private func plannedGenerations(of model: String) throws -> [Int] {
        try metrics.runs(model: model, states: RunRecord.State.unfinished).compactMap(\.generation)
    }
}

/// Candidates that no active run submits.
extension PromotionService {
    /// Submits the candidates left by an earlier process: imported ones, and those whose evaluation failed. Candidates older
    /// than the generation that serves are skipped, as are those of unfinished runs, which submit them themselves.
    func judgeCandidates() {
        for model in settings.models.map(\.name) {
            journal.attempt("the candidates of \(model) were not evaluated") {
                let planned = try plannedGenerations(of: model)
                let serving = directory.currentGeneration(of: model) ?? 0
                let candidates = try metrics.generations(of: model).filter {
                    $0.state == .candidate && $0.number > serving && !planned.contains($0.number)
                }.map(\.number)
                guard !candidates.isEmpty else { return }
                evaluate(model, candidates.sorted())
            }
        }
    }

    /// Evaluates candidates after those that were submitted before.
    private func evaluate(_ model: String, _ numbers: [Int]) {
        for number in numbers { hold(model, number) }
        evaluations.withLock { last in
            let previous = last
            last = Task {
                await previous?.value
                for number in numbers { await judge(model, number) }
            }
        }
    }

    private func judge(_ model: String, _ number: Int) async {
        let candidate = PromotionGate.Candidate(model: model, generation: number, run: newestJob(of: model)?.run)
        let outcome = await submit(candidate, leave: stopping)
        if case .left = outcome { return }
        record(outcome, of: candidate, run: nil)
        release(model, number)
        // Prunes before the outcome is announced, so that clients that learn of it find retired generations already
        // removed.
        prune()
        announce(outcome, of: candidate, run: nil)
    }

    /// The newest job of a model whose corpora all exist, or else the newest job that can be read.
    private func newestJob(of model: String) -> Job? {
        let runs = (try? metrics.runs(model: model)) ?? []
        let jobs = runs.lazy.compactMap { try? self.directory.readJob(of: $0.id) }
        return jobs.first { $0.corpora.allSatisfy { FileManager.default.fileExists(atPath: $0.path) } } ?? jobs.first
    }
}
