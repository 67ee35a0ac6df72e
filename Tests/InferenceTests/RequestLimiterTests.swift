import Dispatch
import Inference
import Testing

@Suite struct RequestLimiterTests {
    /// Blocks requests until it is opened.
    private final class Barrier: Sendable {
        private let (stream, continuation) = AsyncStream.makeStream(of: Void.self)
        func open() { continuation.finish() }
        func wait() async { for await _ in stream {} }
    }

    /// - Returns: the number of requests that are admitted
    private func fill(
        _ admission: RequestLimiter, by user: UInt32, _ count: Int, _ barrier: Barrier, _ group: inout TaskGroup<Void>
    ) async -> Int {
        let (answers, answer) = AsyncStream.makeStream(of: Bool.self)
        for _ in 0..<count {
            group.addTask {
                do {
                    try await admission.admit(for: user) {
                        answer.yield(true)
                        await barrier.wait()
                    }
                } catch {
                    answer.yield(false)
                }
            }
        }
        var (admitted, answered) = (0, 0)
        for await isAdmitted in answers {
            if isAdmitted { admitted += 1 }
            answered += 1
            if answered == count { break }
        }
        return admitted
    }

    @Test func oneUserCannotStarveOthers() async throws {
        let admission = RequestLimiter(limit: 128, limitOfUser: 64)
        let barrier = Barrier()
        await withTaskGroup(of: Void.self) { group in
            #expect(await fill(admission, by: 1, 128, barrier, &group) == 64)
            // The second user is admitted, but cannot take so many places that none are left for a third.
            #expect(await fill(admission, by: 2, 1, barrier, &group) == 1)
            #expect(await fill(admission, by: 2, 128, barrier, &group) > 20)
            #expect(await fill(admission, by: 3, 1, barrier, &group) == 1)
            barrier.open()
        }
        #expect(try await admission.admit(for: 1) { 1 } == 1)
    }
}

@Suite struct WorkQueueTests {
    /// Returns the names of steps in the order in which they ran.
    private func order(_ body: (WorkQueue, @escaping @Sendable (String) -> Void) async -> Void) async -> [String] {
        let queue = WorkQueue(label: "test")
        let (steps, step) = AsyncStream.makeStream(of: String.self)
        await body(queue) { step.yield($0) }
        // Waits for the steps of all owners.
        for user in UInt32(0)..<9 { await queue.run(for: .user(user), cost: 1) { () throws(Never) in } }
        step.finish()
        var order: [String] = []
        for await step in steps { order.append(step) }
        return order
    }

    @Test func ownersTakeTurns() async {
        let order = await order { queue, ran in
            let (barrier, opens) = (Latching(), Latching())
            queue.enqueue(for: .user(0), cost: 1) {
                barrier.open()
                opens.wait()
            }
            barrier.wait()
            for number in 0..<3 { queue.enqueue(for: .user(1), cost: 10) { ran("a\(number)") } }
            for number in 0..<2 { queue.enqueue(for: .user(2), cost: 10) { ran("b\(number)") } }
            queue.enqueue(for: .generations, cost: 10) { ran("g0") }
            opens.open()
        }
        #expect(order == ["a0", "b0", "g0", "a1", "b1", "a2"])
    }

    @Test func longStepYieldsToOtherOwnersOnly() async {
        let order = await order { queue, ran in
            let (barrier, opens) = (Latching(), Latching())
            queue.enqueue(for: .user(1), cost: 1000) {
                barrier.open()
                opens.wait()
                ran("long begins")
                queue.yieldToOthers()
                queue.yieldToOthers()
                ran("long ends")
            }
            barrier.wait()
            queue.enqueue(for: .user(1), cost: 1) { ran("own") }
            queue.enqueue(for: .user(2), cost: 1) { ran("other") }
            opens.open()
        }
        #expect(order == ["long begins", "other", "long ends", "own"])
    }
}

/// A latch that threads wait for.
private final class Latching: @unchecked Sendable {
    // @unchecked: a semaphore is thread-safe.
    private let semaphore = DispatchSemaphore(value: 0)
    func open() { semaphore.signal() }
    func wait() { semaphore.wait() }
}

@Suite struct GenerationPlacesTests {
    private let policy = GenerationPlaces(places: 16)

    @Test func givesAllPlacesToASingleUser() {
        #expect(policy.stepping(Array(repeating: 1, count: 16), turn: 3).count == 16)
        #expect(!policy.mayJoin(1, active: Array(repeating: 1, count: 16), waiting: [1]))
    }

    @Test func sharesPlacesBetweenTwoUsers() {
        var active = [UInt32](repeating: 1, count: 16)
        while policy.mayJoin(2, active: active, waiting: [1, 2]) { active.append(2) }
        #expect(active.count == 24)
        #expect(!policy.mayJoin(1, active: active, waiting: [1]))
        for turn in 0..<4 {
            let chosen = policy.stepping(active, turn: turn).map { active[$0] }
            #expect(chosen.count { $0 == 1 } == 8)
            #expect(chosen.count { $0 == 2 } == 8)
        }
    }

    @Test func rotatesWhenUsersExceedPlaces() {
        let active = (0..<20).map { UInt32($0) }
        var seen: Set<UInt32> = []
        for turn in 0..<20 { for index in policy.stepping(active, turn: turn) { seen.insert(active[index]) } }
        #expect(seen.count == 20)
        var full = active
        for user in UInt32(100)..<200 where policy.mayJoin(user, active: full, waiting: [user]) { full.append(user) }
        #expect(full.count == policy.caches)
    }
}
