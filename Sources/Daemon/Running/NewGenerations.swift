import AsyncSupport
import Durable
import FoundationEssentials
import Interface
import Jobs
import Database
import Supervision
import Synchronization
import Varlink

/// How a generation comes to serve: those of runs and imported ones by the gate, others by their owner's wish.
extension TrainingService {
    /// Brings what a run has published to the gate.
    /// - Returns: whether the run is finished
    func conclude(_ job: Job) async -> Bool {
        guard let leave = activeRun?.leave else { preconditionFailure("no run is under way") }
        let (run, model, number) = (job.run, job.model, job.generation)
        let gate = gate
        let candidate = PromotionGate.Candidate(
            model: model, generation: number, run: run, modelSha256: activeRun?.modelSha256)
        let outcome: PromotionGate.Outcome
        do {
            outcome = try await withDiskRetry("generation \(number) of \(model) does not serve") {
                let outcome = await withLeave(leave) {
                    await gate.pass(candidate, leave: leave) { death in await self.crashed(death, run, model) }
                }
                if case .unable(let error) = outcome { throw error }
                return outcome
            }
        } catch {
            // It is whole; where `current` cannot point to it today, the next life of the service tries again.
            end(
                .interrupted, kind: .problem,
                "\(run) is finished, but generation \(number) cannot serve yet: \(error)", model: model)
            return false
        }
        switch outcome {
        case .serves(let serving):
            // Before it is told that the model serves: who hears of that finds its run finished.
            end(.finished, kind: .runFinished, "\(run) is finished: generation \(number)", model: model)
            if let serving { announce(serving, run: run) }
        case .rejected(let verdict):
            end(.finished, kind: .runFinished, "\(run) is finished: generation \(number)", model: model)
            reject(model, number, verdict, run: run)
        case .unjudged(let reason):
            end(.finished, kind: .runFinished, "\(run) is finished: generation \(number)", model: model)
            leaveCandidate(model, number, reason, run: run)
        case .withdrawn:
            end(.finished, kind: .runFinished, "\(run) is finished: generation \(number)", model: model)
        case .damaged(let reason):
            end(
                .failed, kind: .generationDamaged, "generation \(number) of \(model) cannot serve: \(reason)",
                model: model)
            return false
        case .left, .unable:
            return await conclude(.left, run: run, model: model, job: job)
        }
        return true
    }

    private func reject(_ model: String, _ number: Int, _ verdict: PromotionVerdict, run: String?) {
        journal.attempt("generation \(number) of \(model) is not recorded") {
            var record =
                try metrics.generation(number, of: model)
                ?? directory.record(ofGeneration: number, of: model, state: .rejected)
            record.state = .rejected
            record.take(verdict)
            try metrics.save(record)
        }
        journal.report(
            ServiceEvent(
                .generationRejected, "\(model) \(number) does not serve: \(verdict.reason); promote it to overrule",
                model: model, run: run, fields: ["generation": .int(number), "reason": .string(verdict.reason)]))
    }

    private func leaveCandidate(_ model: String, _ number: Int, _ reason: String, run: String?) {
        journal.report(
            ServiceEvent(
                .generationRejected,
                "\(model) \(number) could not be judged and stays a candidate: \(reason); promote it to overrule, or it is "
                    + "judged again at the next start",
                model: model, run: run, fields: ["generation": .int(number), "reason": .string(reason)]))
    }

    private func announce(_ serving: ServingModel, run: String?) {
        journal.attempt("generation \(serving.generation) of \(serving.name) is not recorded") {
            try metrics.save(serving.record(run: run))
        }
        journal.report(serving.event(run: run))
    }

    private var gate: PromotionGate {
        PromotionGate(
            directory: directory, metrics: metrics, journal: journal, registry: registry, supervisor: supervisor,
            tolerance: settings.promotion.tolerance)
    }

    /// The way back, or forward, to a generation that exists. Whatever is at the gate or waits for it at this moment is older
    /// than the wish, and does not take over from it.
    public func promote(_ model: String, to generation: Int) async throws {
        opening[model, default: []].insert(generation)
        defer { opening[model]?.remove(generation) }
        let reason = "generation \(generation) was promoted by hand while it waited"
        let withdrawn = Mutex<[GenerationRecord]>([])
        let serving: ServingModel?
        do {
            serving = try await registry.promote(model, to: generation, isManual: true) { [metrics] in
                // Recorded before `current` points elsewhere: killed in between, no candidate takes over.
                let records = try metrics.withdrawCandidates(of: model, but: generation, because: reason)
                withdrawn.withLock { $0 = records }
            }
        } catch {
            for record in withdrawn.withLock({ $0 }) {
                journal.attempt("generation \(record.number) of \(model) stays withdrawn") { try metrics.save(record) }
            }
            throw error
        }
        guard let serving else { return }
        announce(serving, run: nil)
        for record in withdrawn.withLock({ $0 }) { tell(ofWithdrawn: record, reason) }
        opening[model]?.remove(generation)
        prune()
    }

    private func tell(ofWithdrawn record: GenerationRecord, _ reason: String) {
        let folder = directory.generation(record.number, of: record.model)
        journal.attempt("that generation \(record.number) of \(record.model) is withdrawn is not written") {
            try PromotionVerdict(withdrawn: reason, tolerance: settings.promotion.tolerance).write(folder)
        }
        journal.report(
            ServiceEvent(
                .generationRejected,
                "\(record.model) \(record.number) does not serve: \(reason); promote it to overrule",
                model: record.model, run: record.run.isEmpty ? nil : record.run,
                fields: ["generation": .int(record.number), "reason": .string(reason)]))
    }

    /// Gives a model directory that was written aside the next number, and brings it to the gate, with what is held out of
    /// the model's newest run. Where nothing serves yet, or no run has a job, it serves at once.
    /// - Returns: what it is by now: a candidate while the gate is at work
    /// - Throws: `DurableError` or `InferenceError`; the folder aside is gone, and what served before goes on.
    func adopt(_ aside: String, as model: String) async throws -> GenerationRecord {
        let number: Int
        do {
            // Nothing is awaited between the number's choice and the name's: no job can take the same one.
            let planned = try metrics.runs(model: model, states: [.queued, .running, .interrupted]).compactMap(
                \.generation)
            number = max(directory.generations(of: model).last ?? 0, planned.max() ?? 0) + 1
            try Durable.publishDirectory(aside, as: directory.generation(number, of: model))
        } catch {
            try? Durable.removeTree(aside)
            throw error
        }
        opening[model, default: []].insert(number)
        var isAtTheGate = false
        defer { if !isAtTheGate { opening[model]?.remove(number) } }
        if directory.currentGeneration(of: model) != nil, newestJob(of: model) != nil {
            let record = try await Blocking.changes.run(for: nil) { [directory] in
                try directory.record(ofGeneration: number, of: model, state: .candidate)
            }
            try metrics.save(record)
            isAtTheGate = true
            Task { await self.judge(model, number) }
            return record
        }
        guard let serving = try await registry.promote(model, to: number) else {
            throw ManagerInterface.GenerationNotFound(model: model, generation: number)
        }
        announce(serving, run: nil)
        return serving.record(run: nil)
    }

    /// The newest job of a model whose texts are all there still; else the newest that can be read.
    private func newestJob(of model: String) -> Job? {
        let runs = (try? metrics.runs(model: model)) ?? []
        let jobs = runs.lazy.compactMap { try? self.directory.readJob(of: $0.id) }
        return jobs.first { $0.corpora.allSatisfy { FileManager.default.fileExists(atPath: $0.path) } } ?? jobs.first
    }

    /// Brings the generations to the gate that an earlier life of the service did not see through it: imported ones, and
    /// those whose judges had failed. One that is older than what serves has had its time; a run's own is the run's to
    /// bring.
    func judgeCandidates() {
        for model in settings.models.map(\.name) {
            journal.attempt("the candidates of \(model) are not judged") {
                let planned = try metrics.runs(model: model, states: [.queued, .running, .interrupted])
                    .compactMap(\.generation)
                let serving = directory.currentGeneration(of: model) ?? 0
                let candidates = try metrics.generations(of: model).filter {
                    $0.state == .candidate && $0.number > serving && !planned.contains($0.number)
                }.map(\.number)
                guard !candidates.isEmpty else { return }
                opening[model, default: []].formUnion(candidates)
                Task { for number in candidates.sorted() { await self.judge(model, number) } }
            }
        }
    }

    /// Brings a generation to the gate that no run under way brings.
    private func judge(_ model: String, _ number: Int) async {
        let (leave, gate) = (Latch(), gate)
        let run = newestJob(of: model)?.run
        let candidate = PromotionGate.Candidate(model: model, generation: number, run: run)
        let outcome = await withLeave(leave) {
            await gate.pass(candidate, leave: leave) { death in
                await self.crashed(death, run ?? "the judge of \(model) \(number)", model)
            }
        }
        switch outcome {
        case .serves(let serving): if let serving { announce(serving, run: nil) }
        case .rejected(let verdict): reject(model, number, verdict, run: nil)
        case .unjudged(let reason): leaveCandidate(model, number, reason, run: nil)
        case .damaged(let reason):
            journal.report(
                ServiceEvent(
                    .generationDamaged, "generation \(number) of \(model) cannot serve: \(reason)", model: model))
        case .unable(let error): leaveCandidate(model, number, "\(error)", run: nil)
        // Whoever promoted another one has been told.
        case .withdrawn: break
        // The next life of the service judges it.
        case .left: return
        }
        opening[model]?.remove(number)
        prune()
    }
}
