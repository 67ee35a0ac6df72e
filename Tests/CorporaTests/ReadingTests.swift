import Corpora
import Foundation
import Testing
import TextFilters

/// Runs an external tool, so that expected results do not depend on our own code.
private func run(_ tool: String, _ arguments: [String], in folder: String) throws {
    let process = Process()
    process.executableURL = URL(filePath: "/usr/bin/env")
    process.arguments = [tool] + arguments
    process.currentDirectoryURL = URL(filePath: folder)
    process.standardOutput = FileHandle.nullDevice
    process.standardError = FileHandle.nullDevice
    try process.run()
    process.waitUntilExit()
    try #require(process.terminationStatus == 0, "\(tool) \(arguments)")
}

@Suite struct ReadingTests {
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

    private func stored(_ name: String, _ text: String, _ options: ReadingOptions = .init()) throws -> String? {
        switch try admit(name, text.utf8, options) {
        case .admitted(let corpus), .duplicate(let corpus): return scratch.text(corpus.path)
        default: return nil
        }
    }

    private func fixture(_ name: String) throws -> Data {
        let path = try #require(Bundle.module.path(forResource: "Fixtures/\(name)", ofType: nil))
        return try Data(contentsOf: URL(filePath: path))
    }

    /// Reference: `Tests/Parity/support_reference.py`.
    @Test func tweetsFilterMatchesPython() throws {
        try compare(try fixture("support.csv"), with: try fixture("support.txt"), atLeast: 100)
    }

    /// Compares a real table: KANTAIBERT_TABLE=twcs.csv KANTAIBERT_TABLE_LINES=twcs.txt, with the lines written by
    /// `support_reference.py --lines twcs.csv > twcs.txt`.
    @Test(.enabled(if: ReadingTests.realTable != nil, "KANTAIBERT_TABLE is not set"))
    func tweetsFilterMatchesPythonOnRealTable() throws {
        let (table, lines) = try #require(ReadingTests.realTable)
        try compare(
            Data(contentsOf: URL(filePath: table)), with: Data(contentsOf: URL(filePath: lines)), atLeast: 1)
    }

    private static let realTable: (String, String)? = {
        let environment = ProcessInfo.processInfo.environment
        guard let table = environment["KANTAIBERT_TABLE"], let lines = environment["KANTAIBERT_TABLE_LINES"] else {
            return nil
        }
        return (table, lines)
    }()

    private func compare(_ table: Data, with python: Data, atLeast count: Int) throws {
        guard case .admitted(let corpus) = try admit("support.csv", table) else {
            Issue.record("not admitted")
            return
        }
        #expect(corpus.isStructured)
        let newline = UInt8(ascii: "\n")
        let records = try Data(contentsOf: URL(filePath: corpus.path)).split(separator: newline)
        #expect(records.count == corpus.documents)
        let pipeline = TextPipeline(try TextFilter.named(["tweets"]))
        let lines = records.compactMap { record -> [UInt8]? in
            var bytes = Array(record)
            return pipeline.apply(to: &bytes, seen: SeenTexts()) ? bytes : nil
        }
        let expected = python.split(separator: newline).map { Array($0) }
        #expect(expected.count >= count)
        #expect(lines.count == expected.count)
        for (line, wanted) in zip(lines, expected) {
            #expect(String(decoding: line, as: UTF8.self) == String(decoding: wanted, as: UTF8.self))
        }
    }

    /// Expected output: `csv.DictReader` of Python 3.11 on a file opened with `newline=""`, line breaks as spaces.
    @Test(arguments: [
        ("text\na\nb\n", "a\nb\n"),
        ("\u{FEFF}text\na", "a\n"),
        ("id,text\r\n1,\"a, \"\"b\"\"\"\r\n2,c\r\n", "a, \"b\"\nc\n"),
        ("id,text\n1,\"a\nb\r\nc\rd\"\n", "a b c d\n"),
        ("text,id\na,1,2,3\n\n\nb\n", "a\nb\n"),
        ("id,text\n1\n2,b\n", "b\n"),
        ("text,text\na,b\nc\n", "b\n"),
        ("text\na\"b\"c\n\"d\"e\"f\n", "a\"b\"c\nde\"f\n"),
        ("text\r a \r\"\"\rb\r", " a \nb\n"),
        ("\"text\"\n\"a\"\n", "a\n"),
    ])
    func readsTablesLikePython(table: String, records: String) throws {
        #expect(try stored("a.csv", table) == records)
        var delimited = ReadingOptions()
        delimited.delimiter = UInt8(ascii: ";")
        #expect(try stored("b.csv", table.replacing(",", with: ";"), delimited) == records.replacing(",", with: ";"))
        #expect(try stored("a.tsv", table.replacing(",", with: "\t")) == records.replacing(",", with: "\t"))
    }

    @Test func reportsUnreadableTables() throws {
        #expect(
            try admit("a.csv", "id,body\n1,x\n".utf8)
                == .rejected(
                    reason:
                        "has no column ‘text’ among its 2 columns: set text_column in .kbconfig.yaml"
                ))
        #expect(
            try admit("b.csv", "text\na\n\"b\nc\nd\n".utf8)
                == .rejected(reason: "line 3: unterminated quoted field"))
        #expect(
            try admit("c.csv", "text\n\n \n".utf8) == .rejected(reason: "has no row with text in column ‘text’"))
        var options = ReadingOptions()
        options.textColumn = "body"
        #expect(try stored("d.csv", "id,body\n1,x\n", options) == "x\n")
        options.maxRecordBytes = 100
        guard
            case .rejected(let reason) = try admit(
                "e.csv", ("body\nx\n\"" + String(repeating: "y", count: 200)).utf8, options)
        else { Issue.record("admitted"); return }
        #expect(
            reason.text
                == "line 3: quoted field is not closed within 100 bytes, the limit set by inbox.max_record_bytes")
    }

    @Test func readsJSONLines() throws {
        let text = """
            {"id": 1, "text": "a \\"b\\" \\u00e9 \\ud83d\\ude00\\nc", "more": {"text": "inner"}}

            {"text": null}
            {"other": 1}
            {"text": "d"}
            """
        #expect(try stored("a.jsonl", text) == "a \"b\" é 😀 c\nd\n")
        #expect(
            try admit("b.jsonl", "{\"text\": \"a\"}\n{\"text\": \"b".utf8) == .rejected(reason: "line 2: invalid JSON"))
        #expect(
            try admit("c.jsonl", "{\"text\": 1}".utf8) == .rejected(reason: "line 1: field ‘text’ is not a string"))
        #expect(try admit("d.jsonl", "[1]\n".utf8) == .rejected(reason: "line 1: not a JSON object"))
        #expect(
            try admit("e.jsonl", "{\"body\": \"a\"}\n".utf8)
                == .rejected(
                    reason:
                        "has no object with text in field ‘text’ (the first object has 1 field): set text_column in .kbconfig.yaml"
                ))
    }

    @Test(arguments: ["gz", "zst", "zip"])
    func readsCompressedFiles(ending: String) throws {
        let table = "text\n" + (0..<200_000).map { "the line \($0)\n" }.joined()
        let plain = try scratch.drop("a.csv", table)
        guard case .admitted(let expected) = try store.admit(plain) else { Issue.record("not admitted"); return }
        #expect(expected.documents == 200_000)
        let tools = ["gz": ("gzip", ["-k", "a.csv"]), "zst": ("zstd", ["-q", "a.csv"])]
        if let (tool, arguments) = tools[ending] {
            try run(tool, arguments, in: scratch.inbox)
        } else {
            // gzip's deflated bytes lie between a header of ten bytes, which names no file, and a trailer of eight.
            try run("gzip", ["-k", "-n", "a.csv"], in: scratch.inbox)
            let packed = try Data(contentsOf: URL(filePath: "\(scratch.inbox)/a.csv.gz"))
            let member = ZipWriter.Member(
                Array("a.csv".utf8), data: Array(packed.dropFirst(10).dropLast(8)), method: 8,
                crc: ZipWriter.crc(Array(table.utf8)), size: table.utf8.count)
            try scratch.drop("a.csv.zip", ZipWriter.file([member]))
        }
        let path = "\(scratch.inbox)/a.csv.\(ending)"
        let whole = try Data(contentsOf: URL(filePath: path))
        guard case .duplicate(let found) = try admit("b.csv.\(ending)", whole) else {
            Issue.record("not a duplicate")
            return
        }
        #expect(found == expected)

        // A truncated or damaged file is rejected, and nothing of it is stored.
        let before = try scratch.names(scratch.corpus)
        for length in [1, 10, whole.count / 2, whole.count - 1] {
            guard case .rejected = try admit("cut.csv.\(ending)", whole.prefix(length)) else {
                Issue.record("admitted after truncation to \(length) bytes")
                continue
            }
        }
        var damaged = whole
        damaged[whole.count / 2] ^= 0x10
        guard case .rejected = try admit("damaged.csv.\(ending)", damaged) else {
            Issue.record("admitted although damaged")
            return
        }
        // The expanded size is limited.
        var options = ReadingOptions()
        options.maxExpandedBytes = 1_000_000
        #expect(
            try admit("c.csv.\(ending)", whole, options)
                == .rejected(reason: "expands to more than 1000000 bytes, the limit set by inbox.max_expanded_bytes"))
        #expect(try scratch.names(scratch.corpus) == before)
    }

    @Test func rejectsDecompressionBomb() throws {
        try scratch.drop("zeros.txt", [UInt8](repeating: UInt8(ascii: "a"), count: 64 << 20))
        try run("gzip", ["-9", "zeros.txt"], in: scratch.inbox)
        let bomb = try Data(contentsOf: URL(filePath: "\(scratch.inbox)/zeros.txt.gz"))
        #expect(
            try admit("bomb.txt.gz", bomb)
                == .rejected(
                    reason: "expands to more than 200 times its size, the limit set by inbox.max_expansion_ratio"))
    }

    /// Fixtures of Python's zipfile: a.txt "one", deep/b.md "two", .hidden and __MACOSX/c "no"
    /// (`python3 -m zipfile -c members.zip a.txt deep .hidden __MACOSX`), and a.txt beside the table t.csv (mixed.zip).
    @Test func joinsZipMembersIntoOneCorpus() throws {
        let whole = try fixture("members.zip")
        guard case .admitted(let corpus) = try admit("y.zip", whole) else { Issue.record("not admitted"); return }
        #expect(scratch.text(corpus.path) == "one\n\ntwo")
        #expect(corpus.documents == 2)
        #expect(!corpus.isStructured)

        #expect(
            try admit("m.zip", fixture("mixed.zip"))
                == .rejected(reason: "contains both tables and plain text: put them into separate archives"))

        // Sets the encryption flag in both headers of a member.
        var locked = whole
        locked[6] |= 1
        let central = try #require(locked.range(of: Data([0x50, 0x4B, 1, 2])))
        locked[central.lowerBound + 8] |= 1
        guard case .rejected(let reason) = try admit("l.zip", locked) else { Issue.record("admitted"); return }
        #expect(reason.text.contains("encrypted"))
    }

    @Test func joinsConcatenatedGzipMembers() throws {
        try scratch.drop("a", "one ")
        try scratch.drop("b", "two")
        try run(
            "sh", ["-c", "gzip -c a > c.txt.gz; gzip -c b >> c.txt.gz; head -c 700 /dev/zero >> c.txt.gz"],
            in: scratch.inbox)
        guard
            case .admitted(let corpus) = try admit(
                "d.txt.gz", try Data(contentsOf: URL(filePath: "\(scratch.inbox)/c.txt.gz")))
        else { Issue.record("not admitted"); return }
        #expect(scratch.text(corpus.path) == "one two")
    }
}
