import Corpora
import Formatting
import LimitedLogging

/// Remembers why each file in the inbox could not be admitted, so that each problem is reported only once, no matter
/// how often the file is retried. A pure value type. The number of files remembered and the rate of reports are
/// limited; the others are counted.
package struct FileTroubles {
    private static let most = 1000
    private var last: [String: String] = [:]
    private var rate = RateLimiter.ofNotices
    private var untold = 0

    package init() {}

    /// - Parameters:
    ///   - trouble: identifies the problem
    ///   - description: how the problem is reported; nil uses `trouble`
    ///   - shown: how the file is named in the report; nil uses `name`
    /// - Returns: the message to report, if any, and whether the file is remembered
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
        let others = untold == 0 ? "" : "; so do \(MessageFormat.count(untold)) others that were not reported"
        return ("\(shown ?? name) stays in the inbox for now: \(description ?? trouble)\(others)", true)
    }

    /// Forgets a file that was admitted or rejected.
    package mutating func over(_ name: String) { last[name] = nil }
}
