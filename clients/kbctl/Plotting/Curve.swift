import Interface
import Varlink

/// Training and held-out losses of a run.
struct Curve {
    typealias Point = (step: Double, loss: Double)

    let run: String
    let training: [Point]
    let heldOut: [Point]

    /// Requests the run's losses from the service. Nothing else of each step is kept.
    init(run: String, _ client: VarlinkClient) throws {
        self.run = run
        var (training, heldOut): ([Point], [Point]) = ([], [])
        try client.pages(ManagerInterface.GetMetrics.self, .init(run: run)) { page in
            training += page.steps.map { (Double($0.step), $0.loss) }
            heldOut += page.evaluations.map { (Double($0.step), $0.loss) }
            return true
        }
        self.training = training
        self.heldOut = heldOut
    }

    /// Returns the mean of each non-empty one of `count` equal parts of `range`, to draw no more points than fit and to
    /// smooth the noise of single steps.
    func thinnedTraining(to count: Int, over range: ClosedRange<Double>) -> [Point] {
        guard training.count > count, range.upperBound > range.lowerBound else { return training }
        var sums = [(step: Double, loss: Double, count: Double)](repeating: (0, 0, 0), count: count)
        for point in training {
            let share = (point.step - range.lowerBound) / (range.upperBound - range.lowerBound)
            let part = min(count - 1, max(0, Int(share * Double(count))))
            sums[part].step += point.step
            sums[part].loss += point.loss
            sums[part].count += 1
        }
        return sums.filter { $0.count > 0 }.map { ($0.step / $0.count, $0.loss / $0.count) }
    }
}

/// The losses of several runs, with axes that cover all of them.
struct Chart {
    let curves: [Curve]
    let steps: Axis
    let losses: Axis

    init(_ curves: [Curve]) {
        self.curves = curves
        let points = curves.flatMap { $0.training + $0.heldOut }
        let steps = Axis(covering: points.map(\.step) + [0], ticks: 6)
        self.steps = steps
        // The axis covers means: the noise of the first steps would take half of the chart.
        losses = Axis(
            covering: curves.flatMap { $0.thinnedTraining(to: 150, over: steps.range) + $0.heldOut }.map(\.loss),
            ticks: 6)
    }
}

/// An axis with ticks at round numbers.
struct Axis {
    let range: ClosedRange<Double>
    let ticks: [Double]
    private let digits: Int

    /// - Parameter count: approximate number of ticks
    init(covering values: [Double], ticks count: Int) {
        let finite = values.filter(\.isFinite)
        let (low, high) = (finite.min() ?? 0, finite.max() ?? 1)
        let span = high > low ? high - low : max(1, high.magnitude)
        // Tick spacing: 1, 2 or 5 times a power of ten.
        var unit = 1.0
        while unit * 10 <= span / Double(count) { unit *= 10 }
        while unit > span / Double(count) { unit /= 10 }
        let step = [1.0, 2, 5, 10].map { $0 * unit }.first { span / $0 <= Double(count) } ?? 10 * unit
        let first = (low / step).rounded(.down)
        let last = max(first + 1, (high / step).rounded(.up))
        range = first * step...last * step
        ticks = (0...Int(last - first)).map { (first + Double($0)) * step }
        var digits = 0
        for _ in 0..<9 where step * Format.powerOfTen(digits) < 0.99 { digits += 1 }
        self.digits = digits
    }

    /// Returns the position on the axis: 0 at the start, 1 at the end.
    func share(_ value: Double) -> Double { (value - range.lowerBound) / (range.upperBound - range.lowerBound) }

    func label(_ tick: Double) -> String {
        digits == 0 ? Format.count(Int(tick)) : Format.number(tick, digits)
    }
}
