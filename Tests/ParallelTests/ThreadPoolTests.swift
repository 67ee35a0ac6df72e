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

    private final class Counter: Sendable {
        let value = Atomic<Int>(0)
    }
}
