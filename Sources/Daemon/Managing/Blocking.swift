import AsyncSupport
import Fairness
import Glibc
import Interface
import Synchronization

/// Work that blocks a thread, one piece at a time on a thread of its own: those of Swift's concurrency are not to be held
/// up. Users take turns, and more of them than may wait are told to come again.
package final class Blocking: Sendable {
    /// Reading lists from the database.
    static let lists = Blocking("lists", most: 64)
    /// Reading files that are large: seconds a piece.
    static let files = Blocking("files", most: 32)
    /// What administrators and the service itself have done.
    static let changes = Blocking("changes", most: 16)

    private struct State {
        var places: FairShare<UInt32>
        /// Of the pieces so far, the later ones weighing more.
        var meanSeconds = 0.05
    }

    private let queue: FairDispatchQueue<UInt32>
    private let state: Mutex<State>

    /// - Parameter most: pieces that may wait or be under way; of one user half of them
    package init(_ name: String, most: Int) {
        queue = FairDispatchQueue(label: "io.kantaibert.blocking.\(name)")
        state = Mutex(State(places: FairShare(limit: most, limitOfUser: most / 2)))
    }

    /// - Parameters:
    ///   - user: who asks; nil is the service itself, which always finds a place
    ///   - body: not started if the calling task is cancelled first; may poll the flag while it works
    /// - Throws: `ManagerInterface.Overloaded`, `CancellationError`, and what `body` throws
    package func run<Value: Sendable>(
        for user: UInt32?, _ body: @escaping @Sendable (CancellationFlag) throws -> Value
    ) async throws -> Value {
        if let user {
            let milliseconds: Int? = state.withLock { state in
                guard state.places.take(for: user) != nil else { return nil }
                return min(60_000, max(10, Int(1_000 * state.meanSeconds)))
            }
            if let milliseconds { throw ManagerInterface.Overloaded(retryAfterMs: milliseconds) }
        }
        defer { if let user { state.withLock { $0.places.give(for: user) } } }
        let flag = CancellationFlag()
        return try await withTaskCancellationHandler {
            try await queue.run(for: user ?? geteuid()) { [self] in
                try flag.check()
                let start = ContinuousClock.now
                defer {
                    let seconds = (ContinuousClock.now - start) / .seconds(1)
                    state.withLock { $0.meanSeconds += 0.1 * (seconds - $0.meanSeconds) }
                }
                return try body(flag)
            }
        } onCancel: {
            flag.cancel()
        }
    }

    /// What nobody looks at for whether its caller has left.
    package func run<Value: Sendable>(for user: UInt32?, _ body: @escaping @Sendable () throws -> Value) async throws
        -> Value
    {
        try await run(for: user) { _ in try body() }
    }
}
