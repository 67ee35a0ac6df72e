/// Decides which samples are held out, in order.
///
/// That depends on the hash of each sample alone, with two exceptions for a text of fewer than `fewSamples`, where the
/// share that is held out by hash may differ considerably from the configured one:
///
/// - If it is less than half of that, or zero, samples with the next higher hashes are held out too. This does not
///   distort the evaluation of later generations: this one was not trained on the samples that they hold out.
/// - If all samples are held out, those with the highest hashes are trained on, because a run needs samples of both kinds.
struct HeldOutSplit<Value> {
    typealias Decision = (sample: Sample, value: Value, isHeldOut: Bool)

    private let share: Double
    /// The first samples, until it is known whether there are only a few.
    private var waiting: [(sample: Sample, value: Value)]? = []

    init(share: Double) { self.share = share }

    /// Whether there were enough samples, before `finish`, to decide each by its hash alone.
    var isByHash: Bool { waiting == nil }

    /// Adds a sample.
    /// - Returns: the samples that are decided, in the order in which they were added
    mutating func add(_ sample: Sample, _ value: Value) -> [Decision] {
        guard waiting != nil else { return [(sample, value, sample.isHeldOut(share: share))] }
        waiting!.append((sample, value))
        return waiting!.count < fewSamples ? [] : decide(share)
    }

    /// Returns the remaining samples after the last one was added.
    mutating func finish() -> [Decision] { decide(shareOfHashes) }

    /// The share of all hashes that are held out, if there are only a few samples.
    private var shareOfHashes: Double {
        let samples = (waiting ?? []).map(\.sample).sorted { $0.hash < $1.hash }
        guard share > 0, let lowest = samples.first?.hash, let highest = samples.last?.hash, lowest < highest else {
            return share
        }
        func bytes(_ samples: [Sample]) -> Double { Double(samples.reduce(0) { $0 + $1.text.utf8.count }) }
        let goal = share * bytes(samples)
        let heldOut = samples.filter { $0.isHeldOut(share: share) }
        guard heldOut.count == samples.count || bytes(heldOut) < goal / 2 else { return share }
        // Samples with the same text are on the same side.
        var limit = lowest
        var size = 0.0
        for sample in samples where sample.hash < highest {
            if size >= goal, sample.hash != limit { break }
            size += Double(sample.text.utf8.count)
            limit = sample.hash
        }
        return Sample.fraction(limit).nextUp
    }

    private mutating func decide(_ share: Double) -> [Decision] {
        defer { waiting = nil }
        return (waiting ?? []).map { ($0.sample, $0.value, $0.sample.isHeldOut(share: share)) }
    }
}

/// The number of samples from which the share that is held out by hash is close to the configured one.
package let fewSamples = 1000
