/// Lets a line through once a second: a small model makes hundreds of steps in that time.
package struct LineRate {
    package init() {}

    private var last: ContinuousClock.Instant?

    package mutating func allowsLine(now: ContinuousClock.Instant = .now) -> Bool {
        guard last.map({ $0.duration(to: now) >= .seconds(1) }) ?? true else { return false }
        last = now
        return true
    }
}
