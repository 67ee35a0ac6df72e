import Corpora
import Foundation
import Synchronization
import Testing

/// Requests cancellation after a number of polls, and counts the polls.
private final class Canceller: Sendable {
    private let asked = Atomic(0)
    private let after: Int

    /// - Parameter after: number of polls before cancellation is requested
    init(after: Int = .max) { self.after = after }

    var count: Int { asked.load(ordering: .relaxed) }

    @Sendable func isCancelled() -> Bool { asked.wrappingAdd(1, ordering: .relaxed).newValue > after }
}

/// Files crafted to block the service, or to make it disclose the contents of other users' files.
@Suite(.timeLimit(.minutes(15))) struct HostileFilesTests {
    let scratch: Scratch
    let store: CorpusStore

    init() throws {
        scratch = try Scratch()
        store = try scratch.store()
    }

    private func admit(_ name: String, _ bytes: some Sequence<UInt8>, _ options: ReadingOptions = .init()) throws
        -> AdmissionResult
    {
        try store.admit(try scratch.drop(name, bytes), options)
    }

    private func rejection(_ admission: AdmissionResult) -> String? {
        if case .rejected(let reason) = admission { reason.text } else { nil }
    }

    private func text(_ admission: AdmissionResult) -> String? {
        if case .admitted(let corpus) = admission { scratch.text(corpus.path) } else { nil }
    }

    private func gzip(_ bytes: some Sequence<UInt8>) throws -> Data {
        let path = "\(scratch.path)/packed-\(UUID().uuidString)"
        try Data(bytes).write(to: URL(filePath: path))
        let process = Process()
        process.executableURL = URL(filePath: "/usr/bin/env")
        process.arguments = ["gzip", "-9", path]
        try process.run()
        process.waitUntilExit()
        try #require(process.terminationStatus == 0)
        return try Data(contentsOf: URL(filePath: "\(path).gz"))
    }

    // MARK: Work that grows faster than the file

    /// Regression test: quadratic work took 67 s and more in an unoptimized build.
    @Test(arguments: [160_000, 640_000])
    func rejectsRepeatedColumnNamesInLinearTime(columns: Int) throws {
        let row = (Array(repeating: "text", count: columns).joined(separator: ",") + "\n").utf8
        let file = try gzip(Array(row) + Array(row) + Array(row))
        #expect(file.count < 20_000)
        #expect(
            rejection(try admit("a.csv.gz", file))
                == "has \(columns) columns, more than the maximum of 4096: remove unneeded columns")
    }

    @Test func acceptsMaximumNumberOfColumns() throws {
        let names = Array(repeating: "text", count: 4096).joined(separator: ",")
        let values = (1...4096).map(String.init).joined(separator: ",")
        // A row with one field less has no text, because the last of several equal columns is used.
        let short = (1...4095).map(String.init).joined(separator: ",")
        #expect(text(try admit("a.csv", "\(names)\n\(values)\n\(short)\n\(values),more\n".utf8)) == "4096\n4096\n")
        #expect(rejection(try admit("b.csv", "\(names),text\n\(values)\n".utf8))?.hasPrefix("has 4097 columns") == true)
    }

    @Test func acceptsRowsWithSurplusFields() throws {
        let row = "a" + String(repeating: ",", count: 1_000_000)
        #expect(text(try admit("a.csv", "text\n\(row)\nb\n".utf8)) == "a\nb\n")
    }

    /// A tree-building JSON parser would need many bytes of memory per byte of this input.
    @Test func discardsOtherFieldsOfObjects() throws {
        let zeros = "[0" + String(repeating: ",0", count: 500_000) + "]"
        let names = (0..<50_000).map { "\"\($0)\":0" }.joined(separator: ",")
        let marks = String(repeating: "\u{301}", count: 200_000)
        let lines = [
            "{\"x\":\(zeros),\"text\":\"a\"}", "{\(names),\"text\":\"b\"}",
            "{\"\(marks)\":\"\(marks)\",\"text\":\"c\"}",
        ]
        #expect(text(try admit("a.jsonl", lines.joined(separator: "\n").utf8)) == "a\nb\nc\n")
    }

    @Test func limitsNestingDepth() throws {
        func nested(_ levels: Int, _ open: String, _ close: String) -> String {
            "{\"x\":" + String(repeating: open, count: levels) + "0" + String(repeating: close, count: levels)
                + ",\"text\":\"a\"}"
        }
        #expect(text(try admit("a.jsonl", nested(511, "[", "]").utf8)) == "a\n")
        for (name, line) in [
            ("b.jsonl", nested(512, "[", "]")), ("c.jsonl", nested(1_000_000, "[", "]")),
            ("d.jsonl", nested(100_000, "{\"y\":", "}")), ("e.jsonl", String(repeating: "[", count: 1_000_000)),
        ] {
            #expect(
                rejection(try admit(name, line.utf8)) == "line 1: nested more than 512 levels deep",
                "\(name)")
        }
    }

    @Test func readsEmptyGzipMembersInOnePass() throws {
        let member = try gzip([])
        var file = Data()
        for _ in 0..<100_000 { file += member }
        file += try gzip("at last".utf8)
        #expect(text(try admit("a.txt.gz", file)) == "at last")
    }

    @Test func limitsZipMembersAndDirectorySize() throws {
        func empty(_ count: Int) -> [UInt8] {
            ZipWriter.file((0..<count).map { .init(Array("\($0)/".utf8), data: []) })
        }
        #expect(rejection(try admit("a.zip", empty(16_384))) == "contains no files")
        #expect(
            rejection(try admit("b.zip", empty(16_385)))
                == "has 16385 members, more than the maximum of 16384: split the archive or join the texts")
        #expect(rejection(try admit("c.zip", empty(65_535)))?.hasPrefix("has 65535 members") == true)

        // All names collide in libzip's hash table: "ar" and "bQ" have the same hash.
        let alike = (0..<8192).map { number -> ZipWriter.Member in
            let name = (0..<16).flatMap { number >> $0 & 1 == 1 ? Array("ar".utf8) : Array("bQ".utf8) }
            return .init(name, data: [])
        }
        #expect(rejection(try admit("d.zip", ZipWriter.file(alike))) != nil)

        // A zip64 record that declares a huge number of members, or a huge central directory.
        let small = empty(1)
        let end = small.count - 22
        func zip64(members: UInt64, directory: UInt64) -> [UInt8] {
            let record = ZipWriter.numbers([
                (0x0606_4B50, 4), (44, 8), (45, 2), (45, 2), (0, 8), (members, 8), (members, 8), (directory, 8), (0, 8),
            ])
            let locator = ZipWriter.numbers([(0x0706_4B50, 4), (0, 4), (UInt64(end), 8), (1, 4)])
            var last = Array(small[end...])
            last.replaceSubrange(8..<20, with: [UInt8](repeating: 0xFF, count: 12))
            return Array(small[..<end]) + record + locator + last
        }
        #expect(
            rejection(try admit("e.zip", zip64(members: 1 << 40, directory: 1 << 47)))?.hasPrefix(
                "has 1099511627776 members") == true)
        #expect(
            rejection(try admit("f.zip", zip64(members: 1, directory: 1 << 40)))?.hasPrefix(
                "has a central directory of 1099511627776 bytes") == true)
        let ends = Array(small[end...])
        #expect(
            rejection(try admit("g.zip", small + ends + ends + ends + ends))
                == "is not a valid zip file: it has several end-of-central-directory records")
    }

    @Test func rejectsOverlappingZipMembers() throws {
        let data = ZipWriter.nothing(blocks: 20_000)
        let name = Array("a.txt".utf8)
        let members = (0..<1000).map { number in
            ZipWriter.Member(
                name + Array("\(number)".utf8), data: data, method: 8, size: 0, offset: number == 0 ? nil : 0)
        }
        let reason = rejection(try admit("a.zip", ZipWriter.file(members)))
        // Either libzip or our own check reports it first.
        #expect(reason?.hasPrefix("is not a valid zip file") == true, "\(reason ?? "")")
    }

    @Test func rejectsUnsupportedZipCompression() throws {
        let file = ZipWriter.file([.init(Array("a.txt".utf8), data: [1, 2, 3, 4], method: 14, size: 1 << 20)])
        #expect(
            rejection(try admit("a.zip", file))
                == "has a member compressed with method 14 (supported are stored and deflated): ‘a.txt’")
    }

    // MARK: Cancellation

    /// Cancels an admission at several points, and checks that it stops within one block and leaves no partial files.
    private func interrupt(_ name: String, _ bytes: some Sequence<UInt8>, blocks: Int) throws {
        let file = try scratch.drop(name, bytes)
        var options = ReadingOptions()
        options.maxExpansionRatio = .max
        let whole = Canceller()
        _ = try store.admit(file, options, isCancelled: whole.isCancelled)
        #expect(whole.count >= blocks, "\(name): polled \(whole.count) times")
        for name in try scratch.names(scratch.corpus) {
            try FileManager.default.removeItem(atPath: "\(scratch.corpus)/\(name)")
        }
        for after in [0, 1, whole.count / 2, whole.count - 2] {
            let canceller = Canceller(after: after)
            let admission = try store.admit(file, options, isCancelled: canceller.isCancelled)
            #expect(admission == .interrupted, "\(name), cancelled at \(after) of \(whole.count): \(admission)")
            // libzip reads once or twice more before it gives up.
            #expect(canceller.count <= after + 4, "\(name): continues after cancellation")
            #expect(try scratch.names(scratch.corpus).isEmpty, "\(name): leaves a partial file")
            #expect(FileSignature(path: file.path) == file.signature, "\(name): removed from the inbox")
        }
    }

    private static let size = 2 << 20
    /// Number of blocks of 64 KiB.
    private static let blocks = size >> 16
    private static let line = Array("every line is the same as the one before it\n".utf8)
    private static let plain = (0..<size).map { line[$0 % line.count] }

    @Test(arguments: ["a.txt", "a.csv", "a.tsv", "a.jsonl"])
    func cancelsReadingWithinABlock(name: String) throws {
        let header = Array((name.hasSuffix("jsonl") ? "" : "text\n").utf8)
        let bytes =
            name.hasSuffix("jsonl") ? Array(String(repeating: "{\"text\":\"a\"}\n", count: 170_000).utf8) : Self.plain
        try interrupt(name, header + bytes, blocks: Self.blocks)
        try interrupt("\(name).gz", try gzip(header + bytes), blocks: Self.blocks)
    }

    @Test func cancelsZstdWithinABlock() throws {
        // A frame without a content size, made of RLE blocks: 4 bytes expand to 128 KiB.
        var frame: [UInt8] = [0x28, 0xB5, 0x2F, 0xFD, 0x00, 0x38]
        for block in 0..<64 {
            let header = UInt32(block == 63 ? 1 : 0) | 1 << 1 | (128 << 10) << 3
            frame += ZipWriter.number(UInt64(header), 3) + [UInt8(ascii: "a")]
        }
        try interrupt("a.txt.zst", frame, blocks: Self.blocks)
    }

    @Test func cancelsZipWithinABlock() throws {
        let file = ZipWriter.file([
            .init(Array("a.txt".utf8), data: Self.plain, crc: ZipWriter.crc(Self.plain))
        ])
        try interrupt("a.zip", file, blocks: Self.blocks)
    }

    /// Input that expands to nothing is polled once per block read.
    @Test func cancelsInputThatExpandsToNothing() throws {
        let nothing = ZipWriter.nothing(blocks: Self.size / 5)
        let header: [UInt8] = [0x1F, 0x8B, 8, 0, 0, 0, 0, 0, 0, 3]
        try interrupt("a.txt.gz", header + nothing + [0, 0, 0, 0, 0, 0, 0, 0], blocks: Self.blocks)
        try interrupt(
            "a.zip", ZipWriter.file([.init(Array("a.txt".utf8), data: nothing, method: 8, size: 0)]),
            blocks: Self.blocks)
        let member = try gzip([])
        var members = Data()
        for _ in 0..<(Self.size / member.count) { members += member }
        try interrupt("b.txt.gz", members, blocks: Self.blocks)
        // Skippable zstd frames.
        var frames: [UInt8] = []
        for _ in 0..<(Self.size / 1024) {
            frames += [0x50, 0x2A, 0x4D, 0x18] + ZipWriter.number(1016, 4) + [UInt8](repeating: 0, count: 1016)
        }
        try interrupt("b.txt.zst", frames, blocks: Self.blocks)
    }

    // MARK: Reasons

    /// Text in the file that must not occur in any reason.
    private static let secret = "s3cret"

    @Test func reasonsContainNoTextFromTheFile() throws {
        let secret = Self.secret
        let long = String(repeating: secret, count: 100_000)
        let files: [(String, [UInt8])] = [
            ("a.csv", Array("\(secret),\(long)\n1,2\n".utf8)), ("b.csv", Array("text\n\"\(secret)".utf8)),
            ("c.csv", Array("\(secret),text\n\(secret),\n".utf8)), ("d.csv", Array(long.utf8)),
            ("a.jsonl", Array("{\"\(long)\":\"\(secret)\"}\n".utf8)), ("b.jsonl", Array("{\"text\":\"\(secret)".utf8)),
            ("c.jsonl", Array("{\"text\":[\"\(secret)\"]}".utf8)), ("d.jsonl", Array("\"\(secret)\"".utf8)),
            ("e.jsonl", Array("{\"text\": \(secret)}".utf8)), ("a.txt", Array("\(secret)\0".utf8)),
            ("a.gz", Array(secret.utf8)), ("a.zst", Array(secret.utf8)), ("a.zip", Array(secret.utf8)),
            ("b.txt", Array(secret.utf8) + [UInt8](repeating: 0xFF, count: 1000)),
        ]
        var options = ReadingOptions()
        for limit in [16 << 20, 10] {
            options.maxRecordBytes = limit
            for (name, bytes) in files {
                let reason = try #require(rejection(try admit(name, bytes, options)), "\(name): admitted")
                #expect(!reason.contains(secret), "\(name): \(reason)")
                #expect(reason.utf8.count <= 200, "\(name): \(reason.utf8.count) bytes")
            }
        }
    }

    @Test func truncatesLongNamesInReasons() throws {
        var options = ReadingOptions()
        options.textColumn = String(repeating: "é", count: 30_000)
        for (name, file) in [("a.csv", "id\n1\n"), ("a.jsonl", "{\"id\":1}\n")] {
            let reason = try #require(rejection(try admit(name, file.utf8, options)))
            #expect(reason.utf8.count <= 1024 && reason.hasSuffix("é…"), "\(reason)")
        }
        let name = Array(String(repeating: "long ", count: 10_000).utf8) + [0x0A, 0x1B] + Array("[2J.txt".utf8)
        let archive = ZipWriter.file([
            .init(name, data: [0, 1], crc: ZipWriter.crc([0, 1])), .init(Array("b.txt".utf8), data: [1], crc: 1),
        ])
        let reason = try #require(rejection(try admit("a.zip", archive)))
        #expect(reason.utf8.count <= 300 && reason.hasPrefix("member ‘long ") && reason.contains("…"), "\(reason)")
        #expect(reason.unicodeScalars.allSatisfy { $0.value >= 0x20 }, "\(reason)")
    }

    @Test func limitsLengthOfEveryReason() {
        let reason = RejectionReason(String(repeating: "\u{1B}\n€", count: 5_000_000))
        #expect(reason.text.utf8.count <= RejectionReason.longest && reason.text.hasSuffix("…"))
        #expect(reason.text.hasPrefix("\\x1B\\x0A€"))
        for count in 1020...1030 {
            let exact = RejectionReason(String(repeating: "x", count: count - 4) + "\u{1F600}")
            #expect(exact.text.utf8.count == min(count, 1024) || count > 1024 && exact.text.utf8.count >= 1021)
        }
        let admission = AdmissionResult.rejected(reason: "\(String(repeating: "long", count: 9_999_999))")
        #expect(rejection(admission)?.utf8.count == 1024)
    }

    @Test func shortensLongNamesInTheMiddle() throws {
        let folders = (0..<18).map { String(repeating: "\($0 % 10)", count: 200) }
        let path = folders.joined(separator: "/") + "/the-file.csv"
        let signature = try scratch.drop("x", "x").signature
        let file = InboxFile(path: "/inbox/\(path)", name: path, signature: signature)
        #expect(file.name.utf8.count <= InboxFile.longestName)
        #expect(file.name.hasPrefix("0000") && file.name.hasSuffix("7/the-file.csv") && file.name.contains("…"))
        #expect(file.relativePath == path && file.folder == folders[0])
        let short = InboxFile(path: "/inbox/a/b", name: "a/b", signature: signature)
        #expect(short.name == "a/b")
    }
}
