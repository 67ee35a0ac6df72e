import Jobs
import Parallel

/// What `kb-bench train` prints: the fields of `hf_train_bench.py`, and some of our own.
struct TrainMeasurement: Encodable {
    struct Timing {
        /// Of the batch, without padding.
        var tokens: Int
        /// Of the products it cannot do without.
        var flops: Double
        var seconds: Double
    }

    /// Steps that do not count: memory is touched for the first time in them.
    static let warmupSteps = 4

    var precision: String
    var objective: Objective
    var preset: Preset
    /// The median over the steps that count.
    var tokensPerS: Double
    var sPerStep: Double
    /// The share of the time that the products would take alone, at the rate measured for them in this run.
    var mfu: Double
    /// That rate.
    var productGflopPerS: Double
    var gflopPerStep: Double
    var peakRssMb: Int
    var threads: Int
    var batch: Int
    var steps: Int
    var parameters: Int
    var lastLoss: Double

    init(
        precision: String, objective: Objective, preset: Preset, batch: Int, timings: [Timing], productRate: Double,
        parameters: Int, lastLoss: Double
    ) {
        let counted = timings.dropFirst(TrainMeasurement.warmupSteps)
        self.precision = precision
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

/// The middle value, or the mean of the two in the middle.
private func median(_ values: [Double]) -> Double {
    precondition(!values.isEmpty)
    let sorted = values.sorted()
    let middle = sorted.count / 2
    return sorted.count % 2 == 1 ? sorted[middle] : (sorted[middle - 1] + sorted[middle]) / 2
}
