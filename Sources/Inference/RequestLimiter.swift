import Fairness
import Glibc
import Kernels
import Synchronization

/// Limits the number of concurrent requests, waiting or active. A request over the limit is rejected immediately with a
/// retry time, instead of waiting longer than its client does.
///
/// Users share the limit (`FairShare`), so that a single user cannot occupy all of it.
public final class RequestLimiter: Sendable {
    private let state: Mutex<State>

    private struct State {
        var places: FairShare<UInt32>
        /// Exponential moving average of the duration of a request.
        var meanSeconds = 0.1
    }

    /// - Parameters:
    ///   - limit: maximum number of requests, at least 1
    ///   - limitOfUser: maximum number of requests of one user; nil means `limit`
    public init(limit: Int, limitOfUser: Int? = nil) {
        checked(limit >= 1)
        state = Mutex(State(places: FairShare(limit: limit, limitOfUser: limitOfUser ?? limit)))
    }

    /// Runs a request if the limit permits it.
    /// - Parameter user: the user to whom the request is charged
    /// - Throws: `InferenceError.overloaded` with the estimated time until another request can be admitted
    public func admit<Value>(
        for user: UInt32 = geteuid(), _ request: () async throws -> Value
    ) async throws -> Value {
        let milliseconds: Int? = state.withLock { state in
            guard state.places.take(for: user) != nil else { return nil }
            return min(60_000, max(10, Int(1_000 * state.meanSeconds / Double(state.places.limit))))
        }
        if let milliseconds { throw InferenceError.overloaded(retryAfterMilliseconds: milliseconds) }
        let start = ContinuousClock.now
        defer {
            let seconds = (ContinuousClock.now - start) / .seconds(1)
            state.withLock { state in
                state.places.give(for: user)
                state.meanSeconds += 0.1 * (seconds - state.meanSeconds)
            }
        }
        return try await request()
    }
}
