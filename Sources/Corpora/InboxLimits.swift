/// How much of the watcher's time and memory what lies in the inbox can take, whoever put it there.
public struct InboxLimits: Sendable {
    /// Folders below the inbox, one in the other.
    public var depth = 32
    /// Bytes of a folder's path below the inbox.
    public var pathBytes = 1024
    /// Folders that are watched, each with a watch of the kernel's.
    public var folders = 4096
    /// Files that are known and not handed out yet, half of them of one owner at most. The others are found when there is
    /// room.
    public var candidates = 16_384
    /// Files that are handed out and not taken yet.
    public var handedOut = 512
    /// Names that are remembered as told of.
    public var leftAlone = 4096
    /// Entries of folders that are looked at before something else has its turn.
    public var entriesAtOnce = 4096
    /// Until everything is looked at again for what there was no room for.
    public var rescanDelay = Duration.seconds(2)
    /// Until names that were not told one by one are told as a number.
    public var sumDelay = Duration.seconds(10)

    public init() {}
}

/// Lets a hundred notices through at once, and one a second in the long run. A value without a clock.
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
