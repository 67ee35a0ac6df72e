import Corpora
import Durable
import FoundationEssentials
import Glibc
import Synchronization
import Testing

@Suite(.timeLimit(.minutes(1))) struct InboxWatcherTests {
    let scratch: Scratch

    init() throws { scratch = try Scratch() }

    private func watcher(stable: Duration = .milliseconds(50)) throws -> InboxWatcher {
        try InboxWatcher(directory: scratch.inbox, stable: stable) { Issue.record("\($0)") }
    }

    /// The names of the next files, in the order they are handed out.
    private func next(_ count: Int, of watcher: InboxWatcher) async throws -> [String] {
        var names: [String] = []
        for try await file in watcher.files {
            names.append(file.name)
            if names.count == count { break }
        }
        return names
    }

    @Test func whatLiesThereAtTheStartIsFound() async throws {
        try scratch.makeFolder("assistant/deep")
        try scratch.drop("a.txt", "a")
        try scratch.drop("assistant/deep/b.txt", "b")
        let watcher = try watcher()
        #expect(Set(try await next(2, of: watcher)) == ["a.txt", "assistant/deep/b.txt"])
        #expect(watcher.pendingCount == 0)
    }

    @Test func theFolderSaysWhichModel() throws {
        let signature = FileSignature(device: 1, inode: 2, bytes: 3, modifiedNanoseconds: 4)
        func folder(_ name: String) -> String? {
            InboxFile(path: "/in/\(name)", name: name, signature: signature).folder
        }
        #expect(folder("a.txt") == nil)
        #expect(folder("assistant/a.txt") == "assistant")
        #expect(folder("assistant/deep/a.txt") == "assistant")
    }

    @Test func writtenMovedAndLinkedFilesAreFound() async throws {
        let watcher = try watcher()
        try scratch.drop("written.txt", "a")
        #expect(try await next(1, of: watcher) == ["written.txt"])
        let outside = "\(scratch.path)/outside.txt"
        try Data("b".utf8).write(to: URL(filePath: outside))
        #expect(link(outside, "\(scratch.inbox)/linked.txt") == 0)
        #expect(try await next(1, of: watcher) == ["linked.txt"])
        #expect(rename(outside, "\(scratch.inbox)/moved.txt") == 0)
        #expect(try await next(1, of: watcher) == ["moved.txt"])
    }

    @Test func aFolderMadeLaterIsWatched() async throws {
        let watcher = try watcher()
        try scratch.makeFolder("new/deep")
        try scratch.drop("new/deep/a.txt", "a")
        #expect(try await next(1, of: watcher) == ["new/deep/a.txt"])
        try scratch.drop("new/deep/b.txt", "b")
        #expect(try await next(1, of: watcher) == ["new/deep/b.txt"])

        let outside = "\(scratch.path)/moved"
        try FileManager.default.createDirectory(atPath: outside, withIntermediateDirectories: true)
        try Data("c".utf8).write(to: URL(filePath: "\(outside)/c.txt"))
        #expect(rename(outside, "\(scratch.inbox)/moved") == 0)
        #expect(try await next(1, of: watcher) == ["moved/c.txt"])
    }

    @Test func aWriterThatPausesIsWaitedFor() async throws {
        let watcher = try watcher(stable: .milliseconds(20))
        let descriptor = open("\(scratch.inbox)/slow.txt", O_WRONLY | O_CREAT, 0o644)
        try #require(descriptor >= 0)
        #expect(write(descriptor, "one ", 4) == 4)
        // Another file comes and is taken while the slow one is still open, though it has not changed for longer.
        try scratch.drop("quick.txt", "a")
        #expect(try await next(1, of: watcher) == ["quick.txt"])
        #expect(write(descriptor, "two", 3) == 3)
        close(descriptor)
        #expect(try await next(1, of: watcher) == ["slow.txt"])
        #expect(scratch.text("\(scratch.inbox)/slow.txt") == "one two")
    }

    @Test func whatIsNotAFileOfTheUsersIsLeftAlone() async throws {
        let watcher = try watcher()
        try scratch.makeFolder(".rejected")
        try scratch.drop(".rejected/a.txt", "a")
        try scratch.drop(".hidden.txt", "a")
        #expect(mkfifo("\(scratch.inbox)/pipe", 0o600) == 0)
        #expect(symlink("/etc/passwd", "\(scratch.inbox)/link.txt") == 0)
        #expect(symlink("/etc", "\(scratch.inbox)/folder") == 0)
        try scratch.drop("gone.txt", "a")
        unlink("\(scratch.inbox)/gone.txt")
        try scratch.drop("last.txt", "a")
        #expect(try await next(1, of: watcher) == ["last.txt"])
        #expect(watcher.pendingCount == 0)
    }

    @Test func aFileIsOfferedAgain() async throws {
        let watcher = try watcher()
        let file = try scratch.drop("a.txt", "a")
        #expect(try await next(1, of: watcher) == ["a.txt"])
        watcher.offerAgain(file, after: .milliseconds(10))
        #expect(try await next(1, of: watcher) == ["a.txt"])
    }

    @Test func stoppingEndsTheFiles() async throws {
        let watcher = try watcher()
        watcher.stop()
        for try await file in watcher.files { Issue.record("\(file.name)") }
    }

    @Test func anInboxThatGoesAwayIsAnError() async throws {
        let watcher = try watcher()
        try FileManager.default.removeItem(atPath: scratch.inbox)
        let error = await #expect(throws: DurableError.self) { try await next(1, of: watcher) }
        #expect(error?.path == scratch.inbox)
    }

    @Test func anInboxThatIsMissingIsNamed() throws {
        let error = #expect(throws: DurableError.self) {
            _ = try InboxWatcher(directory: "\(scratch.path)/none", stable: .seconds(1)) { _ in }
        }
        #expect(error?.description.contains("\(scratch.path)/none: No such file or directory") == true)
    }
}
