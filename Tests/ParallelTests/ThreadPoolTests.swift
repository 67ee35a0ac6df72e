import Glibc
import Parallel
import Synchronization
import Testing

@Suite struct ThreadPoolTests {
    @Test(arguments: [1, 2, 3, 8])
    func callsEachIndexOnce(threads: Int) {
        let pool = ThreadPool(threads: threads)
        for count in [0, 1, 2, 7, 1000] {
            let calls = (0..<count).map { _ in Counter() }
            pool.forEach(count) { calls[$0].value.add(1, ordering: .relaxed) }
            #expect(calls.allSatisfy { $0.value.load(ordering: .relaxed) == 1 }, "\(count) on \(threads) threads")
        }
    }

    @Test func writesAreVisibleAfterForEachReturns() {
        let pool = ThreadPool(threads: 2)
        var squares = [Int](repeating: 0, count: 64)
        for round in 1...2_000 {
            squares.withUnsafeMutableBufferPointer { squares in
                nonisolated(unsafe) let squares = squares
                pool.forEach(squares.count) { squares[$0] = round * $0 * $0 }
            }
            #expect(squares.indices.allSatisfy { squares[$0] == round * $0 * $0 })
        }
    }

    @Test func nestedForEachRunsOnCallingThread() {
        let pool = ThreadPool(threads: 2)
        let total = Counter()
        pool.forEach(8) { _ in pool.forEach(8) { _ in total.value.add(1, ordering: .relaxed) } }
        #expect(total.value.load(ordering: .relaxed) == 64)
    }

    @Test func concurrentCallersAreSerialized() async {
        let pool = ThreadPool(threads: 2)
        let total = Counter()
        await withTaskGroup(of: Void.self) { group in
            for _ in 0..<8 {
                group.addTask {
                    for _ in 0..<200 { pool.forEach(4) { _ in total.value.add(1, ordering: .relaxed) } }
                }
            }
        }
        #expect(total.value.load(ordering: .relaxed) == 8 * 200 * 4)
    }

    @Test(.timeLimit(.minutes(15))) func returnsWithoutWorkersThatHaveNotBegun() {
        let pool = ThreadPool(threads: 3, startingWorkers: false)
        let calls = Counter()
        for _ in 0..<100 { pool.forEach(7) { _ in calls.value.add(1, ordering: .relaxed) } }
        #expect(calls.value.load(ordering: .relaxed) == 700)

        pool.startWorkers()
        meet(pool)
        #expect(calls.value.load(ordering: .relaxed) == 700, "a late worker processed an item of an earlier call")
    }

    @Test(.timeLimit(.minutes(15)), arguments: [2, 3, 5])
    func everyWorkerTakesPart(threads: Int) {
        let pool = ThreadPool(threads: threads)
        let calls = Counter()
        // The work between two calls grows, so that the next one finds the workers polling, about to sleep or asleep.
        for round in 0..<300 {
            for _ in 0..<round * 200 { calls.value.add(1, ordering: .relaxed) }
            meet(pool)
        }
    }

    /// Returns when as many items are being processed at the same time as the pool has threads.
    private func meet(_ pool: ThreadPool) {
        let here = Counter()
        pool.forEach(pool.threads) { _ in
            here.value.add(1, ordering: .relaxed)
            while here.value.load(ordering: .relaxed) < pool.threads { sched_yield() }
        }
    }

    private final class Counter: Sendable {
        let value = Atomic<Int>(0)
    }
}
