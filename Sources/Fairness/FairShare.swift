/// Places, or bytes, that users share: no user takes more than its share, and some are always left for whoever comes.
///
/// With dynamic thresholds (Choudhury and Hahne, 1998): a user may have more as long as what it has is in a fixed
/// proportion to what is free. The proportion is such that a user alone comes to `limitOfUser`. Where that is half of the
/// limit, two that want everything come to a third each, three to a quarter, and as much is free for the next. A value
/// without I/O.
public struct FairShare<User: Hashable & Sendable> {
    public enum Refusal: Sendable, Equatable {
        /// All together have as much as there is.
        case limit
        /// This user has its share.
        case limitOfUser
    }

    public let limit: Int
    public let limitOfUser: Int
    public private(set) var taken = 0
    private var takenBy: [User: Int] = [:]

    /// - Parameters:
    ///   - limit: at least 1
    ///   - limitOfUser: what one may have with nobody else there; taken as `limit` where it is larger
    public init(limit: Int, limitOfUser: Int) {
        self.limit = max(1, limit)
        self.limitOfUser = min(max(1, limitOfUser), self.limit)
    }

    public func taken(by user: User) -> Int { takenBy[user, default: 0] }

    /// Takes `amount`, unless that is refused.
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

    /// Gives back what was taken.
    public mutating func give(_ amount: Int = 1, for user: User) {
        guard amount > 0 else { return }
        let own = takenBy[user, default: 0]
        guard amount <= own else { fatalError("more is given back than was taken") }
        taken -= amount
        takenBy[user] = own == amount ? nil : own - amount
    }
}
