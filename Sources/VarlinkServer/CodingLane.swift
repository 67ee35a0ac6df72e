import Dispatch
import Fairness

/// A thread that encodes and decodes long messages one at a time, alternating between users, so that they do not occupy
/// the threads of Swift concurrency.
final class CodingLane: Sendable {
    static let shared = CodingLane()

    /// The size in bytes up to which messages are coded on the calling thread.
    private static let long = 16 << 10

    private let queue = FairDispatchQueue<UInt32>(label: "varlink.coding", qos: .userInitiated)

    /// - Parameters:
    ///   - user: the user whose share of the thread is used.
    ///   - bytes: the approximate size of the message.
    func run<Value: Sendable>(
        for user: UInt32, bytes: Int, _ body: @escaping @Sendable () throws -> Value
    ) async throws -> Value {
        guard bytes > Self.long else { return try body() }
        try Task.checkCancellation()
        return try await queue.run(for: user, cost: bytes, body)
    }
}
