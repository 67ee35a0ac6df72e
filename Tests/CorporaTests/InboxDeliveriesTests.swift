import Corpora
import Testing

struct InboxDeliveriesTests {
    private func file(_ number: Int, owner: UInt32) -> InboxFile {
        let signature = FileSignature(
            device: 1, inode: UInt64(number), bytes: 1, modifiedNanoseconds: 0, owner: owner)
        return InboxFile(path: "/inbox/\(number)", name: "\(number)", signature: signature)
    }

    /// A member's slow files must not hold up those of others.
    @Test func ownersTakeTurnsByTheTimeTheirFilesTook() async {
        let deliveries = InboxDeliveries(most: 100)
        for number in 1...4 { #expect(deliveries.yield(file(number, owner: 7))) }
        let first = await deliveries.next(atMost: 3)
        #expect(first.map(\.name) == ["1", "2", "3"])
        for number in 5...6 { #expect(deliveries.yield(file(number, owner: 9))) }
        #expect(deliveries.hasFiles(ofOthersThan: 7) && deliveries.hasFiles(ofOthersThan: 9))
        deliveries.charge(7, .seconds(90), unused: first[1...])
        for expected in ["5", "6"] {
            #expect(await deliveries.next(atMost: 1).map(\.name) == [expected])
            deliveries.charge(9, .seconds(1), unused: [])
        }
        #expect(!deliveries.hasFiles(ofOthersThan: 7))
        #expect(await deliveries.next(atMost: 10).map(\.name) == ["2", "3", "4"])
        deliveries.charge(7, .seconds(1), unused: [])
        // Has received 2 s, and the other 91 s.
        #expect(deliveries.yield(file(8, owner: 7)) && deliveries.yield(file(9, owner: 9)))
        #expect(await deliveries.next(atMost: 10).map(\.name) == ["9"])
    }

    @Test func idlingEarnsNoCredit() async {
        let deliveries = InboxDeliveries(most: 100)
        for number in 1...3 { #expect(deliveries.yield(file(number, owner: 7))) }
        for _ in 0..<2 {
            #expect(await deliveries.next(atMost: 1).count == 1)
            deliveries.charge(7, .seconds(10), unused: [])
        }
        // Begins at the level of 10 s, where the third file's turn of the other one is at 20 s.
        #expect(deliveries.yield(file(4, owner: 9)) && deliveries.yield(file(5, owner: 9)))
        #expect(await deliveries.next(atMost: 1).map(\.name) == ["4"])
        deliveries.charge(9, .seconds(11), unused: [])
        #expect(await deliveries.next(atMost: 1).map(\.name) == ["3"])
    }

    @Test func oneOwnerMayFillHalfOfTheQueue() {
        let deliveries = InboxDeliveries(most: 4)
        #expect((1...4).map { deliveries.yield(file($0, owner: 7)) } == [true, true, false, false])
        #expect(deliveries.yield(file(5, owner: 9)))
    }
}
