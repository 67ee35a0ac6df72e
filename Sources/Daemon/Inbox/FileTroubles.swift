import Corpora
import Formatting
import LimitedLogging

/// The last trouble with each file that waits in the inbox: told of once, however often the file is tried. A value without
/// I/O; so many are remembered, and told of in a time, and the others are counted.
package struct FileTroubles {
    private static let most = 1000
    private var last: [String: String] = [:]
    private var rate = RateLimiter.ofNotices
    private var untold = 0

    package init() {}

    /// - Parameters:
    ///   - trouble: what tells it from another one
    ///   - description: the trouble as it is told; nil: `trouble` itself
    ///   - shown: the file's name as it is told; nil: `name` itself
    /// - Returns: the line to be told, if there is one, and whether the file is among those that are remembered
    package mutating func note(
        _ name: String, _ trouble: String, _ description: String? = nil, shown: String? = nil,
        now: ContinuousClock.Instant
    ) -> (String?, Bool) {
        if last[name] == trouble { return (nil, true) }
        let isRemembered = last[name] != nil || last.count < Self.most
        if isRemembered { last[name] = trouble }
        guard isRemembered, rate.allowsLine(now: now) else {
            untold += 1
            return (nil, isRemembered)
        }
        defer { untold = 0 }
        let others = untold == 0 ? "" : "; so do \(MessageFormat.count(untold)) others that were not told of"
        return ("\(shown ?? name) stays in the inbox for now: \(description ?? trouble)\(others)", true)
    }

    /// The file came through.
    package mutating func over(_ name: String) { last[name] = nil }
}
