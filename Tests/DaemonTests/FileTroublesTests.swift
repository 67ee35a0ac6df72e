import Daemon
import Testing

@Suite("Reports about files that cannot be admitted yet") struct FileTroublesTests {
    @Test("A problem is reported once; a different one, or the same after it was solved, is reported again")
    func once() {
        var troubles = FileTroubles()
        let now = ContinuousClock.now
        #expect(troubles.note("a.txt", "no room", now: now).0 == "a.txt stays in the inbox for now: no room")
        let again = troubles.note("a.txt", "no room", now: now)
        #expect(again.0 == nil && again.1)
        #expect(troubles.note("a.txt", "no right", now: now).0 == "a.txt stays in the inbox for now: no right")
        troubles.over("a.txt")
        #expect(troubles.note("a.txt", "no right", now: now).0 != nil)
    }

    @Test("At most a hundred files are reported at once, a thousand are remembered, and the others are counted")
    func bounded() {
        var troubles = FileTroubles()
        let now = ContinuousClock.now
        let noted = (0..<50_000).map { troubles.note("\($0).txt", "no room", now: now) }
        #expect(noted.count { $0.0 != nil } == 100)
        #expect(noted.count { $0.1 } == 1000)
        troubles.over("0.txt")
        let line = troubles.note("last.txt", "no room", now: now + .seconds(5)).0
        #expect(line == "last.txt stays in the inbox for now: no room; so do 49,900 others that were not reported")
    }
}
