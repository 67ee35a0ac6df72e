import Synchronization

/// How many requests may be with the models at a time, waiting or under way; the next is turned away at once, and told
/// when to come again, rather than made to wait for longer than its client does.
public final class Admission: Sendable {
    private let limit: Int
    private let state = Mutex(State())

    private struct State {
        var count = 0
        /// Of the requests so far, the later ones weighing more.
        var meanSeconds = 0.1
    }

    /// - Parameter limit: at least 1
    public init(limit: Int) {
        precondition(limit >= 1)
        self.limit = limit
    }

    /// Answers a request, if there is room for it.
    /// - Throws: `InferenceError.overloaded`, with the time in which about one place comes free
    public func admit<Value>(_ request: () async throws -> Value) async throws -> Value {
        let milliseconds: Int? = state.withLock { state in
            guard state.count >= limit else {
                state.count += 1
                return nil
            }
            return min(60_000, max(10, Int(1_000 * state.meanSeconds / Double(limit))))
        }
        if let milliseconds { throw InferenceError.overloaded(retryAfterMilliseconds: milliseconds) }
        let start = ContinuousClock.now
        defer {
            let seconds = (ContinuousClock.now - start) / .seconds(1)
            state.withLock { state in
                state.count -= 1
                state.meanSeconds += 0.1 * (seconds - state.meanSeconds)
            }
        }
        return try await request()
    }
}
