/// A queue that serves users in turn, in proportion to the cost of their elements.
///
/// Implements start-time fair queueing (Goyal, Vin and Cheng, 1996). The account of a user grows by the cost of each
/// element that is removed. The user with the lowest account is served next. A user who returns after a pause starts at
/// the level of the others, so that idling earns no credit. Elements of one user keep their order. A pure value type.
public struct FairQueue<User: Hashable & Sendable, Element> {
    private struct Lane {
        var waiting: [(element: Element, cost: Int)] = []
        /// Total cost charged to the user (virtual start time of the next element).
        var account: Int
        /// Breaks ties between equal accounts: the number of the last turn of the user, or of the turn when the user
        /// arrived.
        var turn: Int
    }

    private var lanes: [User: Lane] = [:]
    /// Virtual time: the account at which the last element was removed.
    private var now = 0
    private var turns = 0

    public init() {}

    public var isEmpty: Bool { count == 0 }
    /// Number of elements of all users, stored because queues are mostly empty and asked for that between the products
    /// of a model.
    public private(set) var count = 0
    public func count(of user: User) -> Int { lanes[user]?.waiting.count ?? 0 }
    /// The users who have elements in the queue.
    public var users: Set<User> {
        isEmpty ? [] : Set(lanes.lazy.filter { !$0.value.waiting.isEmpty }.map(\.key))
    }

    /// - Parameter cost: in any unit that is the same for all elements; at least 1 is charged
    public mutating func push(_ element: Element, for user: User, cost: Int = 1) {
        let cost = min(max(1, cost), 1 << 40)
        // Removed, so that the elements are not copied.
        var lane = lanes.removeValue(forKey: user) ?? Lane(account: now, turn: turns)
        if lane.waiting.isEmpty {
            lane.account = max(lane.account, now)
            lane.turn = turns
            turns += 1
        }
        lane.waiting.append((element, cost))
        count += 1
        lanes[user] = lane
    }

    /// Removes and returns the next element: the first matching element of the user who is next.
    public mutating func popFirst(
        where isWanted: (User, Element) -> Bool = { _, _ in true }
    ) -> (user: User, element: Element)? {
        guard !isEmpty else { return nil }
        let order = lanes.filter { !$0.value.waiting.isEmpty }
            .sorted { ($0.value.account, $0.value.turn) < ($1.value.account, $1.value.turn) }
        for (user, lane) in order {
            guard let index = lane.waiting.firstIndex(where: { isWanted(user, $0.element) }) else { continue }
            return (user, take(index, of: user, lane))
        }
        return nil
    }

    /// Removes and returns the next elements of the user who is next, at most `most` (at least 1).
    public mutating func popFirst(atMost most: Int) -> (user: User, elements: [Element])? {
        guard let (user, first) = popFirst() else { return nil }
        guard most > 1, var lane = lanes.removeValue(forKey: user) else { return (user, [first]) }
        let others = lane.waiting.prefix(most - 1)
        lane.account += others.reduce(0) { $0 + $1.cost }
        let elements = [first] + others.map(\.element)
        count -= others.count
        lane.waiting.removeFirst(others.count)
        lanes[user] = lane
        return (user, elements)
    }

    /// Charges a user for a cost that was not known when its elements were removed.
    public mutating func charge(_ cost: Int, to user: User) {
        lanes[user, default: Lane(account: now, turn: turns)].account += min(max(0, cost), 1 << 40)
        forget()
    }

    /// Puts elements that were removed back, before the others of the user. What was charged for them stays charged.
    public mutating func putBack(_ elements: some Collection<Element>, for user: User) {
        guard !elements.isEmpty else { return }
        count += elements.count
        lanes[user, default: Lane(account: now, turn: turns)].waiting.insert(
            contentsOf: elements.map { ($0, 1) }, at: 0)
    }

    /// Whether `user` has been charged less than `other`. Also valid for users without waiting elements.
    public func isBehind(_ user: User, _ other: User) -> Bool {
        (lanes[user]?.account ?? now) < (lanes[other]?.account ?? now)
    }

    /// Removes elements that are no longer needed, without charging for them.
    public mutating func removeAll(where isOver: (Element) -> Bool) {
        guard !isEmpty else { return }
        for user in lanes.keys { lanes[user]?.waiting.removeAll { isOver($0.element) } }
        count = lanes.reduce(0) { $0 + $1.value.waiting.count }
        forget()
    }

    private mutating func take(_ index: Int, of user: User, _ lane: Lane) -> Element {
        var lane = lane
        let (element, cost) = lane.waiting.remove(at: index)
        count -= 1
        now = max(now, lane.account)
        lane.account += cost
        lane.turn = turns
        turns += 1
        lanes[user] = lane
        forget()
        return element
    }

    /// Drops users without waiting elements once their account is not ahead of the virtual time.
    private mutating func forget() {
        for (user, lane) in lanes where lane.waiting.isEmpty && lane.account <= now { lanes[user] = nil }
    }
}
