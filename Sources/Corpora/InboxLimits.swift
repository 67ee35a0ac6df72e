import LimitedLogging

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
    public var candidates = 32_768
    /// Maximum number of files that are delivered but not yet consumed.
    public var handedOut = 4096
    /// Maximum number of ignored names that are remembered as reported.
    public var ignored = 4096
    /// Number of directory entries scanned before other work on the queue gets a turn.
    public var entriesPerTurn = 4096
    /// Delay before a rescan for entries that were dropped because a limit was reached.
    public var rescanDelay = Duration.seconds(2)
    /// Delay before suppressed notices are reported as a count.
    public var summaryDelay = Duration.seconds(10)

    public init() {}
}

extension RateLimiter {
    /// The rate of notices about files: bursts of 100, and one per second on average.
    package static var ofNotices: RateLimiter { RateLimiter(burst: 100) }
}
