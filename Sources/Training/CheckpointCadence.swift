/// When a run whose recipe has no `save_steps` writes a checkpoint: at least every ten minutes, and every minute where
/// that takes no more than 2 % of the time.
package struct CheckpointCadence {
    /// Seconds the run had been at work when the last one began; of the start where there is none.
    private var last: Double
    /// Seconds from one to the next.
    private var interval = shortestInterval

    private static let shortestInterval = 60.0
    private static let longestInterval = 600.0
    private static let share = 0.02

    package init(now: Double) { last = now }

    package func isDue(now: Double) -> Bool { now - last >= interval }

    package mutating func wrote(at start: Double, seconds: Double) {
        last = start
        interval = min(max(seconds / Self.share, Self.shortestInterval), Self.longestInterval)
    }
}
