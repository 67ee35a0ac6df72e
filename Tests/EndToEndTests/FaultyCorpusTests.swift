import Foundation
import Glibc
import Interface
import Testing
import Varlink

/// One text that runs fail of does not keep the others from being learned.
@Suite(
    "A corpus at fault", .serialized, .timeLimit(.minutes(10)),
    .enabled(if: Programs.areBuilt, "\(Programs.missing)"))
struct FaultyCorpusTests {
    /// Of which a tokenizer would need some 200 MB.
    private static let noLanguage: [UInt8] = {
        var random = SplitMix64(state: 7)
        return (0..<12_000_000).map { _ in UInt8(ascii: "a") + UInt8(random.next() % 26) }
    }()

    private func corpus(_ sha256: String, _ service: RunningService) throws -> ManagerInterface.Corpus? {
        try service.client().call(ManagerInterface.ListCorpora.self, .init()).corpora.first { $0.sha256 == sha256 }
    }

    @Test("It is named, set aside, and the run begins again without it; brought again, it is tried again")
    func setAside() throws {
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
        // The others are trained on, after a restart too.
        #expect(try service.stop().status == 0)
        try service.start()
        events = try service.watch()
        try service.drop("good.txt", Grammar.text(lines: 500, seed: 3).utf8)
        let good = try #require(try events.first("corpus_admitted").corpus)
        #expect(try events.first("generation_serves").number("generation") == 1)

        // Both together, as somebody wants it tried again: the run fails once more. What is left has been learned.
        let last = try #require(try service.client().call(ManagerInterface.ListRuns.self, .init()).runs.first?.id)
        try service.drop("bad again.txt", Self.noLanguage)
        #expect(try events.first("corpus_duplicate").message.contains("had been set aside, and is tried again"))
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

    @Test("A line without end is trained on in little memory, and it is said that it was cut")
    func endlessLine() throws {
        // The line, its text and its tokens as a whole would be more than that.
        let service = try RunningService(
            settings: GateTests.settings(steps: 20, more: "training:\n  memory_limit: 250M\n  max_restarts: 0"))
        try service.start()
        let events = try service.watch()
        let word = Array("understanding ".utf8)
        let line = (0..<64 << 20).map { word[$0 % word.count] }
        try service.drop("long.txt", Array(Grammar.text(lines: 500, seed: 3).utf8) + line)
        let sha256 = try #require(try events.first("corpus_admitted").corpus)
        let cut = try events.first("corpus_cut")
        #expect(cut.corpus == sha256 && cut.number("units") == 1, "\(cut)")
        _ = try events.first("generation_serves")
        #expect(try corpus(sha256, service)?.state == .admitted)
        _ = try service.stop()
    }
}
