import Fairness
import Synchronization
import Varlink

/// The memory for requests that are being received or processed, shared by all users.
///
/// Reservations are upper bounds computed from the size of a request, so that they can be made before memory is allocated.
final class RequestMemory: Sendable {
    /// The size up to which a request needs no reservation.
    private static let free = 16 << 10

    private let share: Mutex<FairShare<UInt32>>

    init(limit: Int, limitOfUser: Int) {
        share = Mutex(FairShare(limit: limit, limitOfUser: limitOfUser))
    }

    /// Returns the memory required for a partially received request, whose buffer doubles as it grows.
    static func needed(forArriving bytes: Int) -> Int { bytes <= free ? 0 : 2 * bytes }

    /// Returns the memory required for a complete request: the text, the decoder's copy and strings, and about 100 bytes
    /// per value.
    static func needed(for shape: JSONShape, bytes: Int) -> Int {
        guard bytes > free else { return 0 }
        // Requests that are rejected are not decoded.
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

/// The request memory reserved by one call.
final class CallMemory: Sendable {
    private let memory: RequestMemory
    private let user: UInt32
    private let held = Mutex(0)

    init(_ memory: RequestMemory, _ user: UInt32) {
        self.memory = memory
        self.user = user
    }

    deinit { release() }

    /// Reserves more memory, in total at most the limit of a user.
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
