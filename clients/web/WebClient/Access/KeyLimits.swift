import Synchronization

/// Counts the requests of each key.
///
/// The rate is a token bucket: a key that was idle may send its requests of ten seconds at once.
package final class KeyLimits: Sendable {
    package enum Excess: Error, Equatable {
        /// Too many requests in progress.
        case concurrent
        /// Too many requests in a minute.
        case rate(retryAfter: Duration)
    }

    private struct Usage {
        var inProgress = 0
        /// Requests that may be sent at once.
        var tokens: Double
        var updated: ContinuousClock.Instant
    }

    private let usage = Mutex<[String: Usage]>([:])

    package init() {}

    /// Counts a request until the returned object is released.
    package func begin(_ key: APIKey, at now: ContinuousClock.Instant = .now) throws(Excess) -> RequestInProgress {
        let excess = usage.withLock { usage -> Excess? in
            let burst = max(1, Double(key.perMinute) / 6)
            let rate = Double(key.perMinute) / 60
            var own = usage[key.name] ?? Usage(tokens: burst, updated: now)
            own.tokens = min(burst, own.tokens + (now - own.updated) / .seconds(1) * rate)
            own.updated = now
            defer { usage[key.name] = own }
            guard own.inProgress < key.concurrent else { return .concurrent }
            guard own.tokens >= 1 else { return .rate(retryAfter: .seconds((1 - own.tokens) / rate)) }
            own.tokens -= 1
            own.inProgress += 1
            return nil
        }
        if let excess { throw excess }
        return RequestInProgress { [self] in usage.withLock { $0[key.name]?.inProgress -= 1 } }
    }
}

/// Ends the count of a request when it is released: with the body of its response, whether it was sent or not.
package final class RequestInProgress: Sendable {
    private let end: @Sendable () -> Void

    init(end: @escaping @Sendable () -> Void) { self.end = end }

    deinit { end() }
}
