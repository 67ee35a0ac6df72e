/// Limits how many lines are let through: a burst at once, and one per interval in the long run. A value without a clock.
///
/// The generic cell rate algorithm (ITU-T I.371): each line moves the time at which the burst is used up by one interval.
package struct RateLimiter: Sendable {
    private let interval: Duration
    private let tolerance: Duration
    /// When a line would be on time had every line so far kept the interval.
    private var due: ContinuousClock.Instant?

    /// - Parameters:
    ///   - burst: how many lines may come at once, at least 1
    ///   - interval: how far apart lines are in the long run
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
