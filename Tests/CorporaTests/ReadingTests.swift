import Corpora
import Foundation
import Testing
import TextFilters
import TextReading

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

    /// The texts of threads are kept in a file without a name.
    @Test func putsThreadsTogether() throws {
        var options = ReadingOptions()
        options.table.hasThreads = true
        let filling = String(repeating: "and so on ", count: 100)
        let rows = (0..<300).reversed().map { index in
            "\(index),x,\(index % 2 == 0 ? "True" : "False"),\(filling)\(index),\(index % 2 == 0 ? "" : "\(index - 1)")\n"
        }
        let table = "tweet_id,author_id,inbound,text,in_response_to_tweet_id\n" + rows.joined()
        guard case .admitted(let corpus) = try admit("threads.csv", table.utf8, options) else {
            Issue.record("not admitted")
            return
        }
        let stored = try String(contentsOf: URL(filePath: corpus.path), encoding: .utf8)
        let expected = stride(from: 298, through: 0, by: -2).map { index in
            #"{"messages":[{"role":"user","content":"\#(filling)\#(index)"},"#
                + #"{"role":"assistant","content":"\#(filling)\#(index + 1)"}]}"# + "\n"
        }.joined()
        #expect(stored == expected)
        #expect(corpus.documents == 150 && corpus.warnings == [])
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
}
