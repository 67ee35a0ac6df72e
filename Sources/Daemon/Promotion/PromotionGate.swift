import AsyncSupport
import Durable
import Events
import Jobs
import Database
import Supervision
import Varlink

/// The promotion gate. On the same held-out text, a new generation must not be worse than the generation that serves by more
/// than `promotion.tolerance`.
///
/// All state is kept in files and the database: if the process is killed, the candidate is submitted again after a restart,
/// unless it had already passed.
struct PromotionGate: Sendable {
    struct Candidate: Sendable {
        var model: String
        var generation: Int
        /// The run whose job defines the held-out text; nil if there is none.
        var run: String?
        /// SHA-256 of its weights, if known.
        var modelSha256: String?
    }

    enum Outcome: Sendable {
        /// It serves now. Nil if it served already, or if a newer request has superseded this one.
        case serves(ServingModel?)
        case rejected(PromotionVerdict)
        /// It could not be evaluated and stays a candidate.
        case unjudged(reason: String)
        /// An administrator has promoted another generation in the meantime, so this one is obsolete.
        case withdrawn
        /// It cannot be loaded, or its answers are unusable.
        case damaged(reason: String)
        /// A disk error prevents its promotion for now.
        case unable(DurableError)
        /// The evaluation was interrupted.
        case left
    }

    let directory: StateDirectory
    let metrics: StateStore
    let journal: EventJournal
    let registry: ModelRegistry
    let supervisor: RunSupervisor
    let tolerance: Double

    /// Evaluates a candidate and promotes it if it passes.
    /// - Parameter onCrash: called when an evaluation process crashes
    func pass(
        _ candidate: Candidate, leave: Latch, onCrash: @escaping @Sendable (RunSupervisor.Crash) async -> Void
    ) async -> Outcome {
        let (model, number) = (candidate.model, candidate.generation)
        let folder = directory.generation(number, of: model)
        if (try? metrics.generation(number, of: model)) == nil {
            do {
                let record = try directory.record(
                    ofGeneration: number, of: model,
                    state: directory.currentGeneration(of: model) == number ? .serving : .candidate,
                    modelSha256: candidate.modelSha256)
                journal.attempt("generation \(number) of \(model) was not recorded") { try metrics.save(record) }
            } catch {
                return .damaged(reason: "\(error)")
            }
        }
        while true {
            let incumbent = directory.currentGeneration(of: model)
            // An administrator has promoted it, or the process was killed after its promotion.
            if incumbent == number { return .serves(nil) }
            if isWithdrawn(candidate) { return .withdrawn }
            let verdict: PromotionVerdict
            if let incumbent, let run = candidate.run {
                let rival = directory.generation(incumbent, of: model)
                let (outcome, said, precisions) = await supervisor.judge(
                    [folder, rival], jobAt: directory.job(of: run), leave: leave, onCrash: onCrash)
                switch outcome {
                case .published: break
                case .left: return .left
                case .failed(let reason, _), .refused(let reason, _): return .unjudged(reason: reason)
                }
                keep(precisions, [number, incumbent], of: model)
                guard said.count == 2 else { return .unjudged(reason: "the evaluation returned no result") }
                if let failureReason = said[0].failureReason { return damaged(candidate, failureReason) }
                verdict = PromotionVerdict(candidate: said[0], against: said[1], incumbent, tolerance: tolerance)
                tell(verdict, candidate, seconds: said[0].seconds + said[1].seconds)
            } else if let run = candidate.run {
                // There is no generation to compare with, but its loss has to be finite.
                let (outcome, said, precisions) = await supervisor.judge(
                    [folder], jobAt: directory.job(of: run), leave: leave, onCrash: onCrash)
                if outcome == .left { return .left }
                keep(precisions, [number], of: model)
                if let failureReason = said.first?.failureReason { return damaged(candidate, failureReason) }
                verdict = PromotionVerdict(alone: said.first, outcome, tolerance: tolerance)
            } else {
                verdict = PromotionVerdict(
                    unopposed: incumbent == nil ? "no generation serves yet" : "there is no held-out text",
                    tolerance: tolerance)
            }
            // After the await, another generation may serve; the candidate must then be compared with that one.
            guard directory.currentGeneration(of: model) == incumbent, !isWithdrawn(candidate) else { continue }
            journal.attempt("the verdict was not written") { try verdict.write(folder) }
            guard verdict.passes else { return .rejected(verdict) }
            do {
                return .serves(
                    try await registry.promote(model, to: number) {
                        // Loading it takes a while; it may have been withdrawn in the meantime.
                        if isWithdrawn(candidate) { throw Withdrawn() }
                    })
            } catch is Withdrawn {
                return .withdrawn
            } catch let error as DurableError {
                return .unable(error)
            } catch {
                return damaged(candidate, "\(error)")
            }
        }
    }

    private struct Withdrawn: Error {}

    /// Whether its record says that it is no longer a candidate. A generation without a record has not been withdrawn.
    private func isWithdrawn(_ candidate: Candidate) -> Bool {
        let found = try? metrics.generation(candidate.generation, of: candidate.model)
        guard let record = found, record.state == .rejected else { return false }
        // The record may be that of a generation with the same number that was deleted manually.
        return candidate.modelSha256 ?? record.modelSha256 == record.modelSha256
    }

    /// Records that a candidate can never serve, in its directory and in the database.
    private func damaged(_ candidate: Candidate, _ reason: String) -> Outcome {
        let (model, number) = (candidate.model, candidate.generation)
        let verdict = PromotionVerdict(damaged: reason, tolerance: tolerance)
        journal.attempt("the verdict was not written") { try verdict.write(directory.generation(number, of: model)) }
        journal.attempt("generation \(number) of \(model) was not recorded") {
            guard var record = try metrics.generation(number, of: model) else { return }
            record.state = .rejected
            record.take(verdict)
            try metrics.save(record)
        }
        return .damaged(reason: reason)
    }

    /// Stores what the evaluation measured of generations whose precisions were not known yet: in their directories, where
    /// the registry reads it when it loads them, and in the database.
    private func keep(_ precisions: [String: MeasuredPrecisions], _ numbers: [Int], of model: String) {
        for number in numbers {
            let folder = directory.generation(number, of: model)
            guard let measured = precisions[folder] else { continue }
            journal.attempt("the precisions of generation \(number) of \(model) were not recorded") {
                try measured.write(directory: folder)
                try metrics.save(measured, ofGeneration: number, of: model)
            }
        }
    }

    private func tell(_ verdict: PromotionVerdict, _ candidate: Candidate, seconds: Double) {
        var fields: [String: JSONValue] = [
            "generation": .int(candidate.generation), "passes": .bool(verdict.passes), "seconds": .double(seconds),
            "tolerance": .double(verdict.tolerance),
        ]
        fields["bits_per_byte"] = verdict.judgedBitsPerByte.map(JSONValue.double)
        fields["incumbent"] = verdict.incumbent.map(JSONValue.int)
        fields["incumbent_bits_per_byte"] = verdict.incumbentBitsPerByte.map(JSONValue.double)
        fields["samples"] = verdict.samples.map(JSONValue.int)
        fields["bytes"] = verdict.bytes.map(JSONValue.int)
        journal.report(
            ServiceEvent(
                .generationJudged, "\(candidate.model) \(candidate.generation): \(verdict.reason)",
                model: candidate.model, run: candidate.run, fields: fields))
    }
}
