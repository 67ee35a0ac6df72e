import Fairness
import Testing

@Suite struct FairDispatchQueueTests {
    @Test func returnsEachCallItsOwnResult() async {
        let queue = FairDispatchQueue<Int>(label: "test")
        let results = await withTaskGroup(of: (Int, Int).self) { group in
            for number in 0..<200 {
                group.addTask { (number, await queue.run(for: number % 3, cost: number) { number * 2 }) }
            }
            return await group.reduce(into: [:]) { $0[$1.0] = $1.1 }
        }
        #expect(results == Dictionary(uniqueKeysWithValues: (0..<200).map { ($0, $0 * 2) }))
    }

    @Test func propagatesErrorsOfWork() async {
        struct Failed: Error {}
        let queue = FairDispatchQueue<Int>(label: "test")
        await #expect(throws: Failed.self) { try await queue.run(for: 1) { () throws(Failed) in throw Failed() } }
    }
}
