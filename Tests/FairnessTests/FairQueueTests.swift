import Fairness
import Testing

@Suite struct FairQueueTests {
    private func drain(_ queue: inout FairQueue<String, Int>) -> [String] {
        var order: [String] = []
        while let (user, element) = queue.popFirst() { order.append("\(user)\(element)") }
        return order
    }

    @Test func servesUsersInTurn() {
        var queue = FairQueue<String, Int>()
        for number in 0..<4 { queue.push(number, for: "a") }
        for number in 0..<2 { queue.push(number, for: "b") }
        queue.push(0, for: "c")
        #expect(drain(&queue) == ["a0", "b0", "c0", "a1", "b1", "a2", "a3"])
        #expect(queue.isEmpty)
    }

    @Test func newUserIsServedNext() {
        var queue = FairQueue<String, Int>()
        for number in 0..<100 { queue.push(number, for: "a", cost: 256) }
        _ = queue.popFirst()
        queue.push(0, for: "b", cost: 10)
        let next = queue.popFirst()
        #expect(next?.user == "b")
    }

    @Test func turnsAreProportionalToCost() {
        var queue = FairQueue<String, Int>()
        for number in 0..<50 {
            queue.push(number, for: "dear", cost: 100)
            queue.push(number, for: "cheap", cost: 10)
        }
        var cheap = 0
        var dear = 0
        while cheap < 40, let (user, _) = queue.popFirst() {
            if user == "cheap" { cheap += 1 } else { dear += 1 }
        }
        #expect((4...5).contains(dear), "\(dear)")
    }

    @Test func idleUsersGainNoCredit() {
        var queue = FairQueue<String, Int>()
        queue.push(0, for: "b")
        _ = queue.popFirst()
        for number in 0..<20 { queue.push(number, for: "a") }
        for _ in 0..<10 { _ = queue.popFirst() }
        for number in 0..<10 { queue.push(number, for: "b") }
        let order = drain(&queue)
        #expect(order.prefix(6).filter { $0.hasPrefix("b") }.count == 3, "\(order)")
    }

    @Test func severalElementsOfAUserAreRemovedAtOnce() {
        var queue = FairQueue<String, Int>()
        for number in 0..<5 { queue.push(number, for: "a", cost: 10) }
        queue.push(0, for: "b", cost: 10)
        let first = queue.popFirst(atMost: 3)
        #expect(first?.user == "a" && first?.elements == [0, 1, 2] && queue.count == 3)
        #expect(drain(&queue) == ["b0", "a3", "a4"])
        #expect(queue.popFirst(atMost: 3) == nil)
    }

    @Test func costsThatAreKnownLaterAreCharged() {
        var queue = FairQueue<String, Int>()
        for number in 0..<3 { queue.push(number, for: "a") }
        #expect(queue.popFirst(atMost: 1)?.elements == [0])
        queue.charge(100, to: "a")
        for number in 0..<2 { queue.push(number, for: "b", cost: 50) }
        #expect(drain(&queue) == ["b0", "b1", "a1", "a2"])
    }

    @Test func elementsThatArePutBackComeFirst() {
        var queue = FairQueue<String, Int>()
        for number in 0..<4 { queue.push(number, for: "a") }
        let taken = queue.popFirst(atMost: 3)?.elements ?? []
        queue.putBack(taken[1...], for: "a")
        #expect(queue.count(of: "a") == 3 && drain(&queue) == ["a1", "a2", "a3"])
        queue.putBack([7], for: "a")
        #expect(drain(&queue) == ["a7"])
    }

    @Test func doesNotChargeRemovedElements() {
        var queue = FairQueue<String, Int>()
        for number in 0..<100 { queue.push(number, for: "a", cost: 1000) }
        queue.removeAll { $0 > 0 }
        _ = queue.popFirst()
        queue.push(0, for: "b", cost: 1000)
        queue.push(1, for: "a", cost: 1000)
        #expect(drain(&queue) == ["b0", "a1"])
    }

    @Test func popsFirstMatchingElement() {
        var queue = FairQueue<String, Int>()
        for number in 0..<4 { queue.push(number, for: "a") }
        queue.push(7, for: "b")
        #expect(queue.popFirst { _, number in number % 2 == 1 }?.element == 1)
        #expect(queue.popFirst { user, _ in user == "b" }?.element == 7)
        #expect(queue.popFirst { _, number in number > 9 } == nil)
        #expect(drain(&queue) == ["a0", "a2", "a3"])
    }

    @Test(arguments: [1, 2, 3] as [UInt64]) func countIsThatOfAllUsers(seed: UInt64) {
        var queue = FairQueue<String, Int>()
        let users = ["a", "b", "c"]
        var state = seed
        func random(_ bound: Int) -> Int {
            state = state &* 6_364_136_223_846_793_005 &+ 1_442_695_040_888_963_407
            return Int(state >> 33) % bound
        }
        for step in 0..<2_000 {
            let user = users[random(3)]
            switch random(8) {
            case 0...2: queue.push(step, for: user, cost: 1 + random(9))
            case 3: _ = queue.popFirst()
            case 4: _ = queue.popFirst { _, element in element % 2 == 0 }
            case 5: _ = queue.popFirst(atMost: 1 + random(3))
            case 6: queue.putBack((0..<random(3)).map { $0 }, for: user)
            default: queue.removeAll { $0 % 3 == 0 }
            }
            let counts = users.map { queue.count(of: $0) }
            #expect(queue.count == counts.reduce(0, +), "seed \(seed), step \(step)")
            #expect(queue.isEmpty == counts.allSatisfy { $0 == 0 }, "seed \(seed), step \(step)")
            #expect(queue.users == Set(users.filter { queue.count(of: $0) > 0 }), "seed \(seed), step \(step)")
        }
    }
}

@Suite struct FairShareTests {
    @Test func limitsSingleUser() {
        var share = FairShare<String>(limit: 128, limitOfUser: 64)
        for _ in 0..<64 { #expect(share.take(for: "a") == nil) }
        #expect(share.take(for: "a") == .limitOfUser)
        #expect(share.take(for: "b") == nil)
        share.give(for: "a")
        #expect(share.taken(by: "a") == 63)
    }

    @Test(arguments: [2, 3, 7, 20])
    func reservesRoomForNewUser(greedy: Int) {
        var share = FairShare<Int>(limit: 128, limitOfUser: 64)
        var isGrowing = true
        while isGrowing {
            isGrowing = false
            for user in 0..<greedy where share.take(for: user) == nil { isGrowing = true }
        }
        #expect(share.take(for: -1) == nil)
        let counts = (0..<greedy).map { share.taken(by: $0) }
        #expect(counts.max()! - counts.min()! <= 1)
        #expect(counts.max()! <= 64)
    }

    @Test func singleUserMayTakeAllWithoutUserLimit() {
        var share = FairShare<Int>(limit: 3, limitOfUser: 100)
        for _ in 0..<3 { #expect(share.take(for: 1) == nil) }
        #expect(share.take(for: 2) == .limit)
    }

    @Test func amountsNeverExceedLimits() {
        var share = FairShare<Int>(limit: 100, limitOfUser: 50)
        #expect(share.take(51, for: 1) == .limitOfUser)
        #expect(share.take(.max, for: 1) == .limit)
        #expect(share.take(50, for: 1) == nil)
        #expect(share.take(49, for: 2) == nil)
        #expect(share.taken == 99)
        #expect(share.take(2, for: 3) == .limit)
        share.give(50, for: 1)
        #expect(share.take(40, for: 3) == nil)
    }
}
