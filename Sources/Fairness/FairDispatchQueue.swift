import Dispatch
import Synchronization

/// A serial dispatch queue whose users take turns (`FairQueue`), for work that blocks a thread and must not run on the
/// cooperative executor.
package final class FairDispatchQueue<User: Hashable & Sendable>: Sendable {
    private let queue: DispatchQueue
    private let waiting = Mutex(FairQueue<User, @Sendable () -> Void>())

    package init(label: String, qos: DispatchQoS = .unspecified) {
        queue = DispatchQueue(label: label, qos: qos)
    }

    /// Runs `body` when it is the user's turn, and returns its result.
    /// - Parameter cost: in any unit, the same for all calls
    package func run<Value: Sendable, Failure: Error>(
        for user: User, cost: Int = 1, _ body: @escaping @Sendable () throws(Failure) -> Value
    ) async throws(Failure) -> Value {
        let result: Result<Value, Failure> = await withCheckedContinuation { continuation in
            let step: @Sendable () -> Void = { continuation.resume(returning: Result(catching: body)) }
            waiting.withLock { $0.push(step, for: user, cost: cost) }
            // Each block runs the element whose turn it is, which may belong to another call. Every element is run,
            // because each call adds one element and one block.
            queue.async { [self] in
                waiting.withLock { $0.popFirst() }?.element()
            }
        }
        return try result.get()
    }
}
