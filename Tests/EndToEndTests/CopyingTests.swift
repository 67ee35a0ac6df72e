import Crypto
import Foundation
import Glibc
import Interface
import TestSupport
import Testing
import Varlink

/// Tests files that other programs copy or move into the inbox in several steps.
@Suite(
    "Copies into the inbox", .serialized, .timeLimit(.minutes(30)),
    .enabled(if: Programs.areBuilt, "\(Programs.missing)"))
struct CopyingTests {
    private func corpora(_ service: RunningService) throws -> [ManagerInterface.Corpus] {
        try service.client().call(ManagerInterface.ListCorpora.self, .init()).corpora
    }

    private func waitUntilEmpty(_ service: RunningService, seconds: Double = 120) throws {
        let deadline = ContinuousClock.now.advanced(by: .seconds(seconds))
        while true {
            let names = try FileManager.default.contentsOfDirectory(atPath: service.inbox)
            let left = names.filter { $0.hasSuffix(".txt") }
            if left.isEmpty { return }
            try #require(ContinuousClock.now < deadline, "still there: \(left); the log:\n\(service.logText)")
            usleep(10_000)
        }
    }

    static let memory = "/dev/shm"
    static let hasSeparateMemoryFileSystem: Bool = {
        var (here, there) = (stat(), stat())
        return stat("/tmp", &here) == 0 && stat(memory, &there) == 0 && here.st_dev != there.st_dev
            && access(memory, W_OK) == 0
    }()

    @Test(
        "Files that mv and cp move from another file system are admitted completely and exactly once",
        .enabled(if: hasSeparateMemoryFileSystem, "needs /dev/shm on a different file system than /tmp"))
    func admitsFilesMovedAcrossFileSystems() throws {
        let service = try RunningService(settings: InboxAdversityTests.settings)
        try service.start()
        let source = "\(Self.memory)/kantaibert-move-\(getpid())"
        try FileManager.default.createDirectory(atPath: source, withIntermediateDirectories: true)
        defer { try? FileManager.default.removeItem(atPath: source) }
        var sums: [String: String] = [:]
        // The large files take longer to copy than `inbox.stable`.
        for (number, lines) in [1, 10, 1_000, 300_000, 600_000].enumerated() {
            for command in [["/bin/mv"], ["/bin/cp", "-p"]] {
                let name = "\(command[0].dropFirst(5))\(number).txt"
                let text = Data((String(repeating: "line of \(name)\n", count: lines)).utf8)
                try text.write(to: URL(filePath: "\(source)/\(name)"))
                // Both commands set the file's time as the last step.
                let past = timespec(tv_sec: 1_000_000_000, tv_nsec: 0)
                try #require(utimensat(AT_FDCWD, "\(source)/\(name)", [past, past], 0) == 0)
                sums[name] = SHA256.hash(data: text).hexadecimal
                try #require(try Programs.command(command + ["\(source)/\(name)", service.inbox]) == 0)
            }
        }
        try waitUntilEmpty(service)
        let found = try corpora(service)
        #expect(found.allSatisfy { $0.state == .admitted })
        #expect(found.count == sums.count)
        #expect(Dictionary(found.map { ($0.name, $0.sha256) }, uniquingKeysWith: { $1 }) == sums)
        _ = try service.stop()
    }

    /// The kernel does not reveal whether a file of another user is open for writing.
    @Test(
        "A stalled copy by another user that began before the service started is waited for",
        .needsRoot)
    func waitsForStalledWriterOfAnotherUserAsRoot() throws {
        let service = try RunningService(
            settings: InboxAdversityTests.settings.replacing("stable: 20ms", with: "stable: 1s"))
        try FileManager.default.createDirectory(atPath: service.inbox, withIntermediateDirectories: true)
        for path in [service.folder, service.inbox] { chmod(path, 0o777) }
        chmod("\(service.folder)/notify", 0o777)
        let slow = open("\(service.inbox)/slow.txt", O_WRONLY | O_CREAT, 0o644)
        try #require(slow >= 0)
        #expect(write(slow, "the first half, ", 16) == 16)
        try service.start(as: 65534)
        let events = try service.watch()
        // A file whose writer was seen closing it is admitted after one second; the stalled file is idle
        // for just as long.
        try service.drop("quick.txt", "quick".utf8)
        #expect(try events.first("corpus_admitted").message.hasPrefix("quick.txt"))
        try service.drop("second.txt", "second".utf8)
        #expect(try events.first("corpus_admitted").message.hasPrefix("second.txt"))
        #expect(write(slow, "the second half", 15) == 15)
        close(slow)
        #expect(try events.first("corpus_admitted").message.hasPrefix("slow.txt"))
        let found = try corpora(service)
        let sum = SHA256.hash(data: Data("the first half, the second half".utf8)).hexadecimal
        #expect(found.filter { $0.name == "slow.txt" }.map(\.sha256) == [sum])
        #expect(found.count == 3)
        _ = try service.stop()
    }

    @Test("A file whose modification time is set during admission does not stay in the inbox")
    func removesFilesWhoseTimeChangesDuringAdmission() throws {
        let service = try RunningService(settings: InboxAdversityTests.settings)
        try service.start()
        let files = 60
        for number in 0..<files {
            let path = "\(service.inbox)/f\(number).txt"
            try service.drop("f\(number).txt", String(repeating: "text \(number)\n", count: 20_000).utf8)
            // Like Python's shutil.copy2, which sets the time after closing the file, without an inotify event.
            usleep(UInt32.random(in: 15_000...60_000))
            let past = timespec(tv_sec: 1_000_000_000 + number, tv_nsec: 0)
            _ = utimensat(AT_FDCWD, path, [past, past], 0)
        }
        try waitUntilEmpty(service)
        let found = try corpora(service)
        #expect(Set(found.map(\.name)) == Set((0..<files).map { "f\($0).txt" }))
        #expect(found.count { $0.state == .admitted } == files)
        #expect(found.allSatisfy { $0.state != .rejected })
        _ = try service.stop()
    }
}
