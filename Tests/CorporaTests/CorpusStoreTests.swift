import Corpora
import Dispatch
import Durable
import FoundationEssentials
import Glibc
import Synchronization
import TestSupport
import Testing
import TextReading

struct CorpusStoreTests {
    let scratch: Scratch
    let store: CorpusStore

    init() throws {
        scratch = try Scratch()
        store = try scratch.store()
    }

    /// `printf abc | sha256sum`
    private let sha256OfABC = "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"

    /// A sentence in KOI8-R is converted, and random bytes are no text.
    @Test func convertsOtherEncodings() throws {
        let cyrillic: [UInt8] = [
            0xFE, 0xD4, 0xCF, 0x20, 0xD1, 0x20, 0xCD, 0xCF, 0xC7, 0xD5, 0x20, 0xDA, 0xCE, 0xC1, 0xD4, 0xD8,
        ]
        var random = SystemRandomNumberGenerator()
        let noise = (0..<4096).map { _ in UInt8.random(in: 1...255, using: &random) }
        guard case .rejected(let reason) = try store.admit(try scratch.drop("noise.txt", noise)) else {
            Issue.record("admitted")
            return
        }
        #expect(reason.text.contains("is not text"), "\(reason)")
        #expect(try scratch.names(scratch.corpus) == [])
        guard case .admitted(let stored) = try store.admit(try scratch.drop("a.txt", cyrillic)) else {
            Issue.record("not admitted")
            return
        }
        #expect(scratch.text(stored.path) == "Что я могу знать")
        #expect(stored.encoding == "KOI8-R")
    }

    @Test func storesFileUnderItsHash() throws {
        let file = try scratch.drop("a.txt", "abc")
        let stored = StoredCorpus(
            sha256: sha256OfABC, path: "\(scratch.corpus)/\(sha256OfABC)", bytes: 3, documents: 1, replacedBytes: 0)
        #expect(try store.admit(file) == .admitted(stored))
        #expect(scratch.text(stored.path) == "abc")
        #expect(scratch.text(file.path) == "abc", "stays in the inbox until it is released")
        #expect(try store.release(file))
        #expect(try scratch.names(scratch.inbox) == [".rejected"])
        #expect(try scratch.names(scratch.corpus) == [sha256OfABC])
    }

    @Test func reportsDuplicates() throws {
        let first = try scratch.drop("a.txt", "abc")
        _ = try store.admit(first)
        guard case .duplicate(let stored) = try store.admit(first) else { Issue.record("admitted twice"); return }
        #expect(stored.sha256 == sha256OfABC)
        guard case .duplicate = try store.admit(scratch.drop("b.txt", "abc")) else {
            Issue.record("the same contents under another name were admitted")
            return
        }
        #expect(try scratch.names(scratch.corpus) == [sha256OfABC], "no temporary files remain")
    }

    private func admit(_ files: [InboxFile], _ limits: BatchLimits = .usual) throws -> [AdmissionResult] {
        try store.admit(files.map { ($0, ReadingOptions()) }, reserve: 0, limits: limits) { false }
    }

    @Test func admitsBatches() throws {
        var files = try (0..<20).map { try scratch.drop("\($0).txt", "text \($0)") }
        files.insert(try scratch.drop("again.txt", "text 3"), at: 10)
        files.append(try scratch.drop("empty.txt", ""))
        files.append(InboxFile(path: "\(scratch.inbox)/gone.txt", name: "gone.txt", signature: files[0].signature))
        let results = try admit(files)
        #expect(results.count == files.count)
        for (index, result) in results.enumerated() {
            switch (index, result) {
            case (10, .duplicate(let stored)): #expect(results[3] == .admitted(stored))
            case (21, .rejected(reason: "is empty")), (22, .postponed): break
            case (0..<21, .admitted(let stored)):
                #expect(scratch.text(stored.path) == scratch.text(files[index].path))
            default: Issue.record("\(index): \(result)")
            }
        }
        #expect(try scratch.names(scratch.corpus).count == 20, "no temporary files remain")
        try scratch.drop("5.txt", "changed")
        let released = try store.release(Array(files.prefix(21))).map { try $0.get() }
        #expect(released.enumerated().allSatisfy { $0.element == ($0.offset != 5) })
        #expect(try scratch.names(scratch.inbox) == [".rejected", "5.txt", "empty.txt"])
    }

    @Test func endsBatchesAtTheirLimits() throws {
        let files = try (0..<5).map { try scratch.drop("\($0).txt", String(repeating: "\($0)", count: 10)) }
        let large = try scratch.drop("large.txt", String(repeating: "a", count: 100))
        var limits = BatchLimits()
        limits.files = 4
        #expect(try admit(files, limits).count == 4)
        limits.bytes = 20
        #expect(try admit(files, limits).count == 2)
        limits.bytes = 1 << 20
        limits.bytesOfFile = 50
        #expect(try admit([files[0], large, files[1]], limits).count == 1)
        #expect(try admit([large, files[0]], limits).count == 1)
        limits.time = .zero
        #expect(try admit(files, limits).count == 1)
    }

    /// Several threads read the files; the results must not show it.
    @Test func readsManyFilesInTheirOrder() throws {
        for folder in ["a", "b", "a/c"] { try scratch.makeFolder(folder) }
        let places = ["", "a/", "b/", "a/c/"]
        var files = try (0..<200).map { number in
            // Every tenth text occurs for the second time, and every fiftieth file needs a process of its own.
            let text = "text \(number % 10 == 9 ? number - 9 : number)"
            let bytes = number % 50 == 25 ? [0xFF, 0xFE] + text.utf8.flatMap { [$0, 0] } : Array(text.utf8)
            return try scratch.drop("\(places[number / 3 % 4])\(number).txt", bytes)
        }
        files[30] = try scratch.drop("a/empty.txt", "")
        files[31] = InboxFile(path: "\(scratch.inbox)/gone/x", name: "gone/x", signature: files[0].signature)
        var limits = BatchLimits()
        limits.time = .seconds(3600)
        let results = try admit(files, limits)
        #expect(results.count == files.count)
        for (number, result) in results.enumerated() {
            switch (number, result) {
            case (30, .rejected(reason: "is empty")), (31, .postponed): break
            // The text of the file that is empty instead.
            case (39, .admitted(let stored)): #expect(scratch.text(stored.path) == "text 30")
            case (_, .duplicate(let stored)) where number % 10 == 9:
                #expect(scratch.text(stored.path) == "text \(number - 9)")
            case (_, .admitted(let stored)) where number % 10 != 9:
                #expect(scratch.text(stored.path) == "text \(number)")
            default: Issue.record("\(number): \(result)")
            }
        }
        #expect(try scratch.names(scratch.corpus).count == 200 - 20 - 2 + 1, "no temporary files remain")
        #expect(try store.release(files).map { try $0.get() }.count { $0 } == 199)
    }

    @Test func endsLargeBatchesAtTheirLimits() throws {
        let files = try (0..<100).map { try scratch.drop("\($0).txt", String(repeating: "a", count: 10) + "\($0)") }
        let bytes = files.map(\.signature.bytes)
        var limits = BatchLimits()
        limits.time = .seconds(3600)
        limits.bytes = bytes.prefix(50).reduce(0, +)
        #expect(try admit(files, limits).count == 50)
        limits.time = .zero
        #expect(try admit(files, limits).count == 1)
        #expect(try scratch.names(scratch.corpus).count == 50, "no temporary files remain")
    }

    @Test func aFileThatCannotBeStoredEndsTheBatchBeforeIt() throws {
        let files = try (0..<3).map { try scratch.drop("\($0).txt", "text \($0)") }
        let huge = "\(scratch.inbox)/huge.txt"
        try Data("a".utf8).write(to: URL(filePath: huge))
        let total = try FreeSpace.at(scratch.path).total
        try #require(truncate(huge, off_t(min(total * 2, 1 << 43))) == 0)
        var options = ReadingOptions()
        options.maxFileBytes = .max
        let file = InboxFile(path: huge, name: "huge.txt", signature: try #require(FileSignature(path: huge)))
        let batch = (files.prefix(2) + [file, files[2]]).map { (file: $0, options: options) }
        #expect(try store.admit(batch, reserve: 0) { false }.count == 2)
        #expect(throws: DurableError.self) { try store.admit(batch.dropFirst(2), reserve: 0) { false } }
        #expect(try scratch.names(scratch.corpus).count == 2)
    }

    @Test func replacesAndCountsInvalidUTF8() throws {
        let line = "Müller geht über die Brücke.\n"
        let text = Array(String(repeating: line, count: 100).utf8) + [0xFF] + Array(line.utf8)
        guard case .admitted(let stored) = try store.admit(try scratch.drop("a.txt", text)) else {
            Issue.record("not admitted")
            return
        }
        #expect(stored.replacedBytes == 1)
        #expect(scratch.text(stored.path) == String(repeating: line, count: 100) + "\u{FFFD}" + line)
        #expect(stored.bytes == text.count + 2)
        #expect(stored.warnings.contains { $0.hasPrefix("1 byte") }, "\(stored.warnings)")
    }

    @Test func copiesLargeFilesCompletely() throws {
        // Characters of three bytes, so that one straddles every boundary between the pieces that are read.
        let text = String(repeating: "世", count: 1_000_000)
        guard case .admitted(let stored) = try store.admit(try scratch.drop("a.txt", text)) else {
            Issue.record("not admitted")
            return
        }
        #expect(stored.replacedBytes == 0)
        #expect(scratch.text(stored.path) == text)
    }

    @Test func keepsFilesInInboxIfRejectedIsFull() throws {
        var limits = RejectedLimits(bytes: 200 << 10)
        limits.rescanInterval = .zero
        let store = CorpusStore(directory: scratch.corpus, inbox: scratch.inbox, rejectedLimits: limits)
        try store.prepare()
        let first = try scratch.drop("a.bin", "x")
        #expect(try store.reject(first, reason: "no") != nil)
        // One owner has half of it, which is one file of 64 KiB.
        let second = try scratch.drop("b.bin", "x")
        let error = #expect(throws: DurableError.self) { try store.reject(second, reason: "no") }
        #expect(error?.errno == EDQUOT && error?.hint?.contains("remove it from the inbox") == true)
        #expect(scratch.text(second.path) == "x")
        #expect(try scratch.names(scratch.rejected) == ["a.bin", "a.bin.reason"])
        // A new store counts the existing files.
        let later = CorpusStore(directory: scratch.corpus, inbox: scratch.inbox, rejectedLimits: limits)
        #expect(try later.obstacle(toRejecting: second) != nil)
        // An administrator clears it.
        try Durable.removeTree("\(scratch.rejected)/a.bin")
        #expect(try store.obstacle(toRejecting: second) == nil)
        #expect(try store.reject(second, reason: "no") == "\(scratch.rejected)/b.bin")
    }

    /// The size of a sparse file is the owner's choice: sums of such sizes must not overflow.
    @Test func limitsRejectedFilesOfAnySize() throws {
        let store = CorpusStore(
            directory: scratch.corpus, inbox: scratch.inbox, rejectedLimits: RejectedLimits(bytes: 1 << 20))
        try store.prepare()
        // The largest files that the file system permits, left by a version without limits.
        for name in ["a", "b"] {
            try Durable.write([], to: "\(scratch.rejected)/\(name)")
            var size = Int.max
            while truncate("\(scratch.rejected)/\(name)", size) != 0 { size /= 2 }
        }
        let file = try scratch.drop("c.bin", "x")
        #expect(try store.obstacle(toRejecting: file)?.errno == EDQUOT)
        for name in ["a", "b"] { try Durable.removeTree("\(scratch.rejected)/\(name)") }

        let later = CorpusStore(
            directory: scratch.corpus, inbox: scratch.inbox, rejectedLimits: RejectedLimits(bytes: 1 << 20))
        #expect(try later.reject(file, reason: "no") != nil)
        let huge = InboxFile(
            path: file.path, name: "d.bin",
            signature: FileSignature(device: 1, inode: 2, bytes: .max, modifiedNanoseconds: 0, owner: geteuid()))
        #expect(try later.obstacle(toRejecting: huge)?.errno == EDQUOT)
    }

    @Test(arguments: [
        ([], "is empty"),
        (Array(" \n\t\r\n".utf8), "contains only white space"),
        (
            Array("version https://git-lfs.github.com/spec/v1\noid sha256:ab\nsize 1\n".utf8),
            "is a Git LFS pointer instead of the file itself: run git lfs pull in the repository, and copy it again"
        ),
    ])
    func rejectsUnusableFiles(bytes: [UInt8], reason: String) throws {
        let file = try scratch.drop("a.txt", bytes)
        #expect(try store.admit(file) == .rejected(reason: RejectionReason(reason)))
        #expect(try scratch.names(scratch.corpus) == [])
        #expect(try store.reject(file, reason: reason) == "\(scratch.rejected)/a.txt")
        #expect(scratch.text("\(scratch.rejected)/a.txt.reason") == "a.txt: \(reason)\n")
        #expect(FileManager.default.contents(atPath: "\(scratch.rejected)/a.txt") == Data(bytes))
    }

    @Test(.enabled(if: geteuid() != 0, "root can read everything"))
    func rejectsUnreadableFiles() throws {
        let file = try scratch.drop("a.txt", "abc")
        chmod(file.path, 0)
        #expect(try store.admit(file) == .rejected(reason: "cannot be read: Permission denied"))
    }

    @Test func doesNotReadLinksOrFIFOs() throws {
        try scratch.drop("a.txt", "abc")
        let signature = try #require(FileSignature(path: "\(scratch.inbox)/a.txt"))
        for (name, make) in [("link", { symlink("a.txt", $0) }), ("pipe", { mkfifo($0, 0o600) })]
            as [(String, (String) -> Int32)]
        {
            let path = "\(scratch.inbox)/\(name)"
            try #require(make(path) == 0)
            let file = InboxFile(path: path, name: name, signature: signature)
            guard case .rejected = try store.admit(file) else { Issue.record("\(name) was read"); continue }
        }
    }

    @Test func postponesRemovedFiles() throws {
        let file = try scratch.drop("a.txt", "abc")
        unlink(file.path)
        #expect(try store.admit(file) == .postponed)
        #expect(try !store.release(file))
        #expect(try store.reject(file, reason: "gone") == nil)
    }

    /// Otherwise only one of the models would be fed.
    @Test func eachLinkOfAFileHasItsOwnIdentity() throws {
        for model in ["a", "b"] { try scratch.makeFolder(model) }
        let first = try scratch.drop("a/text.txt", "abc")
        let path = "\(scratch.inbox)/b/text.txt"
        #expect(link(first.path, path) == 0)
        let second = InboxFile(path: path, name: "b/text.txt", signature: try #require(FileSignature(path: path)))
        #expect(first.source == second.source && first.identity != second.identity)
        let again = InboxFile(path: path, name: "b/text.txt", signature: second.signature)
        #expect(again.identity == second.identity, "it is recognized after a restart")
    }

    /// Its owner can set the modification time, also while the service reads the file.
    @Test func changeIsNoticedWhenTheModificationTimeIsPutBack() throws {
        let file = try scratch.drop("text.txt", String(repeating: "abc\n", count: 100_000))
        let nanoseconds = Int(file.signature.modifiedNanoseconds)
        let time = timespec(tv_sec: nanoseconds / 1_000_000_000, tv_nsec: nanoseconds % 1_000_000_000)
        let result = try store.admit(file) {
            // The clock of the file system may not have advanced yet.
            while FileSignature(path: file.path) == file.signature {
                let descriptor = open(file.path, O_WRONLY | O_CLOEXEC)
                #expect(pwrite(descriptor, "xyz", 3, 0) == 3)
                close(descriptor)
                #expect(utimensat(AT_FDCWD, file.path, [time, time], 0) == 0)
            }
            return false
        }
        #expect(result == .postponed)
        #expect(FileSignature(path: file.path)?.modifiedNanoseconds == file.signature.modifiedNanoseconds)
        #expect(try !store.release(file))
    }

    @Test func removesPartialReasonsThatDeadProcessesLeft() throws {
        try scratch.makeFolder("chats/2020")
        let file = try scratch.drop("chats/2020/a.bin", [0, 1, 2, 0])
        try store.reject(file, reason: "is binary")
        let folder = "\(scratch.rejected)/chats/2020"
        // No process has this number.
        let leftover = ".a.bin.reason.\(Int32.max)-1-1.tmp"
        for path in [scratch.rejected, folder] {
            try Data("a.bin: is b".utf8).write(to: URL(filePath: "\(path)/\(leftover)"))
            try Data("kept".utf8).write(to: URL(filePath: "\(path)/.hidden.tmp"))
        }
        try store.prepare()
        #expect(try scratch.names(scratch.rejected) == [".hidden.tmp", "chats"])
        #expect(try scratch.names(folder) == [".hidden.tmp", "a.bin", "a.bin.reason"])
    }

    @Test func keepsFilesReplacedAfterAdmission() throws {
        let file = try scratch.drop("a.txt", "abc")
        _ = try store.admit(file)
        try scratch.drop("a.txt", "something new")
        #expect(try !store.release(file))
        #expect(try store.reject(file, reason: "old") == nil)
        #expect(scratch.text(file.path) == "something new")
    }

    @Test func keepsTheFoldersOfRejectedFiles() throws {
        try scratch.makeFolder("chats/2020")
        let path = try #require(try store.reject(try scratch.drop("chats/2020/a.txt", "x"), reason: "no"))
        #expect(path == "\(scratch.rejected)/chats/2020/a.txt")
        #expect(scratch.text(path) == "x" && scratch.text(path + ".reason") == "chats/2020/a.txt: no\n")
        var status = stat()
        #expect(stat("\(scratch.rejected)/chats/2020", &status) == 0)
        #expect(status.st_mode & 0o022 == 0, "only the service can change it")
        // The names of folders and files do not get in each other's way.
        try store.reject(try scratch.drop("b", "x"), reason: "no")
        try scratch.makeFolder("b")
        #expect(try store.reject(try scratch.drop("b/c", "x"), reason: "no") == "\(scratch.rejected)/b.2/c")
        #expect(try store.reject(try scratch.drop("chats.txt", "x"), reason: "no") == "\(scratch.rejected)/chats.txt")
    }

    /// Otherwise members could make the name of a folder unusable for good.
    @Test func usesTheOuterFolderIfRejectedFilesHaveTheNamesOfAFolder() throws {
        for name in ["b"] + (2...99).map({ "b.\($0)" }) { try store.reject(try scratch.drop(name, "x"), reason: "no") }
        try scratch.makeFolder("b/d")
        #expect(try store.reject(try scratch.drop("b/d/c", "x"), reason: "no") == "\(scratch.rejected)/c")
    }

    /// A file may fail to be moved on each retry.
    @Test func removesTheFoldersOfFilesThatAreNotMoved() throws {
        try scratch.makeFolder("a/b/c")
        let file = try scratch.drop("a/b/c/d.txt", "x")
        let opened = try store.openRejected(for: file)
        #expect(opened.path == "\(scratch.rejected)/a/b/c")
        opened.removeCreated()
        #expect(try scratch.names(scratch.rejected) == [])
        // Folders that existed before remain, as does one that another file was moved to.
        try store.reject(try scratch.drop("a/e.txt", "x"), reason: "no")
        let again = try store.openRejected(for: file)
        try store.reject(try scratch.drop("a/b/f.txt", "x"), reason: "no")
        again.removeCreated()
        #expect(try scratch.names("\(scratch.rejected)/a/b") == ["f.txt", "f.txt.reason"])
    }

    @Test(.needsRoot)
    func createsNoFoldersForAFileOnAnotherFileSystemAsRoot() throws {
        try scratch.makeFolder("a/b")
        let mounted = "\(scratch.inbox)/a/b"
        guard mount("none", mounted, "tmpfs", 0, nil) == 0 else { try Test.cancel("needs permission to mount") }
        defer { _ = umount2(mounted, Int32(MNT_DETACH)) }
        let error = #expect(throws: DurableError.self) {
            try store.reject(try scratch.drop("a/b/c.txt", "x"), reason: "no")
        }
        #expect(error?.errno == EXDEV)
        #expect(try scratch.names(scratch.rejected) == [])
    }

    @Test func doesNotFollowALinkInPlaceOfARejectedFolder() throws {
        try scratch.makeFolder("chats")
        let outside = "\(scratch.path)/outside"
        try FileManager.default.createDirectory(atPath: outside, withIntermediateDirectories: true)
        try store.reject(try scratch.drop("b.txt", "x"), reason: "no")
        #expect(symlink(outside, "\(scratch.rejected)/chats") == 0)
        #expect(try store.reject(try scratch.drop("chats/a", "x"), reason: "no") == "\(scratch.rejected)/chats.2/a")
        #expect(try scratch.names(outside) == [])
    }

    @Test func boundsTheDepthOfRejectedFolders() throws {
        let deep = (0..<20).map { "d\($0)" }
        try scratch.makeFolder(deep.joined(separator: "/"))
        let file = try scratch.drop(deep.joined(separator: "/") + "/a.txt", "x")
        #expect(
            try store.reject(file, reason: "no")
                == "\(scratch.rejected)/" + deep.prefix(8).joined(separator: "/") + "/a.txt")
    }

    @Test func countsRejectedFilesInFolders() throws {
        try scratch.makeFolder("deep")
        let limits = RejectedLimits(bytes: 400 << 10)
        func store() -> CorpusStore {
            CorpusStore(directory: scratch.corpus, inbox: scratch.inbox, rejectedLimits: limits)
        }
        for number in 0..<3 { try store().reject(try scratch.drop("deep/\(number)", "x"), reason: "no") }
        let error = #expect(throws: DurableError.self) {
            try store().reject(try scratch.drop("deep/more", "x"), reason: "no")
        }
        #expect(error?.errno == EDQUOT)
    }

    @Test func neverOverwritesRejectedFiles() throws {
        for number in 1...3 {
            let file = try scratch.drop("photo.jpg", "\(number)")
            try store.reject(file, reason: "no \(number)")
        }
        let names = ["photo.jpg", "photo.2.jpg", "photo.3.jpg"]
        for (number, name) in names.enumerated() {
            #expect(scratch.text("\(scratch.rejected)/\(name)") == "\(number + 1)")
            #expect(scratch.text("\(scratch.rejected)/\(name).reason") == "photo.jpg: no \(number + 1)\n")
        }
        // A file whose name is that of another file's reason.
        try store.reject(try scratch.drop("photo.jpg.reason", "4"), reason: "no 4")
        #expect(scratch.text("\(scratch.rejected)/photo.jpg.reason") == "photo.jpg: no 1\n")
        #expect(scratch.text("\(scratch.rejected)/photo.jpg.2.reason") == "4")
    }

    @Test func recreatesRemovedDirectories() throws {
        for folder in [scratch.rejected, store.directory] { try FileManager.default.removeItem(atPath: folder) }
        #expect(try store.reject(try scratch.drop("a.bin", "x"), reason: "no") == "\(scratch.rejected)/a.bin")
        guard case .admitted = try store.admit(try scratch.drop("a.txt", "abc")) else {
            Issue.record("not admitted")
            return
        }
        #expect(scratch.text("\(scratch.corpus)/\(sha256OfABC)") == "abc")
    }

    /// The notices received, in order.
    private final class NoticeRecorder: Sendable {
        private let notices = Mutex<[StoreNotice]>([])
        var all: [StoreNotice] { notices.withLock { $0 } }
        func note(_ notice: StoreNotice) { notices.withLock { $0.append(notice) } }
    }

    /// A user who can write to the inbox could otherwise have files moved to any directory writable for the service, or
    /// prevent the service from starting.
    @Test(arguments: ["link", "link to nowhere", "file", "FIFO"])
    func movesForeignRejectedEntryAside(kind: String) throws {
        let elsewhere = "\(scratch.path)/elsewhere"
        try FileManager.default.createDirectory(atPath: elsewhere, withIntermediateDirectories: false)
        try FileManager.default.removeItem(atPath: scratch.rejected)
        switch kind {
        case "link": #expect(symlink(elsewhere, scratch.rejected) == 0)
        case "link to nowhere": #expect(symlink("/nowhere/at/all", scratch.rejected) == 0)
        case "file": try Data("mine".utf8).write(to: URL(filePath: scratch.rejected))
        default: #expect(mkfifo(scratch.rejected, 0o600) == 0)
        }
        let reported = NoticeRecorder()
        let store = try scratch.store(tell: reported.note)
        #expect(reported.all == [.foreignRejected(path: scratch.rejected, movedTo: "\(scratch.rejected).aside-1")])
        for number in 1...2 {
            #expect(try store.reject(try scratch.drop("\(number).bin", "x"), reason: "no") != nil)
        }
        #expect(try scratch.names(elsewhere).isEmpty)
        #expect(try scratch.names(scratch.rejected) == ["1.bin", "1.bin.reason", "2.bin", "2.bin.reason"])
        #expect(reported.all.count == 1, "reported once")
    }

    @Test(.needsRoot)
    func doesNotUseRejectedDirectoryOfAnotherUserAsRoot() throws {
        #expect(chown(scratch.rejected, 65534, 65534) == 0)
        try store.reject(try scratch.drop("a.bin", "x"), reason: "no")
        #expect(try scratch.names("\(scratch.rejected).aside-1") == [])
        #expect(try scratch.names(scratch.rejected) == ["a.bin", "a.bin.reason"])
    }

    @Test func makesRejectedDirectoryWritableForServiceOnly() throws {
        chmod(scratch.rejected, 0o777)
        let path = try #require(try store.reject(try scratch.drop("a.bin", "x"), reason: "no"))
        var status = stat()
        #expect(stat(scratch.rejected, &status) == 0 && status.st_mode & 0o1022 == 0o1000)
        #expect(status.st_mode & 0o050 == 0o050, "group members can read the reasons")
        #expect(stat(path + ".reason", &status) == 0 && status.st_mode & 0o777 == 0o640)
    }

    /// `.rejected` constantly alternates between a link to `corpus/` and the service's directory.
    @Test func replacingRejectedDuringUsePlantsNoFiles() throws {
        let (inbox, rejected, corpus) = (scratch.inbox, scratch.rejected, scratch.corpus)
        let isOver = Atomic(false)
        let exchanges = Atomic(0)
        let attacker = DispatchQueue(label: "attacker")
        attacker.async {
            var number = 0
            while !isOver.load(ordering: .relaxed) {
                number += 1
                if rename(rejected, "\(inbox)/.was-\(number)") == 0 { exchanges.add(1, ordering: .relaxed) }
                _ = symlink(corpus, rejected)
                for aside in 1...99 { unlink("\(rejected).aside-\(aside)") }
            }
        }
        var moved = 0
        // The name of another text, which a planted file would be mistaken for.
        for number in 0..<2000 {
            let file = try scratch.drop(sha256OfABC, "planted \(number)")
            // Constant replacement is reported as an error.
            if let path = try? store.reject(file, reason: "no") { moved += path.isEmpty ? 0 : 1 }
        }
        isOver.store(true, ordering: .relaxed)
        attacker.sync {}
        #expect(moved > 0 && exchanges.load(ordering: .relaxed) > 100)
        #expect(try scratch.names(corpus) == [])
    }

    /// A file of the same size, a link or a directory has the name of the text that is admitted.
    @Test(arguments: ["same size", "link", "folder"])
    func movesPlantedFilesAside(kind: String) throws { try plant(kind) }

    @Test(.needsRoot) func movesPlantedFileOfAnotherUserAsideAsRoot() throws { try plant("another user's") }

    private func plant(_ kind: String) throws {
        let place = "\(scratch.corpus)/\(sha256OfABC)"
        switch kind {
        case "same size": try Data("xyz".utf8).write(to: URL(filePath: place))
        case "link":
            try Data("abc".utf8).write(to: URL(filePath: "\(scratch.path)/outside"))
            #expect(symlink("\(scratch.path)/outside", place) == 0)
        case "folder": #expect(mkdir(place, 0o700) == 0)
        default:
            try Data("abc".utf8).write(to: URL(filePath: place))
            #expect(chown(place, 65534, 65534) == 0)
        }
        let reported = NoticeRecorder()
        let store = try scratch.store(tell: reported.note)
        guard case .admitted(let stored) = try store.admit(try scratch.drop("a.txt", "abc")) else {
            Issue.record("the planted file was mistaken for the text")
            return
        }
        #expect(stored.sha256 == sha256OfABC && scratch.text(stored.path) == "abc")
        var status = stat()
        #expect(lstat(stored.path, &status) == 0 && status.st_mode & S_IFMT == S_IFREG && status.st_uid == geteuid())
        #expect(try scratch.names(scratch.corpus) == [sha256OfABC, "\(sha256OfABC).damaged-1"])
        guard case .damagedCorpus(sha256OfABC, _, "\(place).damaged-1")? = reported.all.first else {
            Issue.record("\(reported.all)")
            return
        }
        guard case .duplicate = try store.admit(try scratch.drop("b.txt", "abc")) else {
            Issue.record("the text is not a duplicate")
            return
        }
        #expect(reported.all.count == 1)
    }

    @Test func keepsAtMostNineDamagedFiles() throws {
        let place = "\(scratch.corpus)/\(sha256OfABC)"
        for number in 1...12 {
            try? FileManager.default.removeItem(atPath: place)
            try Data("bad \(number)".utf8).write(to: URL(filePath: place))
            guard case .admitted = try store.admit(try scratch.drop("a.txt", "abc")) else {
                Issue.record("attempt \(number)")
                return
            }
        }
        #expect(try scratch.names(scratch.corpus).count == 10)
        #expect(scratch.text("\(place).damaged-1") == "bad 1" && scratch.text("\(place).damaged-9") == "bad 12")
    }

    @Test(.enabled(if: geteuid() != 0, "needs an ordinary user: root can remove any file"))
    func reportsHintForFilesThatCannotBeRemoved() throws {
        try scratch.makeFolder("mine")
        let file = try scratch.drop("mine/a.txt", "abc")
        chmod("\(scratch.inbox)/mine", 0o555)
        defer { chmod("\(scratch.inbox)/mine", 0o755) }
        for attempt in [{ try store.release(file) }, { try store.reject(file, reason: "no") != nil }] {
            let error = #expect(throws: DurableError.self) { try attempt() }
            #expect(error?.errno == EACCES && error?.hint?.contains("chmod g+w") == true)
        }
        #expect(try scratch.names(scratch.rejected) == [], "no reason is written without its file")
        #expect(store.obstacle(toRemoving: try scratch.drop("b.txt", "abc")) == nil)
    }

    @Test func preparesStickyDirectoriesDespiteForeignEntries() throws {
        let inbox = "\(scratch.path)/new"
        try InboxFolders.prepare(inbox, models: ["one", "two", "three"])
        for name in ["", "/one", "/two"] {
            var status = stat()
            #expect(stat(inbox + name, &status) == 0 && status.st_mode & S_ISVTX != 0)
        }
        #expect(!InboxFolders.isShared(inbox))
        // The mode set by an older version.
        chmod(inbox, 0o775)
        chmod("\(inbox)/one", 0o775)
        #expect(InboxFolders.isShared(inbox))
        rmdir("\(inbox)/two")
        rmdir("\(inbox)/three")
        #expect(symlink("/nowhere/at/all", "\(inbox)/two") == 0)
        try Data("a text".utf8).write(to: URL(filePath: "\(inbox)/three"))
        try InboxFolders.prepare(inbox, models: ["one", "two", "three"])
        #expect(!InboxFolders.isShared(inbox))
        var status = stat()
        #expect(stat("\(inbox)/one", &status) == 0 && status.st_mode & S_ISVTX != 0)
        #expect(scratch.text("\(inbox)/three") == "a text")
    }

    /// Rejecting the same name many times must not check every earlier name.
    @Test func rejectsTheSameNameManyTimes() throws {
        for number in 1...300 { try store.reject(try scratch.drop("a.bin", "\(number)"), reason: "no") }
        #expect(try scratch.names(scratch.rejected).count == 600)
    }

    @Test func removesPartialReasons() throws {
        try Data("half".utf8).write(to: URL(filePath: "\(scratch.rejected)/.a.reason.999999999-1-1.tmp"))
        try store.prepare()
        #expect(try scratch.names(scratch.rejected) == [])
    }

    @Test func shortensLongNamesToFitReasonSuffix() throws {
        let name = String(repeating: "ü", count: 125) + ".txt"
        for _ in 1...2 {
            let path = try #require(try store.reject(try scratch.drop(name, "x"), reason: "no"))
            #expect(scratch.text(path) == "x")
            #expect(scratch.text(path + ".reason") == "\(name): no\n")
        }
        #expect(try scratch.names(scratch.rejected).count == 4)
    }

    /// The process was killed after the reason was written and before the file was moved.
    @Test func reusesOrphanedReason() throws {
        let file = try scratch.drop("a.txt", "x")
        try Data("a.txt: half\n".utf8).write(to: URL(filePath: "\(scratch.rejected)/a.txt.reason"))
        #expect(try store.reject(file, reason: "whole") == "\(scratch.rejected)/a.txt")
        #expect(try scratch.names(scratch.rejected) == ["a.txt", "a.txt.reason"])
    }

    @Test func removesPartialAdmissions() throws {
        try Data("half".utf8).write(to: URL(filePath: "\(scratch.corpus)/.admission.999999999-1-1.tmp"))
        try store.prepare()
        #expect(try scratch.names(scratch.corpus) == [])
    }

    @Test(arguments: ["txt", "csv", "gz", "zst", "zip"])
    func rejectsTooLargeFilesNamingTheSetting(ending: String) throws {
        let file = try scratch.drop("large.\(ending)", [UInt8](repeating: UInt8(ascii: "a"), count: 1001))
        var options = ReadingOptions()
        options.maxFileBytes = 1000
        #expect(
            try store.admit(file, options)
                == .rejected(reason: "has at least 1001 bytes, more than 1000, the limit set by inbox.max_file_bytes"))
        #expect(try scratch.names(scratch.corpus) == [])
        #expect(ReadingOptions().maxFileBytes == 4 << 30 && ReadingOptions().maxExpandedBytes == 4 << 30)
    }

    @Test func reportsInsufficientSpaceWithNumbers() throws {
        let file = try scratch.drop("a.txt", "abc")
        let (free, total) = try FreeSpace.at(scratch.corpus)
        #expect(free > 0 && free <= total)
        let error = #expect(throws: DurableError.self) { try store.admit(file, reserve: total) }
        #expect(error?.errno == ENOSPC && error?.operation == "write 3 bytes below")
        #expect(
            error?.description.contains("\(total) of which are reserved (retention.reserve): free some space") == true)
        #expect(try scratch.names(scratch.corpus) == [], "no partial file")
        #expect(scratch.text(file.path) == "abc")
        guard case .admitted = try store.admit(file, reserve: 0) else { Issue.record("not admitted"); return }
    }

    @Test func scalesReserveWithDiskSize() {
        #expect(FreeSpace.usualReserve(total: 2_000_000_000) == 100_000_000)
        #expect(FreeSpace.usualReserve(total: 500 << 30) == 1 << 30)
    }
}
