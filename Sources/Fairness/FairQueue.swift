/// A queue that serves its users in turn, each in proportion to what its elements cost.
///
/// Start-time fair queueing (Goyal, Vin and Cheng, 1996): a user's account grows by the cost of each element that is
/// taken, the user with the lowest account is next, and whoever comes back after a pause begins where the others are, so
/// that idling saves nothing up. Elements of one user keep their order. A value without I/O.
public struct FairQueue<User: Hashable & Sendable, Element> {
    private struct Lane {
        var waiting: [(element: Element, cost: Int)] = []
        /// What the user has had.
        var account: Int
        /// When it was last served or, before that, when it came: of equal accounts the lower goes first.
        var turn: Int
    }

    private var lanes: [User: Lane] = [:]
    /// The account at which the last element was taken.
    private var now = 0
    private var turns = 0

    public init() {}

    public var isEmpty: Bool { lanes.allSatisfy { $0.value.waiting.isEmpty } }
    public var count: Int { lanes.reduce(0) { $0 + $1.value.waiting.count } }
    public func count(of user: User) -> Int { lanes[user]?.waiting.count ?? 0 }
    /// Who has elements in the queue.
    public var users: Set<User> { Set(lanes.lazy.filter { !$0.value.waiting.isEmpty }.map(\.key)) }

    /// - Parameter cost: in any unit, the same for all; at least 1 is charged
    public mutating func push(_ element: Element, for user: User, cost: Int = 1) {
        let cost = min(max(1, cost), 1 << 40)
        var lane = lanes[user] ?? Lane(account: now, turn: turns)
        if lane.waiting.isEmpty {
            lane.account = max(lane.account, now)
            lane.turn = turns
            turns += 1
        }
        lane.waiting.append((element, cost))
        lanes[user] = lane
    }

    /// Takes the next element: of the user whose turn it is, the first that is wanted.
    public mutating func popFirst(
        where isWanted: (User, Element) -> Bool = { _, _ in true }
    ) -> (user: User, element: Element)? {
        let order = lanes.filter { !$0.value.waiting.isEmpty }
            .sorted { ($0.value.account, $0.value.turn) < ($1.value.account, $1.value.turn) }
        for (user, lane) in order {
            guard let index = lane.waiting.firstIndex(where: { isWanted(user, $0.element) }) else { continue }
            return (user, take(index, of: user, lane))
        }
        return nil
    }

    /// Whether `user` has had less than `other`, whose elements may all have been taken.
    public func isBehind(_ user: User, _ other: User) -> Bool {
        (lanes[user]?.account ?? now) < (lanes[other]?.account ?? now)
    }

    /// Takes elements out that nobody waits for any more. They are not charged for.
    public mutating func removeAll(where isOver: (Element) -> Bool) {
        for user in lanes.keys { lanes[user]?.waiting.removeAll { isOver($0.element) } }
        forget()
    }

    private mutating func take(_ index: Int, of user: User, _ lane: Lane) -> Element {
        var lane = lane
        let (element, cost) = lane.waiting.remove(at: index)
        now = max(now, lane.account)
        lane.account += cost
        lane.turn = turns
        turns += 1
        lanes[user] = lane
        forget()
        return element
    }

    /// Users with nothing in the queue are forgotten once the others have had as much.
    private mutating func forget() {
        for (user, lane) in lanes where lane.waiting.isEmpty && lane.account <= now { lanes[user] = nil }
    }
}
