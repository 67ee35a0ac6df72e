import Dispatch
import Fairness
import Synchronization

/// The owner of a step of work. Owners take turns.
package enum WorkOwner: Hashable, Sendable {
    case user(UInt32)
    /// The active generations of all users, which advance together.
    case generations
    /// Measurements of the machine.
    case measurement
    /// Checks that the queue is making progress.
    case livenessCheck
}

/// A serial queue with its own thread, for work that would block the cooperative thread pool for too long.
///
/// Work is submitted in steps of milliseconds, such as the next token of all generations or one batch of texts. Steps
/// run one at a time. Owners take turns in proportion to the cost of their steps (`FairQueue`); the steps of one owner
/// run in order. An owner with more work enqueues the next step when the last one has finished. A longer step lets
/// steps of other owners run between its parts.
package final class WorkQueue: Sendable {
    /// Computations of all models. A step uses the whole thread pool. Costs are in tokens.
    package static let models = WorkQueue(label: "io.kantaibert.inference.models")
    /// Tokenization and text filtering, so that a large text does not delay the next token of another user. Costs are
    /// in bytes.
    package static let texts = WorkQueue(label: "io.kantaibert.inference.texts")

    private struct State {
        var waiting = FairQueue<WorkOwner, @Sendable () -> Void>()
        /// Owners of the current step and of the steps nested in it, outermost first.
        var running: [WorkOwner] = []
    }

    /// Maximum nesting of steps. A higher value would increase the latency of the outermost step and the stack depth.
    private static let deepest = 3

    private let queue: DispatchQueue
    private let state = Mutex(State())

    package init(label: String) {
        queue = DispatchQueue(label: label, qos: .userInitiated)
    }

    /// Enqueues a step without waiting for it.
    package func enqueue(for owner: WorkOwner, cost: Int, _ step: @escaping @Sendable () -> Void) {
        state.withLock { $0.waiting.push(step, for: owner, cost: cost) }
        queue.async { [self] in
            // Nil if the step already ran nested in another step.
            guard let step = take({ $0.waiting.popFirst() }) else { return }
            perform(step)
        }
    }

    /// Runs a step and returns its result.
    package func run<Value: Sendable, Failure: Error>(
        for owner: WorkOwner, cost: Int, _ step: @escaping @Sendable () throws(Failure) -> Value
    ) async throws(Failure) -> Value {
        let result: Result<Value, Failure> = await withCheckedContinuation { continuation in
            enqueue(for: owner, cost: cost) { continuation.resume(returning: Result(catching: step)) }
        }
        return try result.get()
    }

    /// Runs one waiting step of another owner that has received less than the owner of the current step, if there is
    /// one. Must be called between the parts of a step, while it holds neither a lock nor the thread pool.
    package func yieldToOthers() {
        let step = take { state in
            guard !state.waiting.isEmpty, state.running.count < Self.deepest, let current = state.running.last else {
                return nil
            }
            let (running, before) = (state.running, state.waiting)
            return state.waiting.popFirst { owner, _ in
                !running.contains(owner) && before.isBehind(owner, current)
            }
        }
        if let step { perform(step) }
    }

    private func take(
        _ next: (inout State) -> (user: WorkOwner, element: @Sendable () -> Void)?
    ) -> (@Sendable () -> Void)? {
        state.withLock { state in
            guard let (owner, step) = next(&state) else { return nil }
            state.running.append(owner)
            return step
        }
    }

    private func perform(_ step: () -> Void) {
        step()
        state.withLock { _ = $0.running.removeLast() }
    }
}
