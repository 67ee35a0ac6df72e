import Durable
import FoundationEssentials
import Glibc
import Jobs
import Kernels
import Models

/// Decisions and measurements that depend on the machine or the text, made once before the first step and stored in
/// `decisions.json`. A resumed run reuses them, also on another machine.
struct RuntimePlan: Codable, Equatable {
    /// Precision of matrix products.
    var precision: Precision
    /// Maximum number of tokens per micro-batch.
    var maximumTokens: Int
    /// The model; nil if the job sets all of its numbers.
    var model: ModelChoice?
    /// Rows in a batch; nil if the job sets them.
    var perDeviceTrainBatchSize: Int?
    /// Floating-point operations per second of products with weights, in the shapes of this run.
    var productRate: Double
    /// Duration of an average step, measured before the first step.
    var secondsPerStep: Double
    /// Duration of an evaluation, measured before the first step.
    var secondsPerEvaluation: Double

    /// A description of the first value that no run could have written, or nil.
    private var failureReason: String? {
        if let model, let failureReason = model.failureReason { return "`model`: \(failureReason)" }
        // Memory is allocated according to this value.
        if !(1...1 << 30).contains(maximumTokens) { return "`maximum_tokens` is \(maximumTokens)" }
        if let size = perDeviceTrainBatchSize, !AutomaticBatch.sizes.contains(size) {
            return "`per_device_train_batch_size` is \(size)"
        }
        let rates = [
            ("product_rate", productRate), ("seconds_per_step", secondsPerStep),
            ("seconds_per_evaluation", secondsPerEvaluation),
        ]
        for (key, rate) in rates where !(0..<1e30).contains(rate) { return "`\(key)` is \(rate)" }
        return nil
    }

    static func file(in runDirectory: String) -> String { "\(runDirectory)/decisions.json" }

    /// Reads the decisions of an earlier start of the run; nil if there was none.
    /// - Throws: `TrainingError.noBFloat16` if the run uses bfloat16 and this CPU does not support it
    static func read(for job: Job) throws -> RuntimePlan? {
        let path = file(in: job.runDirectory)
        guard access(path, F_OK) == 0 else { return nil }
        let json = Data(try Durable.read(path, atMost: 1 << 20))
        let decisions: RuntimePlan
        do {
            decisions = try JobCoding.decode(RuntimePlan.self, from: json)
        } catch {
            throw TrainingError.damagedCheckpoint(path: path, reason: "\(error)")
        }
        if let failureReason = decisions.failureReason {
            throw TrainingError.damagedCheckpoint(path: path, reason: failureReason)
        }
        try requireSupport(of: decisions.precision, job)
        return decisions
    }

    func write(for job: Job) throws {
        try Durable.write(JobCoding.encode(self, pretty: true), to: RuntimePlan.file(in: job.runDirectory))
    }

    /// Returns the precision that the recipe requests; `auto` selects the one that is faster on this CPU, with the
    /// reason.
    ///
    /// A job must produce the same bytes regardless of what else the machine does. The rates of instructions are
    /// therefore measured in a way that load does not affect, and once for all runs of a machine.
    /// - Parameter machine: called only for `auto`
    /// - Throws: `TrainingError.noBFloat16`
    static func precision(
        for job: Job, machine: () -> MachineProfile
    ) throws -> (precision: Precision, reason: String?) {
        switch job.recipe.precision {
        case .float32: return (.float32, nil)
        case .bfloat16:
            try requireSupport(of: .bfloat16, job)
            return (.bfloat16, nil)
        case .auto:
            let rates = machine().rates
            return (rates.fastestPrecision, rates.reason)
        }
    }

    private static func requireSupport(of precision: Precision, _ job: Job) throws {
        guard precision == .float32 || Precision.hasBFloat16 else { throw TrainingError.noBFloat16(run: job.run) }
    }
}
