import Daemon
import Testing

/// Retention and the verdict at the gate: values without I/O.
struct RetentionPolicyTests {
    private func removed(
        _ all: [Int], serving: Int?, rejected: Set<Int> = [], held: Set<Int> = [], keeping count: Int
    ) -> [Int] {
        RetentionPolicy.generationsToRemove(all, serving: serving, rejected: rejected, held: held, keeping: count)
    }

    @Test func theOldestGo() {
        #expect(removed([1, 2, 3, 4, 5], serving: 5, keeping: 3) == [1, 2])
        #expect(removed([1, 2, 3], serving: 3, keeping: 5).isEmpty)
        #expect(removed([], serving: nil, keeping: 1).isEmpty)
    }

    /// For every choice of the one that serves, of those held, and of the number kept.
    @Test func whatServesIsHeldOrIsTheNewestStays() {
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

    /// Five bad ones in a row do not push out the way back.
    @Test func whatHasServedStaysBeforeWhatWasRejected() {
        #expect(removed([1, 2, 3, 4, 5, 6], serving: 2, rejected: [3, 4, 5, 6], keeping: 3) == [3, 4, 5])
    }
}
