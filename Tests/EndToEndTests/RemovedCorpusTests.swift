import Foundation
import Glibc
import Interface
import Testing
import Varlink

/// The text of a removed corpus must be deleted once nothing needs it, and not before.
@Suite(
    "Removed corpora", .serialized, .timeLimit(.minutes(30)),
    .enabled(if: Programs.areBuilt, "\(Programs.missing)"))
struct RemovedCorpusTests {
    private func isStored(_ sha256: String, _ service: RunningService) -> Bool {
        FileManager.default.fileExists(atPath: "\(service.folder)/corpus/\(sha256)")
    }

    private func wordCounts(_ service: RunningService) throws -> [String] {
        try FileManager.default.contentsOfDirectory(atPath: "\(service.folder)/word-counts")
    }

    /// Waits for the text to be deleted without any other activity, such as a new file or a restart.
    private func waitUntilDeleted(_ sha256: String, _ service: RunningService) throws {
        let deadline = ContinuousClock.now.advanced(by: .seconds(300))
        while isStored(sha256, service) {
            try #require(ContinuousClock.now < deadline, "the text is still stored")
            usleep(10_000)
        }
    }

    @Test("A run keeps the text of a removed corpus until it ends, also across a kill", arguments: [0, 1])
    func runKeepsRemovedCorpusUntilItEnds(kills: Int) throws {
        let service = try RunningService(settings: EndToEndTests.endless)
        try service.start()
        var events = try service.watch()
        try service.drop("a.txt", Grammar.text(lines: 500, seed: 3).utf8)
        let sha256 = try #require(try events.first("corpus_admitted").corpus)
        _ = try events.first("checkpoint")
        #expect(try service.kbctl("corpora", "rm", sha256).status == 0)
        #expect(isStored(sha256, service))
        for _ in 0..<kills {
            try service.kill()
            try service.start()
            events = try service.watch()
        }
        _ = try events.first("a step") { $0.kind == "step" }
        #expect(isStored(sha256, service))
        let run = try #require(try service.client().call(ManagerInterface.GetStatus.self, .init()).run?.id)
        #expect(try service.kbctl("cancel", run).status == 0)
        try waitUntilDeleted(sha256, service)
        #expect(try wordCounts(service).allSatisfy { !$0.contains(sha256) })
        _ = try service.stop()
    }

    @Test("A corpus that was trained on, removed and dropped again is trained on again, also after a restart")
    func trainsAgainOnCorpusDroppedAgain() throws {
        let service = try RunningService(
            settings: InboxAdversityTests.settings.replacing("settle: 24h", with: "settle: 1s")
                .replacing("preset: tiny", with: "preset: tiny\n  max_steps: 2"))
        let text = Grammar.text(lines: 500, seed: 3)
        try service.start()
        var events = try service.watch()
        for round in 0..<2 {
            try service.drop("a.txt", text.utf8)
            let sha256 = try #require(try events.first("corpus_admitted").corpus)
            _ = try events.first("run_finished")
            #expect(try service.kbctl("corpora", "rm", sha256).status == 0)
            guard round == 0 else { continue }
            _ = try service.stop()
            try service.start()
            events = try service.watch()
        }
        _ = try service.stop()
    }

    @Test("A text deleted from the store is reported with a remedy, and restored when it is dropped again")
    func reportsDeletedCorpus() throws {
        let service = try RunningService(settings: InboxAdversityTests.settings)
        try service.start()
        let events = try service.watch()
        let text = Grammar.text(lines: 500, seed: 3)
        try service.drop("a.txt", text.utf8)
        let sha256 = try #require(try events.first("corpus_admitted").corpus)
        #expect(unlink("\(service.folder)/corpus/\(sha256)") == 0)
        #expect(try service.kbctl("train", "kantaibert").status == 0)
        let failed = try events.first("run_failed")
        #expect(failed.runState == .failed && failed.level == .error)
        #expect(failed.message.contains("corpus/: a.txt."), "\(failed.message)")
        #expect(failed.message.contains("kbctl corpora rm \(sha256.prefix(12))’"), "\(failed.message)")
        try service.drop("b.txt", text.utf8)
        #expect(try events.first("corpus_duplicate").corpus == sha256)
        #expect(isStored(sha256, service))
        #expect(try service.kbctl("train", "kantaibert").status == 0)
        #expect(try events.first("run_finished").runState == .finished)
        _ = try service.stop()
    }

    @Test("A text changed in the store is rejected, and restored when it is dropped again")
    func rejectsChangedCorpus() throws {
        let service = try RunningService(settings: InboxAdversityTests.settings)
        try service.start()
        let events = try service.watch()
        let text = Grammar.text(lines: 500, seed: 3)
        try service.drop("a.txt", text.utf8)
        let sha256 = try #require(try events.first("corpus_admitted").corpus)
        let path = "\(service.folder)/corpus/\(sha256)"
        let planted = Data(Grammar.text(lines: 600, seed: 4).utf8.prefix(text.utf8.count))
        #expect(planted.count == text.utf8.count)
        try #require(unlink(path) == 0)
        try planted.write(to: URL(filePath: path))
        #expect(try service.kbctl("train", "kantaibert").status == 0)
        let failed = try events.first("run_failed")
        #expect(failed.message.contains("the corpus ‘a.txt’ was changed or damaged"), "\(failed.message)")
        #expect(failed.message.contains("kbctl corpora rm \(sha256.prefix(12))’"), "\(failed.message)")
        #expect(failed.message.contains("Put the file into the inbox again"), "\(failed.message)")

        try service.drop("b.txt", text.utf8)
        let found = try events.first("the damage") { $0.kind == "problem" }
        #expect(found.message.contains("has different contents"), "\(found.message)")
        #expect(found.message.contains("\(sha256).damaged-1"), "\(found.message)")
        #expect(try events.first("corpus_duplicate").corpus == sha256)
        #expect(FileManager.default.contents(atPath: path) == Data(text.utf8))
        #expect(FileManager.default.contents(atPath: path + ".damaged-1") == planted)
        #expect(try service.kbctl("train", "kantaibert").status == 0)
        _ = try events.first("run_finished")
        _ = try service.stop()
    }

    @Test("After a kill during its removal, a corpus is either admitted and stored, or removed and deleted")
    func removalIsAtomicUnderKill() throws {
        let service = try RunningService(settings: InboxAdversityTests.settings)
        try service.start()
        var outcomes: [Bool: Int] = [:]
        // The duration of a removal, to place the kills within it.
        var whole = 0.02
        for moment in 0...30 {
            let events = try service.watch()
            try service.drop("f\(moment).txt", "text \(moment)\n".utf8)
            let sha256 = try #require(try events.first("corpus_admitted").corpus)
            let began = ContinuousClock.now
            if moment == 0 {
                #expect(try service.kbctl("corpora", "rm", sha256).status == 0)
                whole = began.duration(to: .now) / .seconds(1)
                #expect(!isStored(sha256, service))
                continue
            }
            _ = try Programs.run("kbctl", ["corpora", "rm", sha256, "--socket", service.socket]) { _ in
                usleep(UInt32(Double.random(in: 0..<1.2) * whole * 1e6))
                try service.kill()
            }
            try service.start()
            let state = try service.client().call(ManagerInterface.ListCorpora.self, .init()).corpora
                .first { $0.sha256 == sha256 }?.state
            #expect(isStored(sha256, service) == (state == .admitted), "\(String(describing: state))")
            #expect(state == .admitted || state == .removed)
            outcomes[state == .removed, default: 0] += 1
        }
        print("30 kills within \(whole) s of a removal; \(outcomes[true, default: 0]) removals had completed")
        #expect(outcomes[true, default: 0] > 0)
        _ = try service.stop()
    }
}
