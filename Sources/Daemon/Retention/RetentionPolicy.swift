/// What is kept of what is over: decisions without I/O.
package enum RetentionPolicy {
    /// The generations of one model that may go.
    ///
    /// Kept are the one that serves, the newest (its number must not be given again), those in `held`, and of the others, up
    /// to `count` in all, those that have served before those that have not, the newer before the older.
    /// - Parameters:
    ///   - all: the numbers on disk
    ///   - held: being opened, or at the gate
    package static func generationsToRemove(
        _ all: [Int], serving: Int?, rejected: Set<Int>, held: Set<Int>, keeping count: Int
    ) -> [Int] {
        var kept = held.intersection(all)
        if let serving { kept.insert(serving) }
        if let newest = all.max() { kept.insert(newest) }
        let others = all.filter { !kept.contains($0) }
        let order =
            others.filter { !rejected.contains($0) }.sorted(by: >) + others.filter(rejected.contains).sorted(by: >)
        for number in order where kept.count < count { kept.insert(number) }
        return all.filter { !kept.contains($0) }.sorted()
    }
}
