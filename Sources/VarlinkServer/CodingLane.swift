import Dispatch
import Fairness

/// A thread that reads and writes long messages, one at a time and users in turn, so that the threads of Swift's
/// concurrency are free for short ones.
final class CodingLane: Sendable {
    static let shared = CodingLane()

    /// Shorter messages are read and written where they are.
    private static let long = 16 << 10

    private let queue = FairDispatchQueue<UInt32>(label: "io.kantaibert.varlink.coding", qos: .userInitiated)

    /// - Parameters:
    ///   - user: whose turn it takes
    ///   - bytes: about how long the message is
    func run<Value: Sendable>(
        for user: UInt32, bytes: Int, _ body: @escaping @Sendable () throws -> Value
    ) async throws -> Value {
        guard bytes > Self.long else { return try body() }
        try Task.checkCancellation()
        return try await queue.run(for: user, cost: bytes, body)
    }
}
