/// Limits the rate of log lines: a burst at once, and one per interval in the long run. Does not read the clock itself.
///
/// The generic cell rate algorithm (ITU-T I.371): each line moves the time at which the burst is used up by one interval.
package struct RateLimiter: Sendable {
    private let interval: Duration
    private let tolerance: Duration
    /// The theoretical arrival time of the next line; nil before the first line.
    private var due: ContinuousClock.Instant?

    /// - Parameters:
    ///   - burst: maximum number of lines at once, at least 1
    ///   - interval: minimum average interval between lines in the long run
    package init(burst: Int = 1, interval: Duration = .seconds(1)) {
        self.interval = interval
        tolerance = interval * (burst - 1)
    }

    package mutating func allowsLine(now: ContinuousClock.Instant = .now) -> Bool {
        let due = max(due ?? now, now)
        guard due - tolerance <= now else { return false }
        self.due = due + interval
        return true
    }
}
