import Foundation
import Interface
import Jobs
import Testing
import Varlink

/// New text is learned from the generation that serves.
@Suite("Warm starts", .serialized, .timeLimit(.minutes(30)), .enabled(if: Programs.areBuilt, "\(Programs.missing)"))
struct WarmStartTests {
    private static func settings(steps: Int, more: String = "") -> String {
        GateTests.settings(steps: steps).replacing(
            "preset: tiny", with: "preset: tiny\n  start: auto\n  samples: lines\n  \(more)")
    }

    private func facts(_ generation: Int, _ service: RunningService) throws -> TrainingFacts {
        try #require(try TrainingFacts.read(directory: "\(service.folder)/models/kantaibert/\(generation)"))
    }

    @Test("A little new text starts from the generation that serves, and from random weights once a corpus is removed")
    func startsFromServingGenerationUntilACorpusIsRemoved() throws {
        let service = try RunningService(settings: Self.settings(steps: 200))
        try service.start()
        let events = try service.watch()
        try service.drop("a.txt", Grammar.text(lines: 3000, seed: 3).utf8)
        _ = try events.first("run_finished")
        #expect(try facts(1, service).startedFrom == nil && facts(1, service).heldOutByHash == true)

        try service.drop("b.txt", Grammar.text(lines: 300, seed: 4).utf8)
        let sha256 = try #require(try events.first("corpus_admitted").corpus)
        let start = try events.first("start_chosen")
        #expect(start.number("generation") == 1 && start.message.contains("starts from generation 1"), "\(start)")
        #expect(try events.first("generation_serves").number("generation") == 2)
        #expect(try facts(2, service).startedFrom == 1 && facts(2, service).warmStarts == 1)

        #expect(try service.kbctl("corpora", "rm", sha256).status == 0)
        try service.drop("c.txt", Grammar.text(lines: 300, seed: 5).utf8)
        let fresh = try events.first("start_chosen")
        #expect(fresh.message.contains("random weights") && fresh.message.contains("b.txt"), "\(fresh)")
        _ = try events.first("run_finished")
        #expect(try facts(3, service).startedFrom == nil)
        #expect(try service.stop().status == 0)
    }

    @Test("A model that is worse than the generation it started from is followed by one run from random weights")
    func lostWarmStartIsRepeatedFreshOnce() throws {
        let service = try RunningService(settings: Self.settings(steps: 400))
        try service.start()
        var events = try service.watch()
        try service.drop("a.txt", Grammar.text(lines: 3000, seed: 3).utf8)
        _ = try events.first("generation_serves")
        #expect(try service.stop().status == 0)

        // Nothing is left of the generation, and three steps are not enough to match it.
        let settings = Self.settings(steps: 3, more: "shrink: 0")
        try Data(settings.utf8).write(to: URL(filePath: service.folder + "/kantaibert.yaml"))
        try service.start()
        events = try service.watch()
        try service.drop("b.txt", Grammar.text(lines: 300, seed: 4).utf8)
        #expect(try events.first("generation_rejected").number("generation") == 2)
        let again = try events.first("the run from random weights") { $0.fields["lost"] != nil }
        #expect(again.run == "kantaibert-3" && again.number("generation") == 1, "\(again)")
        #expect(try events.first("generation_rejected").number("generation") == 3)
        #expect(try facts(2, service).startedFrom == 1 && facts(3, service).startedFrom == nil)
        // Nothing is new after a restart, either.
        #expect(try service.stop().status == 0)
        try service.start()
        let status = try service.client().call(ManagerInterface.GetStatus.self, .init())
        #expect(status.run == nil)
        let runs = try service.client().call(ManagerInterface.ListRuns.self, .init()).runs
        #expect(runs.count == 3 && runs.allSatisfy { $0.state == .finished })
        #expect(try service.stop().status == 0)
    }
}
