import Fairness
import Synchronization
import Varlink

/// The memory for requests that are arriving or under way, shared by users.
///
/// What is counted is an upper bound on what reading a request takes, not what the allocator says: it is known beforehand.
final class RequestMemory: Sendable {
    /// What every connection may have without being counted.
    private static let free = 16 << 10

    private let share: Mutex<FairShare<UInt32>>

    init(limit: Int, limitOfUser: Int) {
        share = Mutex(FairShare(limit: limit, limitOfUser: limitOfUser))
    }

    /// Bytes held for a part of a request: the buffer doubles as it grows.
    static func needed(forArriving bytes: Int) -> Int { bytes <= free ? 0 : 2 * bytes }

    /// Bytes held for a whole request: itself, the decoder's copy and its texts, and about a hundred bytes for each value.
    static func needed(for shape: JSONShape, bytes: Int) -> Int {
        guard bytes > free else { return 0 }
        // What is refused is not decoded.
        return shape.isReadable ? 4 * bytes + 96 * shape.values : bytes
    }

    func take(_ bytes: Int, _ user: UInt32) -> VarlinkLimitsInterface.RequestMemoryExceeded? {
        share.withLock { share in
            switch share.take(bytes, for: user) {
            case .limit: .init(limit: share.limit, perUser: false)
            case .limitOfUser: .init(limit: share.limitOfUser, perUser: true)
            case nil: nil
            }
        }
    }

    func give(_ bytes: Int, _ user: UInt32) { share.withLock { $0.give(bytes, for: user) } }

    func limitOfUser() -> Int { share.withLock { $0.limitOfUser } }
}

/// What one call holds of the memory for requests.
final class CallMemory: Sendable {
    private let memory: RequestMemory
    private let user: UInt32
    private let held = Mutex(0)

    init(_ memory: RequestMemory, _ user: UInt32) {
        self.memory = memory
        self.user = user
    }

    deinit { release() }

    /// Takes more; at most what its user may have.
    func reserve(_ bytes: Int) -> VarlinkLimitsInterface.RequestMemoryExceeded? {
        held.withLock { held in
            let more = min(max(0, bytes), memory.limitOfUser() - held)
            if let exceeded = memory.take(more, user) { return exceeded }
            held += more
            return nil
        }
    }

    func release() {
        held.withLock { held in
            memory.give(held, user)
            held = 0
        }
    }
}
