import Durable
import Foundation
import Glibc
import Interface
import TestSupport
import Testing
import Varlink

@Suite(
    "Inbox error conditions", .serialized, .timeLimit(.minutes(30)),
    .enabled(if: Programs.areBuilt, "\(Programs.missing)"))
struct InboxAdversityTests {
    static let settings = """
        models: [kantaibert]
        kantaibert:
          preset: tiny
        inbox:
          stable: 20ms
          retry: 200ms
        schedule:
          settle: 24h
        """

    private func admitted(_ service: RunningService) throws -> [ManagerInterface.Corpus] {
        try service.client().all(ManagerInterface.ListCorpora.self, .init(state: "admitted"), \.corpora)
    }

    @Test(
        "If the disk is full, a file stays in the inbox and is admitted once there is space",
        .needsRoot)
    func keepsFileWhenDiskIsFullAsRoot() throws {
        guard try Programs.command(["/usr/bin/unshare", "-m", "true"]) == 0 else {
            try Test.cancel("needs permission to mount")
        }
        let service = try RunningService(settings: Self.settings)
        let corpus = "\(service.folder)/corpus"
        try FileManager.default.createDirectory(atPath: corpus, withIntermediateDirectories: true)
        let mount = "mount -t tmpfs -o size=1m none \(corpus) && exec \"$@\""
        try service.start(through: ["/usr/bin/unshare", "-m", "/bin/sh", "-c", mount, "sh"])
        let events = try service.watch()
        let text = String(repeating: "what does not fit\n", count: 200_000)
        try service.drop("large.txt", text.utf8)
        let problem = try events.first("the problem") { $0.kind == "problem" }
        #expect(problem.message.contains("large.txt stays in the inbox"))
        #expect(problem.message.contains("No space left on device"))
        #expect(FileManager.default.contents(atPath: "\(service.inbox)/large.txt") == Data(text.utf8))
        // Smaller files are still admitted.
        try service.drop("small.txt", "what fits\n".utf8)
        _ = try events.first("corpus_admitted")
        #expect(try admitted(service).map(\.name) == ["small.txt"])

        let pid = try service.processIdentifier
        let grown = try Programs.command(
            ["/usr/bin/nsenter", "-t", "\(pid)", "-m", "mount", "-o", "remount,size=64m", corpus])
        try #require(grown == 0)
        let event = try events.first("corpus_admitted")
        #expect(event.message.hasPrefix("large.txt is admitted"))
        // The event is sent just before the file leaves the inbox.
        let deadline = ContinuousClock.now.advanced(by: .seconds(300))
        while FileManager.default.fileExists(atPath: "\(service.inbox)/large.txt") {
            try #require(ContinuousClock.now < deadline)
            usleep(10_000)
        }
        _ = try service.stop()
    }

    @Test("No file is lost if the inotify queue overflows")
    func survivesInotifyOverflow() throws {
        // Use a memory file system if available: disk speed is irrelevant here.
        let memory = "/dev/shm"
        let isThere = access(memory, W_OK) == 0
        let service = try RunningService(settings: Self.settings, in: isThere ? memory : "/tmp")
        try service.start()
        // While the service is stopped, three events per file exceed the kernel's queue.
        let most = try String(contentsOfFile: "/proc/sys/fs/inotify/max_queued_events", encoding: .utf8)
        let files = 10_000
        try #require(3 * files > Int(most.trimmingCharacters(in: .whitespacesAndNewlines)) ?? 16384)
        try service.signal(SIGSTOP)
        for number in 0..<files { try service.drop("f\(number).txt", "file \(number)".utf8) }
        try service.signal(SIGCONT)
        let deadline = ContinuousClock.now.advanced(by: .seconds(300))
        while ContinuousClock.now < deadline {
            let left = try FileManager.default.contentsOfDirectory(atPath: service.inbox).count { $0.hasPrefix("f") }
            if left == 0 { break }
            usleep(100_000)
        }
        let corpora = try admitted(service)
        #expect(corpora.count == files)
        #expect(Set(corpora.map(\.name)) == Set((0..<files).map { "f\($0).txt" }))
        _ = try service.stop()
    }

    @Test("Files that the service cannot read are rejected with the reason", .needsRoot)
    func rejectsUnreadableFilesAsRoot() throws {
        let service = try RunningService(settings: Self.settings)
        try FileManager.default.createDirectory(atPath: service.inbox, withIntermediateDirectories: true)
        chmod(service.folder, 0o777)
        chmod(service.inbox, 0o777)
        chmod("\(service.folder)/notify", 0o777)
        let nobody = ["--reuid=65534", "--regid=65534", "--clear-groups"]
        try service.start(through: ["/usr/bin/setpriv"] + nobody)
        let events = try service.watch()
        let aside = "\(service.folder)/secret"
        try Data("not for all".utf8).write(to: URL(filePath: aside))
        chmod(aside, 0)
        try #require(rename(aside, "\(service.inbox)/secret.txt") == 0)
        let event = try events.first("corpus_rejected")
        #expect(event.message == "secret.txt is rejected: cannot be read: Permission denied")
        #expect(FileManager.default.fileExists(atPath: "\(service.inbox)/.rejected/secret.txt"))
        _ = try service.stop()
    }

    @Test("A folder's configuration is applied; an error in it is reported, and its files wait")
    func appliesFolderConfiguration() throws {
        let service = try RunningService(settings: Self.settings)
        try service.start()
        let events = try service.watch()
        try service.drop("kantaibert/.kbconfig.yaml", "text_colum: body\n".utf8)
        try service.drop("kantaibert/a.csv", "id,body\n1,\"Some\nText\"\n".utf8)
        let problem = try events.first("the problem") { $0.kind == "problem" }
        #expect(problem.message.contains(".kbconfig.yaml:1: text_colum: expected one of format, encoding, text_column"))
        #expect(FileManager.default.fileExists(atPath: "\(service.inbox)/kantaibert/a.csv"))
        try service.drop("kantaibert/.kbconfig.yaml", "text_column: body\nfilters: lowercase\n".utf8)
        let event = try events.first("corpus_admitted", model: "kantaibert")
        let sha256 = try #require(event.corpus)
        #expect(FileManager.default.contents(atPath: "\(service.folder)/corpus/\(sha256)") == Data("Some Text\n".utf8))

        // After the corpus is removed, its text is deleted, and it can be added again.
        let removed = try service.kbctl("corpora", "rm", String(sha256.prefix(12)))
        #expect(removed.status == 0, "\(removed.error)")
        #expect(!FileManager.default.fileExists(atPath: "\(service.folder)/corpus/\(sha256)"))
        let listed = try service.kbctl("corpora", "--json").json(ManagerInterface.ListCorpora.Reply.self)
        #expect(listed.corpora.map(\.state) == [.removed])
        #expect(try service.kbctl("corpora", "rm", String(sha256.prefix(12))).status == EX_NOINPUT)
        try service.drop("kantaibert/again.csv", "body\n\"Some Text\"\n".utf8)
        #expect(try events.first("corpus_admitted", model: "kantaibert").corpus == sha256)
        _ = try service.stop()
    }

    @Test("A file that is linked into the folders of two models feeds both")
    func admitsEachLinkOfAFile() throws {
        let models = ["kantaibert", "assistant"]
        let service = try RunningService(
            settings: Self.settings.replacing("[kantaibert]", with: "[\(models.joined(separator: ", "))]")
                + "\nassistant:\n  objective: clm\n  preset: tiny\n")
        try service.start()
        _ = try service.stop()
        // Both are found in one scan, and are read as one batch.
        let file = "\(service.folder)/text"
        try Data("what both models learn\n".utf8).write(to: URL(filePath: file))
        let links = models.map { "\(service.inbox)/\($0)/text.txt" }
        for path in links { try #require(link(file, path) == 0) }
        try #require(unlink(file) == 0)
        try service.start()
        let deadline = ContinuousClock.now.advanced(by: .seconds(300))
        while links.contains(where: FileManager.default.fileExists) {
            try #require(ContinuousClock.now < deadline, "the log:\n\(service.logText)")
            usleep(10_000)
        }
        let corpora = try service.client().all(ManagerInterface.ListCorpora.self, .init(), \.corpora)
        #expect(Set(corpora.map(\.models)) == Set(models.map { [$0] }))
        #expect(Set(corpora.map(\.state)) == [.admitted, .duplicate] && Set(corpora.map(\.sha256)).count == 1)
        _ = try service.stop()
    }

    /// The depth exceeds the limits of the stack, of open files and of path lengths.
    @Test("The service starts and admits files with a tree of 12,000 nested folders in the inbox")
    func handlesDeepDirectoryTree() throws {
        let service = try RunningService(settings: Self.settings)
        try service.start()
        var folder = open(service.inbox, O_RDONLY | O_DIRECTORY)
        for _ in 0..<12_000 {
            try #require(mkdirat(folder, "d", 0o755) == 0)
            let inner = openat(folder, "d", O_RDONLY | O_DIRECTORY)
            close(folder)
            folder = inner
        }
        close(folder)
        defer { try? Durable.removeTree("\(service.inbox)/d") }
        for number in 0..<2 {
            let events = try service.watch()
            try service.drop("\(number).txt", "text \(number)\n".utf8)
            #expect(try events.first("corpus_admitted").message.hasPrefix("\(number).txt"))
            _ = try service.stop()
            try service.start()
        }
        #expect(service.logText.contains("d/d/d") && service.logText.contains("is more than 32 folders deep"))
        // Remove the tree while it is watched.
        let events = try service.watch()
        try Durable.removeTree("\(service.inbox)/d")
        try service.drop("last.txt", "the last text\n".utf8)
        #expect(try events.first("corpus_admitted").message.hasPrefix("last.txt"))
        #expect(try service.stop().status == 0)
    }

    /// Runs a command as a member of the inbox's group.
    private func asMember(_ user: Int, _ command: String) throws -> Int32 {
        try Programs.command(
            ["/usr/bin/setpriv", "--reuid=\(user)", "--regid=60", "--clear-groups", "/bin/sh", "-c", command])
    }

    /// Starts the service as in its unit: with its own user, and a group that may write to the inbox.
    private func startAsInItsUnit(_ service: RunningService) throws {
        for path in [service.folder, "\(service.folder)/notify"] { chmod(path, 0o777) }
        let umask = ["/bin/sh", "-c", "umask 0007; exec \"$@\"", "sh"]
        let identity = ["/usr/bin/setpriv", "--reuid=65534", "--regid=60", "--clear-groups"]
        try service.start(through: umask + identity)
    }

    @Test(
        "Members cannot remove, rename or replace files of others, but the service can",
        .needsRoot)
    func membersCannotChangeOthersFilesAsRoot() throws {
        // Leaves the file in the inbox long enough for the other member's attempts.
        let service = try RunningService(settings: Self.settings.replacing("stable: 20ms", with: "stable: 5s"))
        try startAsInItsUnit(service)
        let events = try service.watch()
        for folder in ["", "/kantaibert"] {
            let file = "\(service.inbox)\(folder)/alice.txt"
            #expect(try asMember(1001, "umask 0002; echo \"a text of alice's for \(folder)\" >\(file)") == 0)
            let replaced = "echo b >\(file).b && mv -f \(file).b \(file)"
            for command in ["rm -f \(file)", "mv \(file) \(file).x", replaced] {
                #expect(try asMember(1002, "\(command) 2>/dev/null") != 0, "\(command)")
            }
            #expect(try asMember(1002, "rm -rf \(service.inbox)/.rejected 2>/dev/null") != 0)
            #expect(try asMember(1002, "mv \(service.inbox)/.rejected \(service.inbox)/x 2>/dev/null") != 0)
            #expect(try asMember(1002, "ln -s /tmp \(service.inbox)/.rejected/x 2>/dev/null") != 0)
            #expect(try asMember(1002, "rm -f \(file).b") == 0, "members may remove their own files")
            let admitted = try events.first("the text") { $0.kind == "corpus_admitted" && $0.message.contains("alice") }
            #expect(admitted.message.contains("alice.txt is admitted"))
        }
        // The owner can read a rejected file and its reason, and copy it.
        let binary = "\(service.inbox)/a.bin"
        #expect(try asMember(1001, "printf 'a\\0b' >\(binary)") == 0)
        _ = try events.first("corpus_rejected")
        let rejected = "\(service.inbox)/.rejected/a.bin"
        let deadline = ContinuousClock.now.advanced(by: .seconds(300))
        while !FileManager.default.fileExists(atPath: rejected) {
            try #require(ContinuousClock.now < deadline)
            usleep(10_000)
        }
        #expect(try asMember(1001, "cat \(rejected).reason >/dev/null && cp \(rejected) /dev/null") == 0)
        _ = try service.stop()
    }

    @Test(
        "Files that cannot be removed from a member's folder are admitted once and reported once",
        .needsRoot)
    func reportsUnremovableFilesOnceAsRoot() throws {
        let service = try RunningService(settings: Self.settings)
        try startAsInItsUnit(service)
        let events = try service.watch()
        let mine = "\(service.inbox)/mine"
        #expect(try asMember(1001, "umask 0022; mkdir \(mine) && echo 'a text of mine' >\(mine)/a.txt") == 0)
        #expect(try asMember(1001, "umask 0022; printf 'a\\0b' >\(mine)/b.bin") == 0)
        // Each file is first admitted or rejected and then found to be unremovable; the order of the
        // files is not defined.
        func isStuck(_ event: ManagerInterface.Event) -> Bool { event.message.contains("stays in the inbox for now") }
        let first = try events.first("the first", where: isStuck)
        let second = try events.first("the second", where: isStuck)
        #expect(first.message.contains("chmod g+w"), "\(first.message)")
        #expect(Set([first, second].map { $0.message.prefix(8) }) == ["mine/a.t", "mine/b.b"])
        // Meanwhile the service retries five times per second.
        for number in 0..<10 {
            try service.drop("\(number).txt", "text \(number)\n".utf8)
            let event = try events.first("another") { isStuck($0) || $0.kind == "corpus_admitted" }
            #expect(event.kind == "corpus_admitted", "\(event.message)")
            usleep(100_000)
        }
        #expect(try service.client().call(ManagerInterface.ListCorpora.self, .init()).corpora.count == 12)
        #expect(try asMember(1001, "chmod g+w \(mine)") == 0)
        let deadline = ContinuousClock.now.advanced(by: .seconds(300))
        while try FileManager.default.contentsOfDirectory(atPath: mine) != [] {
            try #require(ContinuousClock.now < deadline)
            usleep(10_000)
        }
        #expect(try service.client().call(ManagerInterface.ListCorpora.self, .init()).corpora.count == 12)
        _ = try service.stop()
    }

    @Test("The service stops immediately while it reads a huge compressed table, and the table stays in the inbox")
    func stopsWhileReadingHugeFile() throws {
        let settings = Self.settings.replacing("  retry: 200ms", with: "  retry: 200ms\n  max_expansion_ratio: 1000000")
        let service = try RunningService(settings: settings)
        try service.start()
        // 16,384 gzip members of one mebibyte each: 16 GiB uncompressed.
        let rows = "\(service.folder)/rows"
        let row = "the same row again\n"
        try Data(String(repeating: row, count: (1 << 20) / row.utf8.count).utf8).write(to: URL(filePath: rows))
        try #require(try Programs.command(["/usr/bin/env", "gzip", "-9", rows]) == 0)
        let member = try Data(contentsOf: URL(filePath: "\(rows).gz"))
        let table = "\(service.folder)/table"
        try Data().write(to: URL(filePath: table))
        let file = try FileHandle(forWritingTo: URL(filePath: table))
        let many = Data((0..<1024).flatMap { _ in member })
        for _ in 0..<16 { try file.write(contentsOf: many) }
        try file.close()
        let size = try FileManager.default.attributesOfItem(atPath: table)[.size] as? Int
        try service.drop("kantaibert/.kbconfig.yaml", "text_column: the same row again\n".utf8)
        try #require(rename(table, "\(service.inbox)/kantaibert/table.csv.gz") == 0)
        let corpus = "\(service.folder)/corpus"
        let deadline = ContinuousClock.now.advanced(by: .seconds(300))
        while try FileManager.default.contentsOfDirectory(atPath: corpus).isEmpty {
            try #require(ContinuousClock.now < deadline, "it is not read; the log:\n\(service.logText)")
            usleep(10_000)
        }
        let (status, seconds) = try service.stop()
        #expect(status == 0, "\(status) after \(seconds) s; the log:\n\(service.logText)")
        #expect(try FileManager.default.contentsOfDirectory(atPath: corpus).isEmpty)
        let left = try FileManager.default.attributesOfItem(atPath: "\(service.inbox)/kantaibert/table.csv.gz")
        #expect(left[.size] as? Int == size)
    }
}
