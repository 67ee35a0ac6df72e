import AsyncSupport
import Durable
import Jobs
import Database
import Supervision
import Varlink

/// What a new generation has to pass before it serves: on the same held-out lines it must not be worse than the generation
/// that serves by more than `promotion.tolerance`.
///
/// Nothing here is remembered but in files: a kill at any moment ends in the candidate coming to the gate again, or being
/// found to have passed it.
struct PromotionGate: Sendable {
    struct Candidate: Sendable {
        var model: String
        var generation: Int
        /// The run whose job says what is held out; nil where there is none.
        var run: String?
        /// Of its weights, where it is known.
        var modelSha256: String?
    }

    enum Outcome: Sendable {
        /// It serves now; nil: it did already, or a later wish has overtaken it.
        case serves(ServingModel?)
        case rejected(PromotionVerdict)
        /// It stays a candidate.
        case unjudged(reason: String)
        /// A person has promoted another one while it waited: it has had its time.
        case withdrawn
        /// It can never serve.
        case damaged(reason: String)
        /// The disk does not let it serve now.
        case unable(DurableError)
        /// The judges were told to leave.
        case left
    }

    let directory: StateDirectory
    let metrics: StateStore
    let journal: EventJournal
    let registry: ModelRegistry
    let supervisor: RunSupervisor
    let tolerance: Double

    /// - Parameter onDeath: told of judges that died
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
                journal.attempt("generation \(number) of \(model) is not recorded") { try metrics.save(record) }
            } catch {
                return .damaged(reason: "\(error)")
            }
        }
        while true {
            let incumbent = directory.currentGeneration(of: model)
            // Promoted by its owner, or before a kill.
            if incumbent == number { return .serves(nil) }
            if isWithdrawn(candidate) { return .withdrawn }
            let verdict: PromotionVerdict
            if let incumbent, let run = candidate.run {
                let rival = directory.generation(incumbent, of: model)
                let (outcome, said) = await supervisor.judge(
                    [folder, rival], jobAt: directory.job(of: run), leave: leave, onCrash: onCrash)
                switch outcome {
                case .published: break
                case .left: return .left
                case .failed(let reason, _), .refused(let reason, _): return .unjudged(reason: reason)
                }
                guard said.count == 2 else { return .unjudged(reason: "the judges said nothing") }
                if let failureReason = said[0].failureReason { return damaged(candidate, failureReason) }
                verdict = PromotionVerdict(candidate: said[0], against: said[1], incumbent, tolerance: tolerance)
                tell(verdict, candidate, seconds: said[0].seconds + said[1].seconds)
            } else if let run = candidate.run {
                // Nothing to be compared with, but its own answers have to be numbers.
                let (outcome, said) = await supervisor.judge(
                    [folder], jobAt: directory.job(of: run), leave: leave, onCrash: onCrash)
                if outcome == .left { return .left }
                if let failureReason = said.first?.failureReason { return damaged(candidate, failureReason) }
                verdict = PromotionVerdict(alone: said.first, outcome, tolerance: tolerance)
            } else {
                verdict = PromotionVerdict(
                    unopposed: incumbent == nil ? "no generation serves yet" : "no run says what is held out",
                    tolerance: tolerance)
            }
            // We have awaited: someone may have promoted another one, which is the one to be compared with then.
            guard directory.currentGeneration(of: model) == incumbent, !isWithdrawn(candidate) else { continue }
            journal.attempt("the verdict is not written") { try verdict.write(folder) }
            guard verdict.passes else { return .rejected(verdict) }
            do {
                return .serves(
                    try await registry.promote(model, to: number) {
                        // It was opened meanwhile, which takes a while.
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

    /// Whether its record says that it is no candidate any more. Of what is not recorded nobody has withdrawn anything.
    private func isWithdrawn(_ candidate: Candidate) -> Bool {
        let found = try? metrics.generation(candidate.generation, of: candidate.model)
        guard let record = found, record.state == .rejected else { return false }
        // One that was removed by hand may have had the number before.
        return candidate.modelSha256 ?? record.modelSha256 == record.modelSha256
    }

    /// Notes that a candidate can never serve, in its directory and in the database.
    private func damaged(_ candidate: Candidate, _ reason: String) -> Outcome {
        let (model, number) = (candidate.model, candidate.generation)
        let verdict = PromotionVerdict(damaged: reason, tolerance: tolerance)
        journal.attempt("the verdict is not written") { try verdict.write(directory.generation(number, of: model)) }
        journal.attempt("generation \(number) of \(model) is not recorded") {
            guard var record = try metrics.generation(number, of: model) else { return }
            record.state = .rejected
            record.take(verdict)
            try metrics.save(record)
        }
        return .damaged(reason: reason)
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
