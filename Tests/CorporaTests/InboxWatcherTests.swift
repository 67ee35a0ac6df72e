import AsyncSupport
import Corpora
import Dispatch
import Durable
import FoundationEssentials
import Glibc
import Synchronization
import TestSupport
import Testing
import TextReading

@Suite(.timeLimit(.minutes(15))) struct InboxWatcherTests {
    let scratch: Scratch

    init() throws { scratch = try Scratch() }

    /// - Parameter tell: by default, every diagnostic is recorded as an issue
    private func watcher(
        stable: Duration = .milliseconds(50), limits: InboxLimits = InboxLimits(),
        tell: @escaping @Sendable (InboxDiagnostic) -> Void = { Issue.record("\($0)") }
    ) throws -> InboxWatcher {
        let inbox = scratch.inbox
        return try InboxWatcher(
            directory: inbox, stable: stable, limits: limits,
            restore: { () throws(DurableError) in try Durable.makeDirectory(inbox) }, tell: tell)
    }

    /// Returns the names of the next files in the order they are delivered.
    private func next(_ count: Int, of watcher: InboxWatcher) async -> [String] {
        var names: [String] = []
        for await file in watcher.files {
            names.append(file.name)
            if names.count == count { break }
        }
        return names
    }

    @Test func findsExistingFiles() async throws {
        try scratch.makeFolder("assistant/deep")
        try scratch.drop("a.txt", "a")
        try scratch.drop("assistant/deep/b.txt", "b")
        let watcher = try watcher()
        #expect(Set(await next(2, of: watcher)) == ["a.txt", "assistant/deep/b.txt"])
        #expect(watcher.pendingCount == 0)
    }

    @Test func derivesModelFromFolder() throws {
        let signature = FileSignature(device: 1, inode: 2, bytes: 3, modifiedNanoseconds: 4)
        func folder(_ name: String) -> String? {
            InboxFile(path: "/in/\(name)", name: name, signature: signature).folder
        }
        #expect(folder("a.txt") == nil)
        #expect(folder("assistant/a.txt") == "assistant")
        #expect(folder("assistant/deep/a.txt") == "assistant")
    }

    @Test func findsWrittenMovedAndLinkedFiles() async throws {
        let watcher = try watcher()
        try scratch.drop("written.txt", "a")
        #expect(await next(1, of: watcher) == ["written.txt"])
        let outside = "\(scratch.path)/outside.txt"
        try Data("b".utf8).write(to: URL(filePath: outside))
        #expect(link(outside, "\(scratch.inbox)/linked.txt") == 0)
        #expect(await next(1, of: watcher) == ["linked.txt"])
        #expect(rename(outside, "\(scratch.inbox)/moved.txt") == 0)
        #expect(await next(1, of: watcher) == ["moved.txt"])
    }

    /// When the watcher sees the event, the link is already the only name of the file.
    @Test func findsALinkWhoseFirstNameIsRemovedAtOnce() async throws {
        let (isWaiting, mayGoOn) = (DispatchSemaphore(value: 0), DispatchSemaphore(value: 0))
        // Reports the symbolic link on its own queue, and handles no event meanwhile.
        let watcher = try watcher { _ in
            isWaiting.signal()
            mayGoOn.wait()
        }
        #expect(symlink("/nothing", "\(scratch.inbox)/pause") == 0)
        let outside = "\(scratch.path)/outside.txt"
        try Data("a".utf8).write(to: URL(filePath: outside))
        await DispatchQueue.global().run { isWaiting.wait() }
        #expect(link(outside, "\(scratch.inbox)/linked.txt") == 0)
        #expect(unlink(outside) == 0)
        mayGoOn.signal()
        #expect(await next(1, of: watcher) == ["linked.txt"])
    }

    /// Files that the service received over its socket belong to the service, but count as files of their senders.
    @Test func senderOfAReceivedFileIsItsOwner() async throws {
        let watcher = try watcher()
        // The watcher waits until the file is closed.
        func receive() throws -> Bool {
            let file = try IncomingFile(in: try SharedFolder(scratch.inbox), for: "a.txt")
            // Some file systems have no extended attributes of users.
            guard FileSender.record(4711, of: file.descriptor) else { return false }
            return try file.publish(as: "a.txt")
        }
        guard try receive() else { return }
        let found = try #require(await watcher.files.next(atMost: 1).first)
        #expect(found.name == "a.txt" && found.signature.owner == 4711)
        let folder = try #require(OpenFolder(scratch.inbox, depth: 0))
        #expect(folder.signature(of: "a.txt") == found.signature)
    }

    @Test func watchesNewFolders() async throws {
        let watcher = try watcher()
        try scratch.makeFolder("new/deep")
        try scratch.drop("new/deep/a.txt", "a")
        #expect(await next(1, of: watcher) == ["new/deep/a.txt"])
        try scratch.drop("new/deep/b.txt", "b")
        #expect(await next(1, of: watcher) == ["new/deep/b.txt"])

        let outside = "\(scratch.path)/moved"
        try FileManager.default.createDirectory(atPath: outside, withIntermediateDirectories: true)
        try Data("c".utf8).write(to: URL(filePath: "\(outside)/c.txt"))
        #expect(rename(outside, "\(scratch.inbox)/moved") == 0)
        #expect(await next(1, of: watcher) == ["moved/c.txt"])
    }

    @Test func waitsForPausingWriter() async throws {
        let watcher = try watcher(stable: .milliseconds(20))
        let descriptor = open("\(scratch.inbox)/slow.txt", O_WRONLY | O_CREAT, 0o644)
        try #require(descriptor >= 0)
        #expect(write(descriptor, "one ", 4) == 4)
        // Another file is delivered while the slow one is still open, although it has been unchanged for longer.
        try scratch.drop("quick.txt", "a")
        #expect(await next(1, of: watcher) == ["quick.txt"])
        #expect(write(descriptor, "two", 3) == 3)
        close(descriptor)
        #expect(await next(1, of: watcher) == ["slow.txt"])
        #expect(scratch.text("\(scratch.inbox)/slow.txt") == "one two")
    }

    /// The files belong to this user, so the kernel can tell who has them open.
    @Test func waitsForWriterThatStartedEarlier() async throws {
        let descriptor = open("\(scratch.inbox)/slow.txt", O_WRONLY | O_CREAT, 0o644)
        try #require(descriptor >= 0)
        #expect(write(descriptor, "one ", 4) == 4)
        try scratch.drop("quick.txt", "a")
        let watcher = try watcher(stable: .milliseconds(20))
        #expect(await next(1, of: watcher) == ["quick.txt"])
        try scratch.drop("later.txt", "a")
        #expect(await next(1, of: watcher) == ["later.txt"])
        #expect(watcher.pendingCount == 1)
        #expect(write(descriptor, "two", 3) == 3)
        close(descriptor)
        #expect(await next(1, of: watcher) == ["slow.txt"])
    }

    /// Writing through a link outside the inbox causes no events.
    @Test func waitsForWriterThroughAnotherLink() async throws {
        let watcher = try watcher(stable: .milliseconds(20))
        let outside = "\(scratch.path)/outside.txt"
        let descriptor = open(outside, O_WRONLY | O_CREAT, 0o644)
        try #require(descriptor >= 0)
        #expect(write(descriptor, "one ", 4) == 4)
        #expect(link(outside, "\(scratch.inbox)/linked.txt") == 0)
        try scratch.drop("quick.txt", "a")
        #expect(await next(1, of: watcher) == ["quick.txt"])
        close(descriptor)
        #expect(await next(1, of: watcher) == ["linked.txt"])
    }

    /// The check takes a lease. A process that opens the file at the same time causes a signal to the lease holder.
    @Test func leaseCheckDisturbsNoProcess() async throws {
        let path = "\(scratch.inbox)/a.txt"
        let isOver = Atomic(false)
        let opened = Atomic(0)
        // Uses its own thread, because the cooperative pool may have only two for all tests.
        let writer = DispatchQueue(label: "writer")
        writer.async {
            while !isOver.load(ordering: .relaxed) {
                let descriptor = open(path, O_WRONLY | O_CREAT, 0o644)
                if descriptor >= 0 { opened.add(1, ordering: .relaxed) }
                close(descriptor)
                sched_yield()
            }
        }
        defer { isOver.store(true, ordering: .relaxed) }
        for round in 0..<300 {
            try scratch.drop("\(round).txt", "a")
            let watcher = try watcher(stable: .zero)
            for await file in watcher.files where file.name == "\(round).txt" { break }
            unlink("\(scratch.inbox)/\(round).txt")
        }
        #expect(opened.load(ordering: .relaxed) > 0)
    }

    /// A modification time can be set to any value, including values that overflow 64-bit nanoseconds.
    @Test func acceptsOutOfRangeModificationTimes() async throws {
        for (name, year) in [("a.txt", 1901), ("b.txt", 2100), ("c.txt", 2400)] {
            try scratch.drop(name, "a")
            let time = timespec(tv_sec: (year - 1970) * 31_556_952, tv_nsec: 7)
            #expect(utimensat(AT_FDCWD, "\(scratch.inbox)/\(name)", [time, time], 0) == 0)
        }
        let watcher = try watcher()
        #expect(Set(await next(3, of: watcher)) == ["a.txt", "b.txt", "c.txt"])
    }

    @Test(.needsRoot)
    func ignoresDevicesAsRoot() async throws {
        // The memory device `full`, and a block device that does not exist.
        guard mknod("\(scratch.inbox)/early", S_IFCHR | 0o666, 1 << 8 | 7) == 0 else {
            try Test.cancel("needs permission to create devices")
        }
        let reported = NoticeRecorder()
        let watcher = try watcher(tell: reported.note)
        #expect(mknod("\(scratch.inbox)/character.txt", S_IFCHR | 0o666, 1 << 8 | 7) == 0)
        #expect(mknod("\(scratch.inbox)/block.txt", S_IFBLK | 0o666, 7 << 8 | 255) == 0)
        try scratch.drop("last.txt", "a")
        #expect(await next(1, of: watcher) == ["last.txt"])
        #expect(watcher.pendingCount == 0)
        #expect(try scratch.names(scratch.inbox) == ["block.txt", "character.txt", "early", "last.txt"])
        #expect(reported.lines == ["block.txt is a device", "character.txt is a device", "early is a device"])
    }

    @Test func ignoresLinksSocketsFIFOsAndHiddenFiles() async throws {
        let listening = try listeningSocket("\(scratch.inbox)/early.sock")
        defer { close(listening) }
        try scratch.makeFolder("below")
        #expect(symlink("/etc/passwd", "\(scratch.inbox)/below/early.txt") == 0)
        let reported = NoticeRecorder()
        let watcher = try watcher(tell: reported.note)
        let second = try listeningSocket("\(scratch.inbox)/s.txt")
        defer { close(second) }
        try scratch.makeFolder(".rejected")
        try scratch.drop(".rejected/a.txt", "a")
        try scratch.drop(".hidden.txt", "a")
        #expect(mkfifo("\(scratch.inbox)/pipe", 0o600) == 0)
        #expect(symlink("/etc/passwd", "\(scratch.inbox)/link.txt") == 0)
        #expect(symlink("/etc", "\(scratch.inbox)/folder") == 0)
        try scratch.drop("gone.txt", "a")
        unlink("\(scratch.inbox)/gone.txt")
        try scratch.drop("last.txt", "a")
        #expect(await next(1, of: watcher) == ["last.txt"])
        #expect(watcher.pendingCount == 0)
        #expect(
            reported.lines == [
                "below/early.txt is a symbolic link", "early.sock is a socket", "folder is a symbolic link",
                "link.txt is a symbolic link", "pipe is a FIFO", "s.txt is a socket",
            ])
    }

    /// Collects the ignored entries that are reported.
    private final class NoticeRecorder: Sendable {
        private let notices = Mutex<[String]>([])

        var lines: [String] { notices.withLock { $0.sorted() } }

        func note(_ notice: InboxDiagnostic) {
            guard case .ignored(let name, let reason) = notice else {
                Issue.record("\(notice)")
                return
            }
            notices.withLock { $0.append("\(name) \(reason.prefix { $0 != "," })") }
        }
    }

    private func listeningSocket(_ path: String) throws -> Int32 {
        let descriptor = socket(AF_UNIX, Int32(SOCK_STREAM.rawValue), 0)
        var address = sockaddr_un()
        address.sun_family = sa_family_t(AF_UNIX)
        try #require(path.utf8.count < MemoryLayout.size(ofValue: address.sun_path))
        withUnsafeMutableBytes(of: &address.sun_path) { $0.copyBytes(from: path.utf8) }
        let bound = withUnsafePointer(to: &address) {
            $0.withMemoryRebound(to: sockaddr.self, capacity: 1) {
                bind(descriptor, $0, socklen_t(MemoryLayout<sockaddr_un>.size))
            }
        }
        try #require(bound == 0 && listen(descriptor, 1) == 0)
        return descriptor
    }

    /// Creates nested directories named `d`.
    private func makeTree(_ folder: String, depth: Int) throws {
        var folder = open(folder, O_RDONLY | O_DIRECTORY)
        for _ in 0..<depth {
            try #require(mkdirat(folder, "d", 0o755) == 0)
            let inner = openat(folder, "d", O_RDONLY | O_DIRECTORY)
            close(folder)
            folder = inner
        }
        close(folder)
    }

    /// Deeper than the stack, the number of open files and PATH_MAX permit: one tree exists at the start, one is moved
    /// in.
    @Test func ignoresDeepTrees() async throws {
        try scratch.makeFolder("early")
        try makeTree("\(scratch.inbox)/early", depth: 12_000)
        let reported = NoticeRecorder()
        let watcher = try watcher(tell: reported.note)
        try scratch.drop("a.txt", "a")
        #expect(await next(1, of: watcher) == ["a.txt"])
        try scratch.drop("early" + String(repeating: "/d", count: 31) + "/b.txt", "b")
        #expect(await next(1, of: watcher).first?.hasSuffix("/d/b.txt") == true)

        let outside = "\(scratch.path)/outside"
        try FileManager.default.createDirectory(atPath: outside, withIntermediateDirectories: true)
        try makeTree(outside, depth: 3_000)
        #expect(rename(outside, "\(scratch.inbox)/late") == 0)
        try scratch.drop("c.txt", "c")
        #expect(await next(1, of: watcher) == ["c.txt"])
        // Directories are scanned concurrently with the delivery of files.
        while reported.lines.count < 2 { try await Task.sleep(for: .milliseconds(5)) }
        #expect(reported.lines.map { $0.prefix { $0 != "/" } } == ["early", "late"])
        #expect(reported.lines.allSatisfy { $0.hasSuffix(" is more than 32 folders deep: move it up") })
        try Durable.removeTree("\(scratch.inbox)/late")
        try scratch.drop("e.txt", "e")
        #expect(await next(1, of: watcher) == ["e.txt"])
    }

    @Test func ignoresFoldersWithLongPaths() async throws {
        let reported = NoticeRecorder()
        let watcher = try watcher(tell: reported.note)
        // Each byte that is not UTF-8 is displayed as four characters.
        let name = [CChar](repeating: CChar(bitPattern: 0xFF), count: 255) + [0]
        var folder = open(scratch.inbox, O_RDONLY | O_DIRECTORY)
        for _ in 0..<20 {
            try #require(mkdirat(folder, name, 0o755) == 0)
            let inner = openat(folder, name, O_RDONLY | O_DIRECTORY)
            close(folder)
            folder = inner
        }
        close(folder)
        while reported.lines.isEmpty { try await Task.sleep(for: .milliseconds(5)) }
        #expect(reported.lines.count == 1 && reported.lines[0].utf8.count < 700, "\(reported.lines)")
        #expect(reported.lines[0].hasSuffix("has a path of more than 1024 bytes: move it up"))
        try scratch.drop("a.txt", "a")
        #expect(await next(1, of: watcher) == ["a.txt"])
    }

    @Test func limitsWatchedFoldersAndRescansWhenRoom() async throws {
        var limits = InboxLimits()
        limits.folders = 10
        limits.rescanDelay = .milliseconds(20)
        for number in 0..<30 { try scratch.makeFolder("f\(number)") }
        let reported = NoticeRecorder()
        let watcher = try watcher(limits: limits, tell: reported.note)
        while reported.lines.count < 21 { try await Task.sleep(for: .milliseconds(5)) }
        let ignored = try #require(reported.lines.first?.prefix { $0 != " " })
        try scratch.drop("\(ignored)/a.txt", "a")
        let all = Set((0..<30).map { "f\($0)" })
        let watched = all.subtracting(reported.lines.map { String($0.prefix { $0 != " " }) })
        #expect(watched.count == 9)
        for name in watched { rmdir("\(scratch.inbox)/\(name)") }
        // The order of directory entries is unspecified; the other folders are removed one after another.
        var rest = all.subtracting(watched)
        rest.remove(String(ignored))
        for name in rest { rmdir("\(scratch.inbox)/\(name)") }
        #expect(await next(1, of: watcher) == ["\(ignored)/a.txt"])
    }

    /// As after copying folders from macOS, which writes accents as characters of their own.
    @Test func findsFilesWhoseNamesUnicodeConsidersEqual() async throws {
        for folder in ["Andr\u{E9}", "Andre\u{301}"].map({ "\(scratch.inbox)/\($0)" }) {
            #expect(mkdir(folder, 0o700) == 0)
            for name in ["Re\u{301}sume\u{301}.txt", "R\u{E9}sum\u{E9}.txt"] {
                let descriptor = open("\(folder)/\(name)", O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0o600)
                #expect(write(descriptor, "a", 1) == 1)
                close(descriptor)
            }
        }
        let watcher = try watcher()
        var found: Set<[UInt8]> = []
        for await file in watcher.files {
            found.insert(Array(file.relativePath.utf8))
            if found.count == 4 { break }
        }
        #expect(watcher.pendingCount == 0)
    }

    /// Every file is delivered even if the table is small and the consumer is slow.
    @Test func findsMoreFilesThanTheTableHolds() async throws {
        var limits = InboxLimits()
        limits.candidates = 8
        limits.handedOut = 3
        limits.entriesPerTurn = 7
        limits.rescanDelay = .milliseconds(10)
        for number in 0..<50 { try scratch.drop("early\(number).txt", "a") }
        let watcher = try watcher(stable: .milliseconds(5), limits: limits)
        for number in 0..<50 { try scratch.drop("late\(number).txt", "a") }
        var seen: Set<String> = []
        for await file in watcher.files {
            seen.insert(file.name)
            unlink(file.path)
            if seen.count == 100 { break }
        }
        #expect(try scratch.names(scratch.inbox) == [])
    }

    /// The files beyond the limit wait as well.
    @Test func countsFilesThatTheTableDoesNotHold() async throws {
        var limits = InboxLimits()
        limits.candidates = 8
        limits.rescanDelay = .seconds(3600)
        for number in 0..<50 { try scratch.drop("\(number).txt", "a") }
        let watcher = try watcher(stable: .seconds(3600), limits: limits)
        while watcher.pendingCount < 50 { try await Task.sleep(for: .milliseconds(5)) }
        #expect(watcher.pendingCount == 50)
    }

    /// The periodic scans may be days apart.
    @Test func scansForFilesBeyondTheLimitBeforeTheNextPeriodicScan() async throws {
        var limits = InboxLimits()
        limits.candidates = 2
        limits.rescanDelay = .milliseconds(10)
        let watcher = try InboxWatcher(
            directory: scratch.inbox, stable: .milliseconds(5), limits: limits, polling: .every(seconds: 604_800),
            restore: {}, tell: { Issue.record("\($0)") })
        for number in 0..<20 { try scratch.drop("\(number).txt", "a") }
        var seen: Set<String> = []
        for await file in watcher.files {
            seen.insert(file.name)
            unlink(file.path)
            if seen.count == 20 { break }
        }
        #expect(try scratch.names(scratch.inbox) == [])
    }

    @Test func deliversManyFilesAtOnce() async throws {
        for number in 0..<50 { try scratch.drop("\(number).txt", "a") }
        let watcher = try watcher(stable: .zero)
        var seen: Set<String> = []
        while seen.count < 50 {
            let files = await watcher.files.next(atMost: 20)
            #expect((1...20).contains(files.count))
            seen.formUnion(files.map(\.name))
        }
        #expect(watcher.pendingCount == 0)
    }

    /// An unlimited number of names can be created and removed.
    @Test func countsSuppressedNotices() async throws {
        var limits = InboxLimits()
        limits.ignored = 500
        limits.summaryDelay = .milliseconds(50)
        let counted = Atomic(0)
        let reported = Atomic(0)
        let began = ContinuousClock.now
        let watcher = try watcher(limits: limits) { notice in
            switch notice {
            case .ignored: reported.add(1, ordering: .relaxed)
            case .moreLeftAlone(let count): counted.add(count, ordering: .relaxed)
            default: Issue.record("\(notice)")
            }
        }
        for number in 0..<3000 { #expect(mkfifo("\(scratch.inbox)/p\(number)", 0o600) == 0) }
        while reported.load(ordering: .relaxed) + counted.load(ordering: .relaxed) < 3000 {
            try await Task.sleep(for: .milliseconds(5))
        }
        // A hundred at once, and then one a second.
        let most = 101 + Int((ContinuousClock.now - began) / .seconds(1))
        #expect((100...most).contains(reported.load(ordering: .relaxed)))
        try scratch.drop("a.txt", "a")
        #expect(await next(1, of: watcher) == ["a.txt"])
    }

    @Test func ignoresPartialFiles() async throws {
        for name in [
            "a.txt~", ".a.txt.swp", "a.txt.swp", "#a.txt#", ".#a.txt", "4913", "a.part", "b.CRDOWNLOAD", "~$a.txt",
        ] {
            try scratch.drop(name, "unfinished")
        }
        let watcher = try watcher()
        try scratch.drop("c.part", "whole")
        try scratch.drop("c.txt~", "old")
        #expect(rename("\(scratch.inbox)/c.part", "\(scratch.inbox)/c.txt") == 0)
        #expect(await next(1, of: watcher) == ["c.txt"])
        #expect(watcher.pendingCount == 0)
    }

    @Test func reportsSidecarsOnce() async throws {
        let reported = NoticeRecorder()
        for name in ["early.txt:Zone.Identifier", "kbconfig.yaml"] { try scratch.drop(name, "a") }
        let watcher = try watcher(tell: reported.note)
        for name in ["SHA256SUMS", "SHA256SUMS", ".kbconfig.yml", "._a.txt", "a.txt"] { try scratch.drop(name, "a") }
        #expect(await next(1, of: watcher) == ["a.txt"])
        #expect(watcher.pendingCount == 0)
        #expect(
            reported.lines == [
                ".kbconfig.yml is not read as a configuration: name it .kbconfig.yaml",
                "SHA256SUMS is a list of checksums",
                "early.txt:Zone.Identifier is metadata of an operating system about other files",
                "kbconfig.yaml is not read as a configuration: name it .kbconfig.yaml",
            ])
    }

    /// aria2 gives a file its final name at once, and removes its state when the file is complete.
    @Test func waitsForDownloadsWithAState() async throws {
        let reported = NoticeRecorder()
        try scratch.drop("early.txt", "half")
        try scratch.drop("early.txt.aria2", "state")
        let watcher = try watcher(tell: reported.note)
        try scratch.drop("late.txt.st", "state")
        try scratch.drop("late.txt", "half")
        while reported.lines.count < 2 { try await Task.sleep(for: .milliseconds(5)) }
        #expect(
            reported.lines == [
                "early.txt is not complete as long as early.txt.aria2 exists",
                "late.txt is not complete as long as late.txt.st exists",
            ])
        try scratch.drop("whole.txt", "whole")
        #expect(await next(1, of: watcher) == ["whole.txt"])
        #expect(unlink("\(scratch.inbox)/early.txt.aria2") == 0)
        #expect(await next(1, of: watcher) == ["early.txt"])
        #expect(unlink("\(scratch.inbox)/late.txt.st") == 0)
        #expect(await next(1, of: watcher) == ["late.txt"])
    }

    /// Names are bytes. Such files are admitted, rejected and released like any other.
    @Test func handlesNonUTF8NamesAndNamesWithLineBreaks() async throws {
        let names: [[UInt8]] = [
            [0x63, 0x61, 0x66, 0xE9, 0x2E, 0x74, 0x78, 0x74], Array("a\nb.txt".utf8), [0xFF, 0x2F, 0xC3, 0x28],
            Array("é\u{10FF41}.txt".utf8),
        ]
        let watcher = try watcher()
        func path(_ name: [UInt8]) -> [CChar] {
            (Array("\(scratch.inbox)/".utf8) + name + [0]).map { CChar(bitPattern: $0) }
        }
        mkdir(path([0xFF]), 0o755)
        for (number, name) in names.enumerated() {
            let descriptor = open(path(name), O_WRONLY | O_CREAT, 0o644)
            try #require(descriptor >= 0)
            #expect(write(descriptor, "text \(number)", 6) == 6)
            close(descriptor)
        }
        let store = try scratch.store()
        var seen: [String] = []
        for await file in watcher.files {
            seen.append(file.name)
            guard case .admitted = try store.admit(file) else { Issue.record("\(file.name)"); break }
            if file.name.hasPrefix("caf") {
                #expect(try store.reject(file, reason: "no") == "\(scratch.rejected)/caf\\xE9.txt")
            } else {
                #expect(try store.release(file))
            }
            if seen.count == names.count { break }
        }
        #expect(Set(seen) == ["caf\\xE9.txt", "a\\x0Ab.txt", "\\xFF/\\xC3(", "é\\xF4\\x8F\\xBD\\x81.txt"])
        for name in names { #expect(access(path(name), F_OK) != 0) }
        #expect(try scratch.names(scratch.corpus).count == names.count)
    }

    @Test func doesNotFollowFolderReplacedByLink() async throws {
        try scratch.makeFolder("folder")
        let file = try scratch.drop("folder/a.txt", "inside")
        let outside = "\(scratch.path)/outside"
        #expect(rename("\(scratch.inbox)/folder", outside) == 0)
        #expect(symlink(outside, "\(scratch.inbox)/folder") == 0)
        let store = try scratch.store()
        #expect(try store.admit(file) == .postponed)
        #expect(try !store.release(file))
        #expect(try store.reject(file, reason: "no") == nil)
        #expect(scratch.text("\(outside)/a.txt") == "inside")
        #expect(try scratch.names(scratch.corpus) == [])
    }

    @Test func requeuesFile() async throws {
        let watcher = try watcher()
        let file = try scratch.drop("a.txt", "a")
        #expect(await next(1, of: watcher) == ["a.txt"])
        watcher.requeue(file, after: .milliseconds(10))
        #expect(await next(1, of: watcher) == ["a.txt"])
    }

    /// As on a network file system, where another host makes the changes.
    @Test func findsUnreportedFilesByPolling() async throws {
        let inbox = scratch.inbox
        try scratch.drop("early.txt", "a")
        let watcher = try InboxWatcher(
            directory: inbox, stable: .milliseconds(5), polling: .every(seconds: 0.02), ignoresEvents: true,
            restore: {}, tell: { Issue.record("\($0)") })
        #expect(await next(1, of: watcher) == ["early.txt"])
        #expect(unlink("\(inbox)/early.txt") == 0)
        try scratch.makeFolder("new")
        try scratch.drop("new/late.txt", "a")
        #expect(await next(1, of: watcher) == ["new/late.txt"])
    }

    @Test func stopFinishesFiles() async throws {
        let watcher = try watcher()
        watcher.stop()
        for await file in watcher.files { Issue.record("\(file.name)") }
    }

    @Test(arguments: ["removed", "renamed"])
    func recreatesLostInbox(how: String) async throws {
        let (notices, noticed) = AsyncStream.makeStream(of: InboxDiagnostic.self)
        let watcher = try watcher { noticed.yield($0) }
        try scratch.makeFolder("folder")
        try scratch.drop("folder/a.txt", "a")
        #expect(await next(1, of: watcher) == ["folder/a.txt"])
        let old = "\(scratch.path)/old"
        if how == "removed" {
            try FileManager.default.removeItem(atPath: scratch.inbox)
        } else {
            #expect(rename(scratch.inbox, old) == 0)
        }
        let notice = await notices.first { _ in true }
        guard case .madeAgain? = notice else {
            Issue.record("\(String(describing: notice))")
            return
        }
        // Changes in the old directory are not reported.
        if how == "renamed" { try Data("b".utf8).write(to: URL(filePath: "\(old)/folder/b.txt")) }
        try scratch.makeFolder("folder")
        try scratch.drop("folder/c.txt", "c")
        #expect(await next(1, of: watcher) == ["folder/c.txt"])
        #expect(watcher.pendingCount == 0)
    }

    @Test func retriesRecreatingInbox() async throws {
        let (notices, noticed) = AsyncStream.makeStream(of: InboxDiagnostic.self)
        let hasRoom = Atomic(false)
        let inbox = scratch.inbox
        let watcher = try InboxWatcher(
            directory: inbox, stable: .milliseconds(50),
            restore: { () throws(DurableError) in
                guard hasRoom.load(ordering: .relaxed) else {
                    throw DurableError(operation: "mkdir", path: inbox, errno: ENOSPC)
                }
                try Durable.makeDirectory(inbox)
            }, tell: { noticed.yield($0) })
        try FileManager.default.removeItem(atPath: inbox)
        var iterator = notices.makeAsyncIterator()
        let first = await iterator.next()
        guard case .gone(let error)? = first, error.errno == ENOSPC else {
            Issue.record("\(String(describing: first))")
            return
        }
        hasRoom.store(true, ordering: .relaxed)
        let second = await iterator.next()
        guard case .madeAgain? = second else {
            Issue.record("\(String(describing: second))")
            return
        }
        try scratch.drop("a.txt", "a")
        #expect(await next(1, of: watcher) == ["a.txt"])
    }

    @Test func reportsMissingInboxByPath() throws {
        let error = #expect(throws: DurableError.self) {
            _ = try InboxWatcher(
                directory: "\(scratch.path)/none", stable: .seconds(1), restore: {}, tell: { _ in })
        }
        #expect(error?.description.contains("\(scratch.path)/none: No such file or directory") == true)
    }
}
