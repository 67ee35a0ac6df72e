import Dispatch
import Fairness
import Synchronization

/// Who a step of work is for: they take turns.
package enum WorkOwner: Hashable, Sendable {
    case user(UInt32)
    /// The generations under way, which go forward together whoever asked for them.
    case generations
    /// What is measured of the machine.
    case measurement
    /// The look whether there are still turns.
    case signOfLife
}

/// A thread for work that takes longer than the threads of Swift's concurrency may be held up.
///
/// Work comes in steps of milliseconds: the next token of all generations, one batch of sentences. Steps run one at a time.
/// Owners take turns in proportion to what their steps cost (`FairQueue`), those of one owner in the order they came, and
/// whoever needs more of them asks for the next when it has the last. A longer step lets others in between its parts.
package final class WorkQueue: Sendable {
    /// What models compute, of all engines: one step has the whole thread pool. Costs are tokens.
    package static let models = WorkQueue(label: "io.kantaibert.inference.models")
    /// What tokenizers do: a megabyte of text does not hold up the next token of somebody else. Costs are bytes.
    package static let texts = WorkQueue(label: "io.kantaibert.inference.texts")

    private struct State {
        var waiting = FairQueue<WorkOwner, @Sendable () -> Void>()
        /// Owners of the step under way and of those it is let in by.
        var running: [WorkOwner] = []
    }

    /// Steps that may be let in by one another: more would add to the first one's wait, and to the stack.
    private static let deepest = 3

    private let queue: DispatchQueue
    private let state = Mutex(State())

    package init(label: String) {
        queue = DispatchQueue(label: label, qos: .userInitiated)
    }

    /// Runs one step that nobody waits for.
    package func enqueue(for owner: WorkOwner, cost: Int, _ step: @escaping @Sendable () -> Void) {
        state.withLock { $0.waiting.push(step, for: owner, cost: cost) }
        queue.async { [self] in
            // None where it was let in by another step.
            guard let step = take({ $0.waiting.popFirst() }) else { return }
            perform(step)
        }
    }

    /// Runs one step and returns what it made.
    package func run<Value: Sendable, Failure: Error>(
        for owner: WorkOwner, cost: Int, _ step: @escaping @Sendable () throws(Failure) -> Value
    ) async throws(Failure) -> Value {
        let result: Result<Value, Failure> = await withCheckedContinuation { continuation in
            enqueue(for: owner, cost: cost) { continuation.resume(returning: Result(catching: step)) }
        }
        return try result.get()
    }

    /// Runs one step of an owner that has had less than the one whose step this is called in, if one waits. For the places
    /// between the parts of a step, where it holds neither a lock nor the thread pool.
    package func letOthersIn() {
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
