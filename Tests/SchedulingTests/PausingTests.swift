import FoundationEssentials
import Scheduling
import Testing

/// Training that a user pauses.
struct PausingTests {
    private static func at(_ seconds: Double) -> Scheduler.Timestamp { SchedulerTests.at(seconds) }

    @Test func activeRunStopsAndContinuesAfterResume() {
        var scheduler = SchedulerTests.fresh()
        _ = scheduler.corpusAdmitted("x", for: ["a"], now: Self.at(0))
        _ = scheduler.tick(now: Self.at(10))
        let entry = Scheduler.Entry(run: "a-1", model: "a", corpora: ["x"])
        #expect(scheduler.running == entry)
        #expect(scheduler.pause(["a"], now: Self.at(11)) == [.pause(entry)])
        #expect(scheduler.isPaused("a") && !scheduler.isPaused("b"))
        #expect(scheduler.paused("a-1", now: Self.at(12)) == [])
        #expect(scheduler.queue == [entry])
        #expect(scheduler.resume(["a"], now: Self.at(13)) == [.start(entry, resumes: true)])
    }

    @Test func otherModelsAreTrainedMeanwhile() {
        var scheduler = SchedulerTests.fresh()
        _ = scheduler.pause(["a"], now: Self.at(0))
        _ = scheduler.corpusAdmitted("x", for: ["a", "b"], now: Self.at(0))
        let actions = scheduler.tick(now: Self.at(10))
        #expect(
            actions.contains(.start(.init(run: "b-1", model: "b", corpora: ["x"]), resumes: false)), "\(actions)")
        #expect(scheduler.queue == [.init(run: "a-1", model: "a")])
        #expect(scheduler.nextRun("a", now: Self.at(11)) == nil)
    }

    @Test func pauseSurvivesARestart() {
        var scheduler = SchedulerTests.fresh()
        _ = scheduler.pause(["b", "a"], now: Self.at(0))
        #expect(scheduler.memory.paused == ["a", "b"])
        var restarted = Scheduler(models: [SchedulerTests.model("a", eligibleCorpora: ["x"])])
        let unfinished = Scheduler.Entry(run: "a-1", model: "a", corpora: ["x"])
        let actions = restarted.start(unfinished: [unfinished], memory: scheduler.memory, now: Self.at(20))
        #expect(!actions.contains { if case .start = $0 { true } else { false } }, "\(actions)")
        // A model that is not configured any more is forgotten.
        #expect(restarted.memory.paused == ["a"])
    }

    @Test func manualTrainingEndsThePause() throws {
        var scheduler = SchedulerTests.fresh()
        _ = scheduler.pause(["a"], now: Self.at(0))
        #expect(throws: Scheduler.Refusal.noCorpus) { try scheduler.train("a", force: true, now: Self.at(1)).get() }
        #expect(scheduler.isPaused("a"), "nothing is trained")
        _ = scheduler.corpusAdmitted("x", for: ["a"], now: Self.at(2))
        let (run, actions) = try scheduler.train("a", force: false, now: Self.at(3)).get()
        #expect(run == "a-1" && !scheduler.isPaused("a"))
        #expect(actions.contains { if case .start = $0 { true } else { false } })
    }

    @Test func trainingByHandContinuesARunThatIsAboutToStop() throws {
        var scheduler = SchedulerTests.fresh()
        _ = scheduler.corpusAdmitted("x", for: ["a"], now: Self.at(0))
        _ = scheduler.tick(now: Self.at(10))
        _ = scheduler.pause(["a"], now: Self.at(11))
        let (run, actions) = try scheduler.train("a", force: false, now: Self.at(12)).get()
        #expect(run == "a-1" && actions == [] && !scheduler.isPaused("a"))
        let entry = Scheduler.Entry(run: "a-1", model: "a", corpora: ["x"], isManual: true)
        #expect(scheduler.paused("a-1", now: Self.at(13)) == [.start(entry, resumes: true)])
    }

    @Test func stateOfAnOlderVersionHasNoPause() throws {
        let old = try JSONDecoder().decode(
            Scheduler.PersistedState.self, from: Data(#"{"elapsed":{},"byHand":[]}"#.utf8))
        #expect(old == Scheduler.PersistedState())
    }
}
