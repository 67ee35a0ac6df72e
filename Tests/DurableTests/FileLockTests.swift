import Durable
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

    @Test func reportsMissingDirectory() throws {
        let error = #expect(throws: DurableError.self) { _ = try FileLock(path: scratch("none/lock")) }
        #expect(error?.errno == ENOENT)
    }
}
