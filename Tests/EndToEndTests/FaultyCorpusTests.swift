import Foundation
import Glibc
import Interface
import Testing
import Varlink

/// A corpus that makes runs fail must not prevent training on the others.
@Suite(
    "Faulty corpora", .serialized, .timeLimit(.minutes(30)),
    .enabled(if: Programs.areBuilt, "\(Programs.missing)"))
struct FaultyCorpusTests {
    /// Random letters, for which a tokenizer would need about 200 MB.
    private static let noLanguage: [UInt8] = {
        var random = SplitMix64(state: 7)
        return (0..<12_000_000).map { _ in UInt8(ascii: "a") + UInt8(random.next() % 26) }
    }()

    private func corpus(_ sha256: String, _ service: RunningService) throws -> ManagerInterface.Corpus? {
        try service.client().call(ManagerInterface.ListCorpora.self, .init()).corpora.first { $0.sha256 == sha256 }
    }

    @Test("A faulty corpus is named and set aside, and the run restarts without it; dropped again, it is retried")
    func quarantinesFaultyCorpus() throws {
        let service = try RunningService(
            settings: GateTests.settings(steps: 20, more: "training:\n  memory_limit: 350M\n  restart_wait: 10ms"))
        try service.start()
        var events = try service.watch()
        try service.drop("bad.txt", Self.noLanguage)
        let bad = try #require(try events.first("corpus_admitted").corpus)
        let setAside = try events.first("corpus_set_aside")
        #expect(setAside.corpus == bad && setAside.run == "kantaibert-1")
        #expect(setAside.message.contains("bad.txt is set aside"))
        #expect(setAside.message.contains("kbctl corpora rm \(bad.prefix(12))"))
        #expect(try events.first("run_failed").message.contains("the corpus bad.txt"))
        #expect(try corpus(bad, service)?.state == .setAside && corpus(bad, service)?.models == [])
        #expect(try service.kbctl("corpora", "--state", "set_aside").output.contains("set_aside"))
        // Other corpora are trained on, also after a restart.
        #expect(try service.stop().status == 0)
        try service.start()
        events = try service.watch()
        try service.drop("good.txt", Grammar.text(lines: 500, seed: 3).utf8)
        let good = try #require(try events.first("corpus_admitted").corpus)
        #expect(try events.first("generation_serves").number("generation") == 1)

        // Drop the faulty corpus again: the run fails once more. The other corpus has already been trained on.
        let last = try #require(try service.client().call(ManagerInterface.ListRuns.self, .init()).runs.first?.id)
        try service.drop("bad again.txt", Self.noLanguage)
        #expect(
            try events.first("corpus_duplicate").message.contains(
                "of a corpus that was set aside, which is tried again"))
        let again = try events.first("corpus_set_aside")
        #expect(again.run != last)
        _ = try events.first("run_failed")
        #expect(try service.client().call(ManagerInterface.GetStatus.self, .init()).queued.isEmpty)
        #expect(
            try service.client().call(ManagerInterface.Train.self, .init(model: "kantaibert", force: true)).runs != [])
        #expect(try events.first("corpus_set_aside").corpus == bad)
        #expect(try service.kbctl("corpora", "rm", bad).status == 0)
        #expect(try corpus(bad, service)?.state == .removed && corpus(good, service)?.state == .admitted)
        _ = try service.stop()
    }

    @Test("An overlong line is divided and trained on in little memory")
    func trainsOnOverlongLine() throws {
        // The unsplit line with its text and tokens would exceed this limit.
        let service = try RunningService(
            settings: GateTests.settings(steps: 20, more: "training:\n  memory_limit: 250M\n  max_restarts: 0"))
        try service.start()
        let events = try service.watch()
        let word = Array("understanding ".utf8)
        let line = (0..<64 << 20).map { word[$0 % word.count] }
        try service.drop("long.txt", Array(Grammar.text(lines: 500, seed: 3).utf8) + line)
        let sha256 = try #require(try events.first("corpus_admitted").corpus)
        let summary = try events.first("text_summary")
        #expect(try #require(summary.number("units")) > 100_000, "\(summary)")
        _ = try events.first("generation_serves")
        #expect(try corpus(sha256, service)?.state == .admitted)
        _ = try service.stop()
    }
}
