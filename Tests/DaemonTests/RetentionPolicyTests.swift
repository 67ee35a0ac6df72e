import Daemon
import Testing

/// Retention policy.
struct RetentionPolicyTests {
    private func removed(
        _ all: [Int], serving: Int?, rejected: Set<Int> = [], held: Set<Int> = [], keeping count: Int
    ) -> [Int] {
        RetentionPolicy.generationsToRemove(all, serving: serving, rejected: rejected, held: held, keeping: count)
    }

    @Test func oldestAreRemoved() {
        #expect(removed([1, 2, 3, 4, 5], serving: 5, keeping: 3) == [1, 2])
        #expect(removed([1, 2, 3], serving: 3, keeping: 5).isEmpty)
        #expect(removed([], serving: nil, keeping: 1).isEmpty)
    }

    /// For every combination of serving generation, held generations, and number kept.
    @Test func servingHeldAndNewestGenerationsAreKept() {
        let all = Array(1...6)
        for serving in all {
            for count in 1...7 {
                for held in all {
                    let gone = removed(all, serving: serving, rejected: [2, 5], held: [held], keeping: count)
                    #expect(Set(gone).isDisjoint(with: [serving, held, 6]))
                    #expect(all.count - gone.count >= min(count, all.count))
                    #expect(all.count - gone.count <= max(count, 3))
                }
            }
        }
    }

    /// Five rejected generations in a row do not displace those that have served.
    @Test func retiredGenerationsAreKeptBeforeRejectedOnes() {
        #expect(removed([1, 2, 3, 4, 5, 6], serving: 2, rejected: [3, 4, 5, 6], keeping: 3) == [3, 4, 5])
    }
}
