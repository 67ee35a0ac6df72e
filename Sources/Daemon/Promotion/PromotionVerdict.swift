import Durable
import Formatting
import FoundationEssentials
import Jobs
import Supervision

/// What became of a candidate at the gate: `promotion.json` in its directory, so that it is known without the database too.
struct PromotionVerdict: Codable, Sendable, Equatable {
    /// Whether the candidate may serve.
    var passes: Bool
    /// For people.
    var reason: String
    /// On the lines that both were asked for; null where it could not be had or there was nothing to compare with.
    var judgedBitsPerByte: Double?
    /// The generation that served then.
    var incumbent: Int?
    var incumbentBitsPerByte: Double?
    /// The relative share that was allowed.
    var tolerance: Double
    /// Samples and UTF-8 bytes of the lines.
    var samples: Int?
    var bytes: Int?

    private static let file = "promotion.json"

    /// - Parameters:
    ///   - candidate: with an evaluation
    ///   - incumbent: what was said of the generation `number`, which serves
    init(
        candidate: RunEvent.EvaluationResult, against incumbent: RunEvent.EvaluationResult, _ number: Int,
        tolerance: Double
    ) {
        self.tolerance = tolerance
        self.incumbent = number
        (samples, bytes) = (candidate.samples, candidate.bytes)
        judgedBitsPerByte = candidate.evaluation?.bitsPerByte
        incumbentBitsPerByte = incumbent.evaluation?.bitsPerByte
        guard let ours = judgedBitsPerByte else {
            passes = false
            reason = candidate.failureReason ?? "it could not be judged"
            return
        }
        guard let theirs = incumbentBitsPerByte else {
            passes = true
            reason = "generation \(number) could not be judged: \(incumbent.failureReason ?? "it said nothing")"
            return
        }
        passes = ours <= theirs * (1 + tolerance)
        let figures =
            "\(MessageFormat.fixed(ours, 3)) bits a byte held out, \(MessageFormat.fixed(theirs, 3)) of generation \(number)"
        reason =
            passes
            ? figures
            : "\(figures), \(MessageFormat.fixed((ours / theirs - 1) * 100, 1)) % more where "
                + "\(MessageFormat.fixed(tolerance * 100, 1)) % are allowed (promotion.tolerance)"
    }

    /// Nothing serves that the candidate could be compared with.
    init(unopposed reason: String, tolerance: Double) {
        passes = true
        self.reason = reason
        self.tolerance = tolerance
    }

    /// It was not let through the gate, for a person has promoted another one while it waited.
    init(withdrawn reason: String, tolerance: Double) {
        passes = false
        self.reason = reason
        self.tolerance = tolerance
    }

    /// Nothing serves that the candidate could be compared with, and a run says what is held out.
    /// - Parameter candidate: with an evaluation, which is finite; nil where none could be had, as `outcome` says
    init(alone candidate: RunEvent.EvaluationResult?, _ outcome: RunSupervisor.Outcome, tolerance: Double) {
        let reason =
            switch (candidate?.evaluation, outcome) {
            case (let evaluation?, _): "\(MessageFormat.fixed(evaluation.bitsPerByte, 3)) bits a byte held out"
            case (nil, .failed(let reason, _)), (nil, .refused(let reason, _)): "it could not be judged: \(reason)"
            case (nil, _): "the judge said nothing"
            }
        self.init(unopposed: "no generation serves yet; \(reason)", tolerance: tolerance)
        judgedBitsPerByte = candidate?.evaluation?.bitsPerByte
        (samples, bytes) = (candidate?.samples, candidate?.bytes)
    }

    /// The candidate cannot serve.
    init(damaged reason: String, tolerance: Double) {
        passes = false
        self.reason = reason
        self.tolerance = tolerance
    }

    /// Nil where the generation has not been to the gate.
    static func read(_ directory: String) -> PromotionVerdict? {
        guard let json = try? Durable.read("\(directory)/\(file)", atMost: 1 << 20) else { return nil }
        return try? JobCoding.decode(PromotionVerdict.self, from: Data(json))
    }

    func write(_ directory: String) throws {
        try Durable.write(JobCoding.encode(self, pretty: true), to: "\(directory)/\(Self.file)")
    }
}
