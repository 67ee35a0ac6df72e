import Dispatch
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

    /// Whether somebody still waits for a piece of work.
    package final class Caller: Sendable {
        private let left = Atomic(false)
        /// Nobody waits: what comes of the work is thrown away.
        package var hasLeft: Bool { left.load(ordering: .relaxed) }
        fileprivate func leave() { left.store(true, ordering: .relaxed) }
    }

    private struct State {
        var waiting = FairQueue<UInt32, @Sendable () -> Void>()
        var places: FairShare<UInt32>
        /// Of the pieces so far, the later ones weighing more.
        var meanSeconds = 0.05
    }

    private let queue: DispatchQueue
    private let state: Mutex<State>

    /// - Parameter most: pieces that may wait or be under way; of one user half of them
    package init(_ name: String, most: Int) {
        queue = DispatchQueue(label: "io.kantaibert.blocking.\(name)")
        state = Mutex(State(places: FairShare(limit: most, limitOfUser: most / 2)))
    }

    /// - Parameters:
    ///   - user: who asks; nil is the service itself, which always finds a place
    ///   - body: is not begun once its caller has left, and may look whether that is so while it works
    /// - Throws: `ManagerInterface.Overloaded`, `CancellationError`, and what `body` throws
    package func run<Value: Sendable>(
        for user: UInt32?, _ body: @escaping @Sendable (Caller) throws -> Value
    ) async throws -> Value {
        if let user {
            let milliseconds: Int? = state.withLock { state in
                guard state.places.take(for: user) != nil else { return nil }
                return min(60_000, max(10, Int(1_000 * state.meanSeconds)))
            }
            if let milliseconds { throw ManagerInterface.Overloaded(retryAfterMs: milliseconds) }
        }
        defer { if let user { state.withLock { $0.places.give(for: user) } } }
        let caller = Caller()
        return try await withTaskCancellationHandler {
            try await withCheckedThrowingContinuation { continuation in
                let step: @Sendable () -> Void = { [self] in
                    guard !caller.hasLeft else { return continuation.resume(throwing: CancellationError()) }
                    let start = ContinuousClock.now
                    continuation.resume(with: Result { try body(caller) })
                    let seconds = (ContinuousClock.now - start) / .seconds(1)
                    state.withLock { $0.meanSeconds += 0.1 * (seconds - $0.meanSeconds) }
                }
                state.withLock { $0.waiting.push(step, for: user ?? geteuid()) }
                queue.async { [self] in
                    state.withLock { $0.waiting.popFirst() }?.element()
                }
            }
        } onCancel: {
            caller.leave()
        }
    }

    /// What nobody looks at for whether its caller has left.
    package func run<Value: Sendable>(for user: UInt32?, _ body: @escaping @Sendable () throws -> Value) async throws
        -> Value
    {
        try await run(for: user) { _ in try body() }
    }
}
