import Durable
import FoundationEssentials
import Glibc
import Jobs
import Kernels
import Models

/// What depends on the machine, decided and measured once, before the first step: `decisions.json`. A run that is resumed,
/// here or elsewhere, goes on as it began.
struct RunDecisions: Codable, Equatable {
    /// Of matrix products.
    var precision: Precision
    /// Tokens that go through the model at once.
    var maximumTokens: Int
    /// Floating-point operations a second of the products with weights, in the run's shapes.
    var productRate: Double
    /// Of a step of `tokensPerStep` tokens, before the first one.
    var secondsPerStep: Double
    /// Of an evaluation.
    var secondsPerEvaluation: Double

    /// The first number that no run could have written, or nil.
    private var flaw: String? {
        // Memory is laid out by it.
        if !(1...1 << 30).contains(maximumTokens) { return "`maximum_tokens` is \(maximumTokens)" }
        let rates = [
            ("product_rate", productRate), ("seconds_per_step", secondsPerStep),
            ("seconds_per_evaluation", secondsPerEvaluation),
        ]
        for (key, rate) in rates where !(0..<1e30).contains(rate) { return "`\(key)` is \(rate)" }
        return nil
    }

    static func file(in runDirectory: String) -> String { "\(runDirectory)/decisions.json" }

    /// Those the run began with; nil where it has not begun.
    /// - Throws: `TrainingError.noBFloat16` where they ask for bfloat16 and the CPU lacks it
    static func read(for job: Job) throws -> RunDecisions? {
        let path = file(in: job.runDirectory)
        guard access(path, F_OK) == 0 else { return nil }
        let json = Data(try Durable.read(path, atMost: 1 << 20))
        let decisions: RunDecisions
        do {
            decisions = try JobCoding.decode(RunDecisions.self, from: json)
        } catch {
            throw TrainingError.damagedCheckpoint(path: path, reason: "\(error)")
        }
        if let flaw = decisions.flaw { throw TrainingError.damagedCheckpoint(path: path, reason: flaw) }
        try requireSupport(of: decisions.precision, job)
        return decisions
    }

    func write(for job: Job) throws {
        try Durable.write(JobCoding.encode(self, pretty: true), to: RunDecisions.file(in: job.runDirectory))
    }

    /// The precision that the recipe asks for, or bfloat16 where the CPU has it.
    ///
    /// Not what a measurement says is faster: the same job has to give the same bytes whatever else the machine does. Every
    /// CPU with AVX512_BF16 multiplies at least as many bfloat16 a cycle as float32, in half the bytes.
    /// - Throws: `TrainingError.noBFloat16`
    static func precision(for job: Job) throws -> Precision {
        switch job.recipe.precision {
        case .float32: return .float32
        case .bfloat16:
            try requireSupport(of: .bfloat16, job)
            return .bfloat16
        case .auto: return Precision.hasBFloat16 ? .bfloat16 : .float32
        }
    }

    private static func requireSupport(of precision: Precision, _ job: Job) throws {
        guard precision == .float32 || Precision.hasBFloat16 else { throw TrainingError.noBFloat16(run: job.run) }
    }
}
