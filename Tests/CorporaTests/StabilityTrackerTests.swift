import Corpora
import LimitedLogging
import Testing
import TextReading

private let old = FileSignature(device: 1, inode: 2, bytes: 3, modifiedNanoseconds: 4)
private let new = FileSignature(device: 1, inode: 2, bytes: 30, modifiedNanoseconds: 40)
private let start = ContinuousClock.now

/// The candidates, and a simulated disk.
private final class Inbox {
    var candidates = StabilityTracker(stable: .seconds(2))
    var disk: [String: FileSignature] = [:]

    func take(after seconds: Double) -> [String] {
        candidates.take(now: start + .seconds(seconds)) { disk[$0] }.map(\.path)
    }
}

struct StabilityTrackerTests {
    private let inbox = Inbox()

    @Test func returnsStableFileOnce() {
        inbox.disk = ["a": old]
        inbox.candidates.settled("a", old, now: start)
        #expect(inbox.candidates.nextDue == start + .seconds(2))
        #expect(inbox.take(after: 1.9) == [])
        #expect(inbox.take(after: 2) == ["a"])
        #expect(inbox.take(after: 9) == [])
        #expect(inbox.candidates.nextDue == nil)
    }

    @Test func restartsWaitAfterEveryChange() {
        inbox.disk = ["a": new]
        inbox.candidates.settled("a", old, now: start)
        #expect(inbox.take(after: 2) == [], "changed without an event")
        #expect(inbox.take(after: 3.9) == [])
        inbox.candidates.settled("a", new, now: start + .seconds(3.9))
        #expect(inbox.take(after: 4) == [])
        #expect(inbox.take(after: 5.9) == ["a"])
    }

    @Test func waitsForSlowWriter() {
        inbox.disk = ["a": new]
        inbox.candidates.written("a", old)
        #expect(inbox.candidates.nextDue == nil)
        #expect(inbox.take(after: 1000) == [])
        #expect(inbox.candidates.count == 1)
        inbox.candidates.settled("a", new, now: start + .seconds(1000))
        inbox.candidates.written("a", new)
        #expect(inbox.take(after: 2000) == [], "opened again")
    }

    @Test func waitsLongerForUnobservedWriters() {
        inbox.disk = ["new": old, "old": old, "ahead": old]
        inbox.candidates.found("new", old, age: .seconds(5), now: start)
        inbox.candidates.found("old", old, age: .seconds(3600), now: start)
        inbox.candidates.found("ahead", old, age: .seconds(-3600), now: start)
        #expect(inbox.take(after: 2) == ["old"])
        #expect(inbox.take(after: 14.9) == [])
        #expect(inbox.take(after: 15) == ["new"])
        #expect(inbox.take(after: 20) == ["ahead"], "a modification time in the future must not block a file forever")
    }

    @Test func requeueDoesNotHideNewerObservation() {
        inbox.disk = ["a": new]
        inbox.candidates.written("a", new)
        inbox.candidates.reschedule("a", old, delay: .zero, now: start)
        #expect(inbox.take(after: 1000) == [], "being written")
    }

    @Test func forgetsRemovedFiles() {
        for path in ["in/a", "in/b/c", "in/bc", "in/d"] {
            inbox.candidates.settled(path, old, now: start)
            inbox.disk[path] = old
        }
        inbox.candidates.gone("in/a")
        inbox.candidates.folderGone("in/b")
        inbox.disk["in/d"] = nil
        #expect(inbox.take(after: 2) == ["in/bc"])
        #expect(inbox.candidates.count == 0)
    }

    @Test func returnsOldestFirst() {
        inbox.disk = ["a": old, "b": old, "c": old]
        inbox.candidates.settled("b", old, now: start)
        inbox.candidates.settled("c", old, now: start + .seconds(0.5))
        inbox.candidates.settled("a", old, now: start + .seconds(0.5))
        #expect(inbox.take(after: 9) == ["b", "a", "c"])
    }

    @Test func returnsPostponedFileAfterDelay() {
        inbox.disk = ["a": old]
        inbox.candidates.reschedule("a", old, delay: .seconds(30), now: start)
        #expect(inbox.take(after: 29) == [])
        #expect(inbox.take(after: 30) == ["a"])
    }

    /// An owner who fills the table, with due or open files, leaves the other half to others.
    @Test func limitsOneOwnerToHalfOfTheTable() {
        func signature(_ number: Int, of owner: UInt32) -> FileSignature {
            FileSignature(device: 1, inode: UInt64(number), bytes: 3, modifiedNanoseconds: 4, owner: owner)
        }
        inbox.candidates = StabilityTracker(stable: .seconds(2), most: 20)
        for number in 0..<1000 {
            inbox.candidates.written("open/\(number)", signature(number, of: 1))
        }
        #expect(inbox.candidates.count == 10)
        #expect(!inbox.candidates.needsScan, "seen again when they are closed")
        inbox.candidates.folderGone("open")
        for number in 0..<1000 {
            let path = "\(number)"
            inbox.disk[path] = signature(number, of: 1)
            inbox.candidates.settled(path, signature(number, of: 1), now: start)
            // A change does not use a second slot.
            inbox.candidates.settled("0", signature(0, of: 1), now: start)
        }
        #expect(inbox.candidates.count == 10 && inbox.candidates.needsScan)
        #expect(!inbox.candidates.hasRoom(for: 1) && inbox.candidates.hasRoom(for: 2))
        inbox.disk["other"] = signature(1, of: 2)
        inbox.candidates.settled("other", signature(1, of: 2), now: start)
        #expect(inbox.candidates.take(now: start + .seconds(2), most: 4) { inbox.disk[$0] }.count == 4)
        #expect(inbox.take(after: 2).contains("other"))
        #expect(inbox.candidates.count == 0 && inbox.candidates.hasRoom(for: 1))
    }

    /// An owner whose files cannot be delivered now must not cost a look at each of them, again and again.
    @Test func looksOnlyAtFilesOfOwnersWithRoom() {
        func signature(_ number: Int, of owner: UInt32) -> FileSignature {
            FileSignature(device: 1, inode: UInt64(number), bytes: 3, modifiedNanoseconds: 4, owner: owner)
        }
        for number in 0..<100 {
            let owner = UInt32(number % 2)
            inbox.disk["\(number)"] = signature(number, of: owner)
            inbox.candidates.settled("\(number)", signature(number, of: owner), now: start + .milliseconds(number))
        }
        var looked: [String] = []
        func take(_ room: [UInt32: Int], most: Int = .max) -> [String] {
            looked = []
            return inbox.candidates.take(now: start + .seconds(9), most: most, room: { room[$0] ?? 0 }) {
                looked.append($0)
                return inbox.disk[$0]
            }.map(\.path)
        }
        #expect(take([:]) == [] && looked == [])
        #expect(inbox.candidates.nextDue == start + .seconds(2), "the files stay due")
        #expect(take([0: 2, 1: 1]) == ["0", "1", "2"] && looked.count == 3, "the oldest first, of whichever owner")
        #expect(take([0: 100, 1: 1], most: 4) == ["3", "4", "6", "8"])
        #expect(inbox.candidates.nextDue == start + .seconds(2) + .milliseconds(5))
        #expect(take([0: 100, 1: 100]).count == 93 && looked.count == 93)
        #expect(inbox.candidates.count == 0 && inbox.candidates.nextDue == nil)
    }

    /// Each change sets another due time.
    @Test func fileThatChangesAgainAndAgainIsReturnedOnceAfterTheLastChange() {
        inbox.disk = ["a": new, "b": old]
        inbox.candidates.settled("b", old, now: start)
        for change in 0..<1000 {
            inbox.candidates.settled("a", change % 2 == 0 ? old : new, now: start + .milliseconds(change))
        }
        #expect(inbox.candidates.dueTimeCount < 200)
        #expect(inbox.take(after: 2.5) == ["b"])
        #expect(inbox.candidates.nextDue == start + .milliseconds(2999))
        #expect(inbox.take(after: 3) == ["a"])
        #expect(inbox.take(after: 9) == [])
    }

    @Test func allowsBurstOf100NoticesThenOnePerSecond() {
        var rate = RateLimiter.ofNotices
        #expect((0..<1000).count { _ in rate.allowsLine(now: start) } == 100)
        #expect((0..<1000).count { rate.allowsLine(now: start + .milliseconds(10 * $0)) } == 9)
        #expect((0..<1000).count { _ in rate.allowsLine(now: start + .seconds(1_000_000)) } == 100)
    }
}
