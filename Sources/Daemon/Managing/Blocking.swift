import Dispatch

/// Work that takes seconds, for a thread of its own: those of Swift's concurrency are not to be held up.
enum Blocking {
    private static let queue = DispatchQueue(label: "io.kantaibert.blocking", attributes: .concurrent)

    static func run<Value: Sendable>(_ body: @escaping @Sendable () throws -> Value) async throws -> Value {
        try await withCheckedThrowingContinuation { continuation in
            queue.async { continuation.resume(with: Result { try body() }) }
        }
    }
}
