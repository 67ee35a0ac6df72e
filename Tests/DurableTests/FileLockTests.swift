import Durable
import Foundation
import Glibc
import Testing

struct FileLockTests {
    let scratch: Scratch

    init() throws { scratch = try Scratch() }

    @Test func lockIsExclusive() throws {
        do {
            let held = try FileLock(path: scratch("lock"))
            let error = #expect(throws: DurableError.self) { _ = try FileLock(path: scratch("lock")) }
            #expect(error?.errno == EWOULDBLOCK)
            #expect(error?.path == scratch("lock"))
            #expect(error?.hint == "locked by process \(getpid())")
            withExtendedLifetime(held) {}
        }
        _ = try FileLock(path: scratch("lock"))
    }

    /// A process that another thread has forked holds a copy of the descriptor for a moment.
    @Test func releasesTheLockDespiteACopyOfItsDescriptor() throws {
        let path = scratch("lock")
        var copy: Int32 = -1
        do {
            let held = try FileLock(path: path)
            let ofLock = try FileManager.default.contentsOfDirectory(atPath: "/proc/self/fd").compactMap { Int32($0) }
                .filter { (try? FileManager.default.destinationOfSymbolicLink(atPath: "/proc/self/fd/\($0)")) == path }
            copy = dup(try #require(ofLock.first))
            withExtendedLifetime(held) {}
        }
        try #require(copy >= 0)
        defer { close(copy) }
        _ = try FileLock(path: path)
    }

    @Test func reportsMissingDirectory() throws {
        let error = #expect(throws: DurableError.self) { _ = try FileLock(path: scratch("none/lock")) }
        #expect(error?.errno == ENOENT)
    }
}
