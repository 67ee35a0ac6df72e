import Corpora
import Durable
import FoundationEssentials
import Glibc
import Testing

struct CorpusStoreTests {
    let scratch: Scratch
    let store: CorpusStore

    init() throws {
        scratch = try Scratch()
        store = try scratch.store()
    }

    /// `printf abc | sha256sum`
    private let sha256OfABC = "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"

    /// The same sentence in KOI8-R, in Shift JIS, and bytes of no language.
    @Test func whatIsNoUTF8AtAllIsRejected() throws {
        let cyrillic: [UInt8] = [
            0xFE, 0xD4, 0xCF, 0x20, 0xD1, 0x20, 0xCD, 0xCF, 0xC7, 0xD5, 0x20, 0xDA, 0xCE, 0xC1, 0xD4, 0xD8,
        ]
        let japanese: [UInt8] = [
            0x8E, 0x84, 0x82, 0xCD, 0x89, 0xBD, 0x82, 0xF0, 0x92, 0x6D, 0x82, 0xE8, 0x93, 0xBE, 0x82, 0xE9,
        ]
        var random = SystemRandomNumberGenerator()
        let noise = (0..<4096).map { _ in UInt8.random(in: 1...255, using: &random) }
        for (number, bytes) in [cyrillic, japanese, noise].enumerated() {
            let file = try scratch.drop("\(number).txt", bytes)
            guard case .rejected(let reason) = try store.admit(file) else {
                Issue.record("\(number) is admitted")
                continue
            }
            #expect(reason.hasPrefix("is not UTF-8: ") && reason.contains("of its \(bytes.count) bytes"), "\(reason)")
        }
        #expect(try scratch.names(scratch.corpus) == [])
    }

    @Test func theBytesLieUnderTheirHash() throws {
        let file = try scratch.drop("a.txt", "abc")
        let stored = StoredCorpus(
            sha256: sha256OfABC, path: "\(scratch.corpus)/\(sha256OfABC)", bytes: 3, documents: 1, replacedBytes: 0)
        #expect(try store.admit(file) == .admitted(stored))
        #expect(scratch.text(stored.path) == "abc")
        #expect(scratch.text(file.path) == "abc", "it stays until it is released")
        #expect(try store.release(file))
        #expect(try scratch.names(scratch.inbox) == [".rejected"])
        #expect(try scratch.names(scratch.corpus) == [sha256OfABC])
    }

    @Test func whatComesTwiceIsADuplicate() throws {
        let first = try scratch.drop("a.txt", "abc")
        _ = try store.admit(first)
        guard case .duplicate(let stored) = try store.admit(first) else { Issue.record("admitted twice"); return }
        #expect(stored.sha256 == sha256OfABC)
        guard case .duplicate = try store.admit(scratch.drop("b.txt", "abc")) else {
            Issue.record("another name is not another corpus")
            return
        }
        #expect(try scratch.names(scratch.corpus) == [sha256OfABC], "nothing is left aside")
    }

    @Test func whatIsNotUTF8IsReplacedAndCounted() throws {
        let file = try scratch.drop("latin1.txt", [0x4D, 0xFC, 0x6C, 0x6C, 0x65, 0x72, 0x0A])
        guard case .admitted(let stored) = try store.admit(file) else { Issue.record("not admitted"); return }
        #expect(stored.replacedBytes == 1)
        #expect(scratch.text(stored.path) == "M\u{FFFD}ller\n")
        #expect(stored.bytes == 9)
    }

    @Test func largeFilesAreCopiedWhole() throws {
        // A character of three bytes lies across every border of the pieces that are read.
        let text = String(repeating: "世", count: 1_000_000)
        guard case .admitted(let stored) = try store.admit(try scratch.drop("a.txt", text)) else {
            Issue.record("not admitted")
            return
        }
        #expect(stored.replacedBytes == 0)
        #expect(scratch.text(stored.path) == text)
    }

    @Test(arguments: [
        ([], "is empty"),
        (Array(" \n\t\r\n".utf8), "holds nothing but white space"),
        ([0x89, 0x50, 0x4E, 0x47, 0x00], "is binary: it holds NUL bytes, text does not"),
        ([0xFF, 0xFE, 0x61, 0x00], "is UTF-16, not UTF-8: convert it with iconv -f UTF-16 -t UTF-8"),
    ])
    func whatIsOfNoUseIsRejected(bytes: [UInt8], reason: String) throws {
        let file = try scratch.drop("a.txt", bytes)
        #expect(try store.admit(file) == .rejected(reason: reason))
        #expect(try scratch.names(scratch.corpus) == [])
        #expect(try store.reject(file, reason: reason) == "\(scratch.rejected)/a.txt")
        #expect(scratch.text("\(scratch.rejected)/a.txt.reason") == "a.txt: \(reason)\n")
        #expect(FileManager.default.contents(atPath: "\(scratch.rejected)/a.txt") == Data(bytes))
    }

    @Test(.enabled(if: geteuid() != 0, "root can read everything"))
    func whatCannotBeReadIsRejected() throws {
        let file = try scratch.drop("a.txt", "abc")
        chmod(file.path, 0)
        #expect(try store.admit(file) == .rejected(reason: "cannot be read: Permission denied"))
    }

    @Test func linksAndPipesAreNotFollowed() throws {
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

    @Test func whatHasGoneIsPostponed() throws {
        let file = try scratch.drop("a.txt", "abc")
        unlink(file.path)
        #expect(try store.admit(file) == .postponed)
        #expect(try !store.release(file))
        #expect(try store.reject(file, reason: "gone") == nil)
    }

    @Test func whatWasReplacedMeanwhileIsNotRemoved() throws {
        let file = try scratch.drop("a.txt", "abc")
        _ = try store.admit(file)
        try scratch.drop("a.txt", "something new")
        #expect(try !store.release(file))
        #expect(try store.reject(file, reason: "old") == nil)
        #expect(scratch.text(file.path) == "something new")
    }

    @Test func nothingRejectedEarlierIsOverwritten() throws {
        for number in 1...3 {
            let file = try scratch.drop("photo.jpg", "\(number)")
            try store.reject(file, reason: "no \(number)")
        }
        let names = ["photo.jpg", "photo.2.jpg", "photo.3.jpg"]
        for (number, name) in names.enumerated() {
            #expect(scratch.text("\(scratch.rejected)/\(name)") == "\(number + 1)")
            #expect(scratch.text("\(scratch.rejected)/\(name).reason") == "photo.jpg: no \(number + 1)\n")
        }
        // A file called like another's reason.
        try store.reject(try scratch.drop("photo.jpg.reason", "4"), reason: "no 4")
        #expect(scratch.text("\(scratch.rejected)/photo.jpg.reason") == "photo.jpg: no 1\n")
        #expect(scratch.text("\(scratch.rejected)/photo.jpg.2.reason") == "4")
    }

    @Test func foldersThatWereRemovedAreMadeAgain() throws {
        for folder in [scratch.rejected, store.directory] { try FileManager.default.removeItem(atPath: folder) }
        #expect(try store.reject(try scratch.drop("a.bin", "x"), reason: "no") == "\(scratch.rejected)/a.bin")
        guard case .admitted = try store.admit(try scratch.drop("a.txt", "abc")) else {
            Issue.record("it is not admitted")
            return
        }
        #expect(scratch.text("\(scratch.corpus)/\(sha256OfABC)") == "abc")
    }

    /// Who may write in the inbox could have files moved to wherever the service may write.
    @Test func aLinkInPlaceOfTheRejectedIsNotFollowed() throws {
        let elsewhere = "\(scratch.path)/elsewhere"
        try FileManager.default.createDirectory(atPath: elsewhere, withIntermediateDirectories: false)
        try FileManager.default.removeItem(atPath: scratch.rejected)
        try FileManager.default.createSymbolicLink(atPath: scratch.rejected, withDestinationPath: elsewhere)
        let file = try scratch.drop("a.bin", "x")
        #expect(throws: DurableError.self) { try store.reject(file, reason: "no") }
        #expect(try scratch.names(elsewhere).isEmpty)
        #expect(scratch.text(file.path) == "x")
    }

    @Test func longNamesLeaveRoomForTheReason() throws {
        let name = String(repeating: "ü", count: 125) + ".txt"
        for _ in 1...2 {
            let path = try #require(try store.reject(try scratch.drop(name, "x"), reason: "no"))
            #expect(scratch.text(path) == "x")
            #expect(scratch.text(path + ".reason") == "\(name): no\n")
        }
        #expect(try scratch.names(scratch.rejected).count == 4)
    }

    /// Killed after the reason was written, before the file was moved.
    @Test func anOrphanedReasonIsUsedAgain() throws {
        let file = try scratch.drop("a.txt", "x")
        try Data("a.txt: half\n".utf8).write(to: URL(filePath: "\(scratch.rejected)/a.txt.reason"))
        #expect(try store.reject(file, reason: "whole") == "\(scratch.rejected)/a.txt")
        #expect(try scratch.names(scratch.rejected) == ["a.txt", "a.txt.reason"])
    }

    @Test func aHalfWrittenAdmissionIsCleared() throws {
        try Data("half".utf8).write(to: URL(filePath: "\(scratch.corpus)/.admission.999999999-1-1.tmp"))
        try store.prepare()
        #expect(try scratch.names(scratch.corpus) == [])
    }
}
