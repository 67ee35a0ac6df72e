/// A limited resource, such as places or bytes, that is shared between users so that some of it is always left for
/// others.
///
/// Implements dynamic thresholds (Choudhury and Hahne, 1998): a user may take more as long as its amount is within a
/// fixed proportion of the free amount. The proportion is chosen such that a single user reaches `limitOfUser`. If that
/// is half of the limit, two greedy users get a third each, three get a quarter each, and the same amount stays free
/// for the next user. A pure value type.
public struct FairShare<User: Hashable & Sendable> {
    public enum Refusal: Sendable, Equatable {
        /// The total limit is reached.
        case limit
        /// The share of this user is used up.
        case limitOfUser
    }

    public let limit: Int
    public let limitOfUser: Int
    public private(set) var taken = 0
    private var takenBy: [User: Int] = [:]

    /// - Parameters:
    ///   - limit: total amount, at least 1
    ///   - limitOfUser: maximum amount of a single user when there are no others; at most `limit`
    public init(limit: Int, limitOfUser: Int) {
        self.limit = max(1, limit)
        self.limitOfUser = min(max(1, limitOfUser), self.limit)
    }

    public func taken(by user: User) -> Int { takenBy[user, default: 0] }

    /// Takes `amount`, or returns the reason for refusing it.
    public mutating func take(_ amount: Int = 1, for user: User) -> Refusal? {
        guard amount > 0 else { return nil }
        guard amount <= limit - taken else { return .limit }
        let own = takenBy[user, default: 0]
        guard amount <= limitOfUser - own,
            Double(own) * Double(limit - limitOfUser) < Double(limitOfUser) * Double(limit - taken)
        else { return .limitOfUser }
        taken += amount
        takenBy[user] = own + amount
        return nil
    }

    /// Gives back an amount that was taken.
    public mutating func give(_ amount: Int = 1, for user: User) {
        guard amount > 0 else { return }
        let own = takenBy[user, default: 0]
        guard amount <= own else { fatalError("more was returned than taken") }
        taken -= amount
        takenBy[user] = own == amount ? nil : own - amount
    }
}
