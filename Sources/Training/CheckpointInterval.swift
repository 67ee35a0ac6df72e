/// Decides when to write a checkpoint if the recipe has no `save_steps`: at least every ten minutes, and as often as
/// every minute if checkpoints take no more than 2 % of the time.
package struct CheckpointInterval {
    /// When the last checkpoint began, in seconds of training time; initially the time at the start.
    private var last: Double
    /// Time between checkpoints, in seconds.
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
