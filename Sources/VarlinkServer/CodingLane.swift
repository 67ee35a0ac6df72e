import Dispatch
import Fairness
import Synchronization

/// A thread that reads and writes long messages, one at a time and users in turn, so that the threads of Swift's
/// concurrency are free for short ones.
final class CodingLane: Sendable {
    static let shared = CodingLane()

    /// Shorter messages are read and written where they are.
    private static let long = 16 << 10

    private let queue = DispatchQueue(label: "io.kantaibert.varlink.coding", qos: .userInitiated)
    private let waiting = Mutex(FairQueue<UInt32, @Sendable () -> Void>())

    /// - Parameters:
    ///   - user: whose turn it takes
    ///   - bytes: about how long the message is
    func run<Value: Sendable>(
        for user: UInt32, bytes: Int, _ body: @escaping @Sendable () throws -> Value
    ) async throws -> Value {
        guard bytes > Self.long else { return try body() }
        try Task.checkCancellation()
        return try await withCheckedThrowingContinuation { continuation in
            waiting.withLock { waiting in
                waiting.push({ continuation.resume(with: Result(catching: body)) }, for: user, cost: bytes)
            }
            queue.async { [self] in
                waiting.withLock { $0.popFirst() }?.element()
            }
        }
    }
}
