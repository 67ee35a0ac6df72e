import Synchronization

/// Bytes of JSON bodies that are being received, of all clients together: so many connections with a body of the largest
/// size each would be more memory than there is.
package final class BodyBytes: Sendable {
    static let shared = BodyBytes(limit: 64 << 20, free: 16 << 10)

    private let limit: Int
    private let free: Int
    private let held = Mutex(0)

    /// - Parameter free: bytes that every body may have in any case, so that large ones keep no small ones out
    package init(limit: Int, free: Int) {
        self.limit = limit
        self.free = free
    }

    /// What one body holds, until the last reference goes.
    package final class Body: Sendable {
        private let bytes: BodyBytes
        private let counted = Mutex(0)

        fileprivate init(_ bytes: BodyBytes) { self.bytes = bytes }

        /// False where it is too much for all together; the body is to be given up then.
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
