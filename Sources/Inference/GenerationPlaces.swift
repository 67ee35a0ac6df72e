/// Which generations have a cache and which of them take part in a step, by whose they are. A value without I/O.
package struct GenerationPlaces {
    /// Generations that one step takes.
    package let places: Int

    package init(places: Int) { self.places = places }

    /// How many may have a cache. Beyond the places those of users that have less than their share, whose generations then
    /// take the places of others'.
    package var caches: Int { 2 * places }

    /// Whether a user's next generation gets a cache.
    /// - Parameters:
    ///   - active: the users of those that have one
    ///   - waiting: the users of those that do not
    package func mayJoin(_ user: UInt32, active: [UInt32], waiting: Set<UInt32>) -> Bool {
        if active.count < places { return true }
        guard active.count < caches else { return false }
        let users = waiting.union(active).count
        return active.count { $0 == user } < max(1, places / max(1, users))
    }

    /// The indexes of those that take part in a step: the first of each user, then the second of each, and so on.
    /// - Parameters:
    ///   - users: of those that have a cache, in the order they came
    ///   - turn: moves which user is first, so that with more users than places each has its turn
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
