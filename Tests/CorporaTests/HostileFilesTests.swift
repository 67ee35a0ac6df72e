import Corpora
import Foundation
import Synchronization
import Testing
import TextReading

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

    // MARK: Work that grows faster than the file

    /// Regression test: quadratic work took 67 s and more in an unoptimized build.
    @Test(arguments: [160_000, 640_000])
    func rejectsRepeatedColumnNamesInLinearTime(columns: Int) throws {
        let row = (Array(repeating: "text", count: columns).joined(separator: ",") + "\n").utf8
        #expect(
            rejection(try admit("a.csv", Array(row) + Array(row) + Array(row)))
                == "has \(columns) columns, more than the maximum of 4096: remove unneeded columns")
    }

    @Test func acceptsMaximumNumberOfColumns() throws {
        let names = Array(repeating: "text", count: 4096).joined(separator: ",")
        let values = (1...4096).map(String.init).joined(separator: ",")
        // A row with one field less has no text, because the last of several equal columns is used.
        let short = (1...4095).map(String.init).joined(separator: ",")
        let rows = String(repeating: "\(values)\n", count: 9)
        #expect(
            text(try admit("a.csv", "\(names)\n\(rows)\(short)\n\(values),more\n".utf8))
                == String(repeating: "4096\n", count: 10))
        #expect(rejection(try admit("b.csv", "\(names),text\n\(values)\n".utf8))?.hasPrefix("has 4097 columns") == true)
    }

    @Test func acceptsRowsWithSurplusFields() throws {
        let row = "a" + String(repeating: ",", count: 1_000_000)
        let rows = String(repeating: "b,1\n", count: 5)
        #expect(
            text(try admit("a.csv", "text,id\n\(rows)\(row)\n\(row)1\n".utf8))
                == String(repeating: "b\n", count: 5) + "a\na\n")
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
    }

    // MARK: Reasons

    /// Text in the file that must not occur in any reason.
    private static let secret = "s3cret"

    @Test func reasonsContainNoTextFromTheFile() throws {
        let secret = Self.secret
        let long = String(repeating: secret, count: 100_000)
        let files: [(String, [UInt8])] = [
            ("a.csv", Array("\(secret),\(long)\n1,2\n".utf8)),
            ("c.csv", Array("id,text\n\(secret),\n".utf8)), ("d.csv", Array(long.utf8)),
            ("a.jsonl", Array("{\"body\":\"\(long)\"}\n".utf8)), ("b.jsonl", Array("{\"text\":\"\(secret)".utf8)),
            ("c.jsonl", Array("{\"text\":[\"\(secret)\"]}".utf8)), ("d.jsonl", Array("\"\(secret)\"".utf8)),
            ("e.jsonl", Array("{\"text\": \(secret)}".utf8)), ("a.txt", Array("\(secret)\0".utf8)),
            ("b.txt", Array(secret.utf8) + (0..<1000).map { UInt8($0 * 167 % 255 + 1) }),
        ]
        var options = ReadingOptions()
        for limit in [16 << 20, 10] {
            options.maxRecordBytes = limit
            for (name, bytes) in files {
                let reason = try #require(rejection(try admit(name, bytes, options)), "\(name): admitted")
                #expect(!reason.contains(secret), "\(name): \(reason)")
                #expect(reason.utf8.count <= 300, "\(name): \(reason.utf8.count) bytes")
            }
        }
    }

    @Test func truncatesLongNamesInReasons() throws {
        var options = ReadingOptions()
        options.textColumn = String(repeating: "é", count: 30_000)
        for (name, file) in [("a.csv", "id\n1\n"), ("a.jsonl", "{\"id\":1}\n")] {
            let reason = try #require(rejection(try admit(name, file.utf8, options)))
            #expect(reason.utf8.count <= 300 && reason.contains("é…’"), "\(reason)")
        }
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
