import AsyncSupport
import Fairness
import Glibc
import Interface
import Synchronization

/// Runs blocking work on a dedicated thread, one item at a time, so that it does not block the cooperative thread pool.
/// Users take turns; if too much work is waiting, further requests are refused as overloaded.
package final class Blocking: Sendable {
    /// Reads lists from the database.
    static let lists = Blocking("lists", most: 64)
    /// Reads large files, each of which takes seconds.
    static let files = Blocking("files", most: 32)
    /// Reads corpora, which may take longer.
    static let corpora = Blocking("corpora", most: 8)
    /// Work for administrators and the service itself.
    static let changes = Blocking("changes", most: 16)

    private struct State {
        var places: FairShare<UInt32>
        /// Moving average of the time an item takes.
        var meanSeconds = 0.05
    }

    private let queue: FairDispatchQueue<UInt32>
    private let state: Mutex<State>

    /// - Parameter most: items that may be waiting or running; one user may have half of them
    package init(_ name: String, most: Int) {
        queue = FairDispatchQueue(label: "io.kantaibert.blocking.\(name)")
        state = Mutex(State(places: FairShare(limit: most, limitOfUser: most / 2)))
    }

    /// - Parameters:
    ///   - user: the user who requests it; nil is the service itself, which is never refused
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

    /// Runs work that does not poll for cancellation.
    package func run<Value: Sendable>(for user: UInt32?, _ body: @escaping @Sendable () throws -> Value) async throws
        -> Value
    {
        try await run(for: user) { _ in try body() }
    }
}
