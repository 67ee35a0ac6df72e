import Jobs
import Parallel

/// The output of `kb-bench train`: the fields of `hf_train_bench.py` and additional ones.
struct TrainMeasurement: Encodable {
    struct Timing {
        /// Number of tokens in the batch, without padding.
        var tokens: Int
        /// Floating-point operations of the batch's matrix products.
        var flops: Double
        var seconds: Double
    }

    /// Number of warm-up steps, which are not counted; they touch memory for the first time.
    static let warmupSteps = 4

    var precision: String
    /// Why `--precision auto` chose the precision.
    var precisionReason: String?
    var objective: Objective
    var preset: Preset
    /// Median over the counted steps.
    var tokensPerS: Double
    var sPerStep: Double
    /// Share of the time that the matrix products alone would take, at the rate measured for them in this run.
    var mfu: Double
    /// The rate measured for the matrix products.
    var productGflopPerS: Double
    var gflopPerStep: Double
    var peakRssMb: Int
    var threads: Int
    var batch: Int
    var steps: Int
    var parameters: Int
    var lastLoss: Double

    init(
        precision: String, precisionReason: String?, objective: Objective, preset: Preset, batch: Int,
        timings: [Timing], productRate: Double, parameters: Int, lastLoss: Double
    ) {
        let counted = timings.dropFirst(TrainMeasurement.warmupSteps)
        self.precision = precision
        self.precisionReason = precisionReason
        self.objective = objective
        self.preset = preset
        tokensPerS = (median(counted.map { Double($0.tokens) / $0.seconds }) * 10).rounded() / 10
        sPerStep = (median(counted.map(\.seconds)) * 1000).rounded() / 1000
        mfu = (median(counted.map { $0.flops / $0.seconds / productRate }) * 1000).rounded() / 1000
        productGflopPerS = (productRate / 1e8).rounded() / 10
        gflopPerStep = (median(counted.map(\.flops)) / 1e8).rounded() / 10
        peakRssMb = Int(peakResidentMegabytes())
        threads = ThreadPool.shared.threads
        steps = timings.count
        self.batch = batch
        self.parameters = parameters
        self.lastLoss = lastLoss
    }
}

/// Returns the median.
private func median(_ values: [Double]) -> Double {
    precondition(!values.isEmpty)
    let sorted = values.sorted()
    let middle = sorted.count / 2
    return sorted.count % 2 == 1 ? sorted[middle] : (sorted[middle - 1] + sorted[middle]) / 2
}
