import Dispatch

/// A thread for work that takes longer than the threads of Swift's concurrency may be held up.
///
/// Work comes in steps of milliseconds: the next token of all generations, one batch of sentences. Steps run one at a time
/// and in the order they came, and whoever needs more of them asks for the next when it has the last, so that they take
/// turns.
struct WorkQueue: Sendable {
    /// What models compute, of all engines: one step has the whole thread pool.
    static let models = WorkQueue(label: "io.kantaibert.inference.models")
    /// What tokenizers do: a megabyte of text does not hold up the next token of somebody else.
    static let texts = WorkQueue(label: "io.kantaibert.inference.texts")

    private let queue: DispatchQueue

    private init(label: String) {
        queue = DispatchQueue(label: label, qos: .userInitiated)
    }

    /// Runs one step that nobody waits for.
    func enqueue(_ step: @escaping @Sendable () -> Void) { queue.async(execute: step) }

    /// Runs one step and returns what it made.
    func run<Value: Sendable, Failure: Error>(
        _ step: @escaping @Sendable () throws(Failure) -> Value
    ) async throws(Failure) -> Value {
        let result: Result<Value, Failure> = await withCheckedContinuation { continuation in
            queue.async { continuation.resume(returning: Result(catching: step)) }
        }
        return try result.get()
    }
}
