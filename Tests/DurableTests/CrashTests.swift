import Durable
import Glibc
import Testing

/// If a writer is killed or the disk is full, either the complete old file or the complete new file exists.
struct CrashTests {
    let scratch: Scratch

    init() throws { scratch = try Scratch() }

    /// Large enough for several system calls.
    private static let lengths = [300_000, 500_000]

    @Test(arguments: [2, 5, 9, 14, 20, 27, 35, 50])
    func killedWriterLeavesIntactFile(milliseconds: UInt32) async throws {
        let path = scratch("file")
        try Durable.write([UInt8](repeating: 0, count: CrashTests.lengths[0]), to: path)
        await #expect(processExitsWith: .signal(SIGKILL)) {
            [path = path as String, milliseconds = milliseconds as UInt32] in
            var thread = pthread_t()
            pthread_create(
                &thread, nil,
                { argument in
                    usleep(UInt32(UInt(bitPattern: argument)) * 1000)
                    kill(getpid(), SIGKILL)
                    return nil
                }, UnsafeMutableRawPointer(bitPattern: UInt(milliseconds)))
            var round = 0
            while true {
                round += 1
                let bytes = [UInt8](repeating: UInt8(round % 2), count: CrashTests.lengths[round % 2])
                try Durable.write(bytes, to: path)
            }
        }
        let bytes = try Durable.read(path)
        #expect(bytes.count == CrashTests.lengths[Int(bytes[0])])
        #expect(bytes.allSatisfy { $0 == bytes[0] })
        try TemporaryName.clearLeftovers(in: scratch.path)
        #expect(try scratch.names() == ["file"])
    }

    @Test func fullDiskPreservesOldFile() async throws {
        let path = scratch("file")
        try Durable.write("old", to: path)
        await #expect(processExitsWith: .success) { [path = path as String] in
            // Simulates a full disk by a limit on the file size, so that the write fails halfway.
            signal(SIGXFSZ, SIG_IGN)
            var limit = rlimit(rlim_cur: 100_000, rlim_max: 100_000)
            #expect(setrlimit(__rlimit_resource_t(RLIMIT_FSIZE.rawValue), &limit) == 0)
            let error = #expect(throws: DurableError.self) {
                try Durable.write([UInt8](repeating: 1, count: 300_000), to: path)
            }
            #expect(error?.operation == "write")
            #expect(error?.errno == EFBIG)
        }
        #expect(try Durable.read(path) == Array("old".utf8))
        #expect(try scratch.names() == ["file"])
    }

    @Test func lockIsReleasedWhenProcessDies() async throws {
        let path = scratch("lock")
        await #expect(processExitsWith: .signal(SIGKILL)) { [path = path as String] in
            let lock = try FileLock(path: path)
            withExtendedLifetime(lock) { _ = kill(getpid(), SIGKILL) }
        }
        _ = try FileLock(path: path)
    }
}
