import Durable
import Formatting
import FoundationEssentials
import Jobs
import Supervision

/// The gate's verdict on a candidate. Stored as `promotion.json` in its directory, so that it is known without the database.
struct PromotionVerdict: Codable, Sendable, Equatable {
    /// Whether the candidate may serve.
    var passes: Bool
    /// A human-readable explanation.
    var reason: String
    /// Its bits per byte on the held-out text; null if it was not evaluated.
    var judgedBitsPerByte: Double?
    /// The generation that served at the time, if the candidate was compared with it.
    var incumbent: Int?
    var incumbentBitsPerByte: Double?
    /// How much worse than the incumbent the candidate may be, as a fraction.
    var tolerance: Double
    /// Samples and UTF-8 bytes of the held-out text.
    var samples: Int?
    var bytes: Int?

    private static let file = "promotion.json"

    /// - Parameters:
    ///   - candidate: the candidate's result
    ///   - incumbent: the result of the generation `number`, which serves
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
            reason = candidate.failureReason ?? "it could not be evaluated"
            return
        }
        guard let theirs = incumbentBitsPerByte else {
            passes = true
            reason = "generation \(number) could not be evaluated: \(incumbent.failureReason ?? "no result")"
            return
        }
        passes = ours <= theirs * (1 + tolerance)
        let figures =
            "\(MessageFormat.fixed(ours, 3)) bits per byte on held-out text, \(MessageFormat.fixed(theirs, 3)) for generation \(number)"
        reason =
            passes
            ? figures
            : "\(figures): \(MessageFormat.fixed((ours / theirs - 1) * 100, 1)) % more, "
                + "\(MessageFormat.fixed(tolerance * 100, 1)) % allowed (promotion.tolerance)"
    }

    /// A candidate that passes because there is no generation to compare it with.
    init(unopposed reason: String, tolerance: Double) {
        passes = true
        self.reason = reason
        self.tolerance = tolerance
    }

    /// A candidate that is obsolete because an administrator has promoted another generation in the meantime.
    init(withdrawn reason: String, tolerance: Double) {
        passes = false
        self.reason = reason
        self.tolerance = tolerance
    }

    /// A candidate that was evaluated on its own because no generation serves.
    /// - Parameter candidate: its result, with a finite loss; nil if the evaluation failed, as `outcome` says
    init(alone candidate: RunEvent.EvaluationResult?, _ outcome: RunSupervisor.Outcome, tolerance: Double) {
        let reason =
            switch (candidate?.evaluation, outcome) {
            case (let evaluation?, _):
                "\(MessageFormat.fixed(evaluation.bitsPerByte, 3)) bits per byte on held-out text"
            case (nil, .failed(let reason, _)), (nil, .refused(let reason, _)): "it could not be evaluated: \(reason)"
            case (nil, _): "the evaluation returned no result"
            }
        self.init(unopposed: "no generation serves yet; \(reason)", tolerance: tolerance)
        judgedBitsPerByte = candidate?.evaluation?.bitsPerByte
        (samples, bytes) = (candidate?.samples, candidate?.bytes)
    }

    /// A candidate that can never serve.
    init(damaged reason: String, tolerance: Double) {
        passes = false
        self.reason = reason
        self.tolerance = tolerance
    }

    /// Returns nil if there is no verdict on the generation.
    static func read(_ directory: String) -> PromotionVerdict? {
        guard let json = try? Durable.read("\(directory)/\(file)", atMost: 1 << 20) else { return nil }
        return try? JobCoding.decode(PromotionVerdict.self, from: Data(json))
    }

    func write(_ directory: String) throws {
        try Durable.write(JobCoding.encode(self, pretty: true), to: "\(directory)/\(Self.file)")
    }
}
