/// Bounds on the memory and CPU time that the contents of the inbox can consume.
public struct InboxLimits: Sendable {
    /// Maximum nesting depth of directories below the inbox.
    public var depth = 32
    /// Maximum length in bytes of a directory's path relative to the inbox.
    public var pathBytes = 1024
    /// Maximum number of watched directories. Each uses one inotify watch.
    public var folders = 4096
    /// Maximum number of files that are known but not yet delivered; a single owner may use at most half of them. Files
    /// beyond the limit are found by a later rescan.
    public var candidates = 16_384
    /// Maximum number of files that are delivered but not yet consumed.
    public var handedOut = 512
    /// Maximum number of ignored names that are remembered as reported.
    public var leftAlone = 4096
    /// Number of directory entries scanned before other work on the queue gets a turn.
    public var entriesPerTurn = 4096
    /// Delay before a rescan for entries that were dropped because a limit was reached.
    public var rescanDelay = Duration.seconds(2)
    /// Delay before suppressed notices are reported as a count.
    public var summaryDelay = Duration.seconds(10)

    public init() {}
}

/// A token bucket that permits 100 notices at once and one per second on average. A value without a clock.
package struct NoticeRate {
    private static let most = 100.0
    private var allowance = most
    private var last: ContinuousClock.Instant?

    package init() {}

    package mutating func allows(now: ContinuousClock.Instant) -> Bool {
        if let last { allowance = min(Self.most, allowance + max(0, last.duration(to: now) / .seconds(1))) }
        last = now
        guard allowance >= 1 else { return false }
        allowance -= 1
        return true
    }
}
