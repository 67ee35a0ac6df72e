import Fairness
import Glibc
import Kernels
import Synchronization

/// How many requests may be with the models at a time, waiting or under way; the next is turned away at once, and told
/// when to come again, rather than made to wait for longer than its client does.
///
/// Users share the places (`FairShare`): one that wants them all leaves some for whoever comes.
public final class Admission: Sendable {
    private let state: Mutex<State>

    private struct State {
        var places: FairShare<UInt32>
        /// Of the requests so far, the later ones weighing more.
        var meanSeconds = 0.1
    }

    /// - Parameters:
    ///   - limit: at least 1
    ///   - limitOfUser: of them, those of one user; nil: all
    public init(limit: Int, limitOfUser: Int? = nil) {
        checked(limit >= 1)
        state = Mutex(State(places: FairShare(limit: limit, limitOfUser: limitOfUser ?? limit)))
    }

    /// Answers a request, if there is room for it.
    /// - Parameter user: whose request it is
    /// - Throws: `InferenceError.overloaded`, with the time in which about one place comes free
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
