import Corpora
import Durable
import Foundation
import Glibc
import Synchronization
import TestSupport
import Testing

/// The kernel reports no change that is made behind a FUSE file system, as on a network file system the changes of other
/// hosts.
@Suite(.timeLimit(.minutes(5))) struct FUSETests {
    /// An inbox that shows another folder by `bindfs`, until it is released.
    private final class Mounted {
        let scratch: Scratch
        /// The folder whose files the inbox shows.
        let behind: String

        private init(_ scratch: Scratch, behind: String) { (self.scratch, self.behind) = (scratch, behind) }

        /// Cancels the test where FUSE cannot be used.
        static func mount() async throws -> Mounted {
            guard access("/usr/bin/bindfs", X_OK) == 0 else { try Test.cancel("needs bindfs (package bindfs)") }
            let scratch = try Scratch()
            let behind = "\(scratch.path)/behind"
            try FileManager.default.createDirectory(atPath: behind, withIntermediateDirectories: true)
            let status = try await blocking { spawn("/usr/bin/bindfs", behind, scratch.inbox) }
            guard status == 0 else { try Test.cancel("needs permission to mount FUSE") }
            return Mounted(scratch, behind: behind)
        }

        func drop(_ name: String, _ text: String) throws {
            try Data(text.utf8).write(to: URL(filePath: "\(behind)/\(name)"))
        }

        deinit { umount2(scratch.inbox, Int32(MNT_DETACH)) }
    }

    @Test(.needsRoot) func admitsFilesOfAFUSEMountByPollingAsRoot() async throws {
        let mounted = try await Mounted.mount()
        let (inbox, store) = (mounted.scratch.inbox, try mounted.scratch.store())
        let watcher = try InboxWatcher(
            directory: inbox, stable: .milliseconds(20), polling: .every(seconds: 0.1),
            restore: {}, tell: { Issue.record("\($0)") })
        for (number, text) in ["first", "second, changed"].enumerated() {
            try mounted.drop("a.txt", text)
            let file = try #require(await watcher.files.next(atMost: 1).first)
            #expect(file.name == "a.txt")
            guard case .admitted(let stored) = try store.admit(file) else {
                Issue.record("version \(number) was not admitted")
                return
            }
            #expect(mounted.scratch.text(stored.path) == text)
            #expect(try store.release(file))
            #expect(access("\(mounted.behind)/a.txt", F_OK) != 0)
        }
        watcher.stop()
    }

    private final class FileSystems: Sendable {
        let names = Mutex<[String]>([])
    }

    @Test(.needsRoot) func pollsAFUSEMountUnlessToldOtherwiseAsRoot() async throws {
        let mounted = try await Mounted.mount()
        for (polling, isPolled) in [(InboxPolling.automatic, true), (.never, false)] {
            let reported = FileSystems()
            let watcher = try InboxWatcher(
                directory: mounted.scratch.inbox, stable: .milliseconds(20), polling: polling, restore: {}
            ) { notice in
                if case .polled(_, let fileSystem, _) = notice {
                    reported.names.withLock { $0.append(fileSystem) }
                } else {
                    Issue.record("\(notice)")
                }
            }
            watcher.stop()
            #expect(reported.names.withLock { $0 } == (isPolled ? ["FUSE"] : []))
        }
    }
}

/// Runs a program without input and output, and returns its wait status. Foundation's `Process` would wait for the daemon
/// that it leaves behind, too.
private func spawn(_ program: String, _ arguments: String...) -> Int32 {
    var actions = posix_spawn_file_actions_t()
    posix_spawn_file_actions_init(&actions)
    defer { posix_spawn_file_actions_destroy(&actions) }
    for descriptor in 0...2 { posix_spawn_file_actions_addopen(&actions, Int32(descriptor), "/dev/null", O_RDWR, 0) }
    var words = ([program] + arguments).map { strdup($0) } + [nil]
    defer { for word in words { free(word) } }
    var child: pid_t = 0
    guard posix_spawn(&child, program, &actions, nil, &words, environ) == 0 else { return -1 }
    var status: Int32 = -1
    while waitpid(child, &status, 0) < 0, errno == EINTR {}
    return status
}
