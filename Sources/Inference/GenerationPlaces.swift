/// Decides which generations have a cache, and which of them take part in a step, based on their users. A pure value
/// type.
package struct GenerationPlaces {
    /// Maximum number of generations in one step.
    package let places: Int

    package init(places: Int) { self.places = places }

    /// Maximum number of generations with a cache. Those beyond `places` are reserved for users with less than their
    /// share, whose generations then displace others from a step.
    package var caches: Int { 2 * places }

    /// Whether the next generation of a user receives a cache.
    /// - Parameters:
    ///   - active: the users of the generations that have a cache
    ///   - waiting: the users of the generations that do not
    package func mayJoin(_ user: UInt32, active: [UInt32], waiting: Set<UInt32>) -> Bool {
        if active.count < places { return true }
        guard active.count < caches else { return false }
        let users = waiting.union(active).count
        return active.count { $0 == user } < max(1, places / max(1, users))
    }

    /// Returns the indexes of the generations that take part in a step: the first of each user, then the second of
    /// each, and so on.
    /// - Parameters:
    ///   - users: the users of the generations that have a cache, in order of arrival
    ///   - turn: rotates the order of users, so that every user is served even if there are more users than places
    package func stepping(_ users: [UInt32], turn: Int) -> [Int] {
        guard users.count > places else { return Array(users.indices) }
        var own: [UInt32: [Int]] = [:]
        var order: [UInt32] = []
        for (index, user) in users.enumerated() {
            if own[user] == nil { order.append(user) }
            own[user, default: []].append(index)
        }
        let first = turn % order.count
        order = Array(order[first...] + order[..<first])
        var chosen: [Int] = []
        var rank = 0
        while chosen.count < places {
            for user in order where chosen.count < places {
                if let indexes = own[user], rank < indexes.count { chosen.append(indexes[rank]) }
            }
            rank += 1
        }
        return chosen.sorted()
    }
}
