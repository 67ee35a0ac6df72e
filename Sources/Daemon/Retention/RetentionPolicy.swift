/// Retention policy. Performs no I/O.
package enum RetentionPolicy {
    /// Returns the generations of one model that are to be removed.
    ///
    /// It keeps the one that serves, the newest (whose number must not be reused), and those in `held`. It keeps up to
    /// `count` of the others in total, preferring those that have served and newer ones.
    /// - Parameters:
    ///   - all: the numbers on disk
    ///   - held: those being loaded or evaluated
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
