import Synchronization

/// Limits the memory of all JSON bodies being received, or made: a body of maximum size on each connection would exceed
/// the memory.
package final class BodyBytes: Sendable {
    static let shared = BodyBytes(limit: 64 << 20, free: 16 << 10)
    /// The answers to requests with many prompts that are being made.
    static let answers = BodyBytes(limit: 64 << 20, free: 256 << 10)

    private let limit: Int
    private let free: Int
    private let held = Mutex(0)

    /// - Parameter free: bytes that are always granted to each body, so that large bodies do not block small ones
    package init(limit: Int, free: Int) {
        self.limit = limit
        self.free = free
    }

    /// The bytes held by one body, until its last reference is released.
    package final class Body: Sendable {
        private let bytes: BodyBytes
        private let counted = Mutex(0)

        fileprivate init(_ bytes: BodyBytes) { self.bytes = bytes }

        /// Returns false if the total would exceed the limit; the body must then be rejected.
        package func grow(to size: Int) -> Bool {
            counted.withLock { counted in
                let more = max(0, size - bytes.free) - counted
                guard more > 0 else { return true }
                let isAdmitted = bytes.held.withLock { held in
                    guard held + more <= bytes.limit else { return false }
                    held += more
                    return true
                }
                if isAdmitted { counted += more }
                return isAdmitted
            }
        }

        deinit {
            let counted = counted.withLock { $0 }
            bytes.held.withLock { $0 -= counted }
        }
    }

    package func begin() -> Body { Body(self) }
}
