import Scheduling
import FoundationEssentials
import Jobs
import Testing

@Suite("Scheduler")
struct SchedulerTests {
    static let start = Scheduler.Timestamp.now
    static func at(_ seconds: Double) -> Scheduler.Timestamp {
        .init(time: start.time.advanced(by: .seconds(seconds)), date: start.date.addingTimeInterval(seconds))
    }
    static let settling = settling(.seconds(10))

    /// A schedule that trains when no corpus has arrived for `settle`.
    static func settling(_ settle: Duration) -> TrainingSchedule {
        TrainingSchedule(
            onArrival: true, settle: settle, everySeconds: nil, calendar: nil, window: nil, local: .utc)
    }

    static func model(
        _ name: String, eligibleCorpora: [String] = [], learned: Set<String> = [], attempted: Set<String> = []
    ) -> Scheduler.Model {
        Scheduler.Model(
            name: name, schedule: settling, eligibleCorpora: eligibleCorpora, learned: learned, attempted: attempted)
    }

    /// A scheduler of two models, started at 0.
    static func fresh(_ models: [Scheduler.Model] = [model("a"), model("b")]) -> Scheduler {
        var scheduler = Scheduler(models: models)
        _ = scheduler.start(unfinished: [], now: at(0))
        return scheduler
    }

    @Test("Once no corpus has arrived for settle, each eligible model gets a run, one after the other")
    func startsRunsOnceCorporaHaveSettled() {
        var scheduler = Self.fresh()
        #expect(scheduler.corpusAdmitted("x", for: ["a", "b"], now: Self.at(0)) == [.wake(Self.at(10).time)])
        #expect(scheduler.corpusAdmitted("y", for: ["a", "b"], now: Self.at(8)) == [.wake(Self.at(18).time)])
        #expect(scheduler.tick(now: Self.at(10)) == [.wake(Self.at(18).time)])
        let a = Scheduler.Entry(run: "a-1", model: "a")
        let b = Scheduler.Entry(run: "b-1", model: "b")
        let started = Scheduler.Entry(run: "a-1", model: "a", corpora: ["x", "y"])
        #expect(scheduler.tick(now: Self.at(18)) == [.enqueued(a), .enqueued(b), .start(started, resumes: false)])
        #expect(scheduler.queue == [b])
        let next = Scheduler.Entry(run: "b-1", model: "b", corpora: ["x", "y"])
        #expect(
            scheduler.ended("a-1", published: true, now: Self.at(30)) == [.start(next, resumes: false)])
        #expect(scheduler.ended("b-1", published: true, now: Self.at(40)) == [])
    }

    @Test("A removed corpus is not trained on, and its removal does not start a run")
    func removedCorpusIsNotTrainedOn() {
        var scheduler = Self.fresh([
            Self.model("a", eligibleCorpora: ["x", "y"], learned: ["x", "y"], attempted: ["x", "y"])
        ])
        #expect(scheduler.corporaRemoved(["y"], now: Self.at(99)) == [])
        #expect(scheduler.tick(now: Self.at(100)) == [])
        var again = Self.fresh([Self.model("a", eligibleCorpora: ["x"], learned: ["x", "y"], attempted: ["x", "y"])])
        #expect(again.tick(now: Self.at(100)) == [], "after a restart")
        let started = Scheduler.Entry(run: "a-1", model: "a", corpora: ["x"], isManual: true)
        guard case .success((_, let actions)) = scheduler.train("a", force: false, now: Self.at(101)) else {
            Issue.record("the run was refused")
            return
        }
        #expect(actions.last == .start(started, resumes: false))
    }

    @Test("A corpus that was trained on and removed is new when it is admitted again")
    func removedAndAdmittedAgain() {
        var scheduler = Self.fresh([
            Self.model("a", eligibleCorpora: ["x", "y"], learned: ["x", "y"], attempted: ["x", "y"])
        ])
        #expect(scheduler.corporaRemoved(["y"], now: Self.at(1)) == [])
        #expect(scheduler.corpusAdmitted("y", for: ["a"], now: Self.at(2)) == [.wake(Self.at(12).time)])
        let started = Scheduler.Entry(run: "a-1", model: "a", corpora: ["x", "y"])
        #expect(scheduler.tick(now: Self.at(12)).last == .start(started, resumes: false))
        #expect(scheduler.corpusAdmitted("y", for: ["a"], now: Self.at(13)) == [], "it is still eligible")
    }

    @Test("Corpora that are admitted together wait and are trained on together")
    func corporaAdmittedTogetherAreTrainedOnTogether() {
        var scheduler = Self.fresh()
        let corpora = [("x", ["a"]), ("y", ["a", "b"]), ("x", ["a"])]
        #expect(scheduler.corporaAdmitted(corpora, now: Self.at(0)) == [.wake(Self.at(10).time)])
        let actions = scheduler.tick(now: Self.at(10))
        #expect(actions.contains(.start(Scheduler.Entry(run: "a-1", model: "a", corpora: ["x", "y"]), resumes: false)))
        #expect(scheduler.queue == [Scheduler.Entry(run: "b-1", model: "b")])
        #expect(scheduler.corporaAdmitted([], now: Self.at(11)) == [])
    }

    @Test("Corpora that are removed together drop a queued run once, and leave the others in their order")
    func removedTogether() throws {
        var scheduler = Self.fresh([Self.model("a", eligibleCorpora: ["u", "v", "w", "x"]), Self.model("b")])
        _ = scheduler.corporaAdmitted([("y", ["b"]), ("z", ["b"])], now: Self.at(0))
        _ = scheduler.tick(now: Self.at(200))
        #expect(scheduler.running?.run == "a-1" && scheduler.queue.map(\.run) == ["b-1"])
        let actions = scheduler.corporaRemoved(["v", "y", "z", "unknown"], now: Self.at(201))
        #expect(actions.filter { if case .dropped = $0 { true } else { false } }.count == 1)
        #expect(scheduler.queue.isEmpty)
        _ = scheduler.ended("a-1", published: false, now: Self.at(202))
        let started = Scheduler.Entry(run: "a-2", model: "a", corpora: ["u", "w", "x"], isManual: true)
        let next = try scheduler.train("a", force: true, now: Self.at(203)).get().actions
        #expect(next.last == .start(started, resumes: false))
    }

    @Test("A corpus that is removed from one model stays with the others, and is new to that model when it comes again")
    func removedFromOneModel() throws {
        var scheduler = Self.fresh([
            Self.model("a", eligibleCorpora: ["x", "y"]), Self.model("b", eligibleCorpora: ["x"]),
        ])
        _ = scheduler.corporaRemoved(["x"], keptFor: ["x": ["b"]], now: Self.at(0))
        let actions = try scheduler.train("b", force: true, now: Self.at(1)).get().actions
        let started = Scheduler.Entry(run: "b-1", model: "b", corpora: ["x"], isManual: true)
        #expect(actions.contains(.start(started, resumes: false)))
        _ = scheduler.ended("b-1", published: true, now: Self.at(2))
        let next = try scheduler.train("a", force: true, now: Self.at(3)).get().actions
        let other = Scheduler.Entry(run: "a-1", model: "a", corpora: ["y"], isManual: true)
        #expect(next.contains(.start(other, resumes: false)))
    }

    @Test("A run that ended in vain is followed by another one of the same corpora, and that one by none")
    func runEndedInVainIsRepeatedOnce() throws {
        var scheduler = Self.fresh([Self.model("a", eligibleCorpora: ["x"])])
        _ = try scheduler.train("a", force: false, now: Self.at(1)).get()
        let again = Scheduler.Entry(run: "a-2", model: "a", isManual: true)
        let started = Scheduler.Entry(run: "a-2", model: "a", corpora: ["x"], isManual: true)
        #expect(
            scheduler.endedInVain("a-1", now: Self.at(2)) == [.enqueued(again), .start(started, resumes: false)])
        #expect(scheduler.ended("a-2", published: true, now: Self.at(3)) == [])
        #expect(scheduler.tick(now: Self.at(1000)) == [])
    }

    @Test("A run that ended in vain is not repeated if another one is queued, or no corpus is left")
    func runEndedInVainIsNotRepeatedNeedlessly() throws {
        var scheduler = Self.fresh([Self.model("a", eligibleCorpora: ["x"])])
        _ = try scheduler.train("a", force: false, now: Self.at(1)).get()
        _ = try scheduler.train("a", force: true, now: Self.at(2)).get()
        #expect(scheduler.queue.map(\.run) == ["a-2"])
        let actions = scheduler.endedInVain("a-1", now: Self.at(3))
        #expect(!actions.contains { if case .enqueued = $0 { true } else { false } })
        #expect(scheduler.running?.run == "a-2")
        _ = scheduler.corporaRemoved(["x"], now: Self.at(4))
        #expect(scheduler.endedInVain("a-2", now: Self.at(5)) == [])
    }

    @Test("A queued run is dropped with its last corpus")
    func queuedRunIsDroppedWithItsLastCorpus() {
        var scheduler = Self.fresh([Self.model("a"), Self.model("b"), Self.model("c")])
        _ = scheduler.corpusAdmitted("x", for: ["a"], now: Self.at(0))
        _ = scheduler.corpusAdmitted("y", for: ["b"], now: Self.at(1))
        _ = scheduler.tick(now: Self.at(200))
        #expect(scheduler.running?.run == "a-1")
        #expect(scheduler.queue.map(\.run) == ["b-1"])
        #expect(scheduler.corporaRemoved(["x"], now: Self.at(201)) == [], "the active run keeps its corpora")
        let dropped = scheduler.corporaRemoved(["y"], now: Self.at(202))
        #expect(dropped.first == .dropped(Scheduler.Entry(run: "b-1", model: "b")))
        #expect(scheduler.queue.isEmpty)
        let next = scheduler.ended("a-1", published: true, now: Self.at(203))
        #expect(!next.contains { if case .start = $0 { true } else { false } })
    }

    @Test("A corpus for one model trains only that model")
    func corpusForOneModelTrainsOnlyThatModel() {
        var scheduler = Self.fresh()
        _ = scheduler.corpusAdmitted("x", for: ["b"], now: Self.at(0))
        let started = Scheduler.Entry(run: "b-1", model: "b", corpora: ["x"])
        #expect(
            scheduler.tick(now: Self.at(10)) == [
                .enqueued(.init(run: "b-1", model: "b")), .start(started, resumes: false),
            ])
        #expect(scheduler.queue.isEmpty)
    }

    @Test("A corpus that arrives during a run is trained on afterwards, once it has settled")
    func trainsAfterwardsOnCorpusThatArrivesDuringRun() {
        var scheduler = Self.fresh()
        _ = scheduler.corpusAdmitted("x", for: ["a"], now: Self.at(0))
        _ = scheduler.tick(now: Self.at(10))
        _ = scheduler.corpusAdmitted("y", for: ["a"], now: Self.at(15))
        #expect(scheduler.tick(now: Self.at(25)) == [.enqueued(.init(run: "a-2", model: "a"))])
        let started = Scheduler.Entry(run: "a-2", model: "a", corpora: ["x", "y"])
        #expect(scheduler.ended("a-1", published: true, now: Self.at(30)) == [.start(started, resumes: false)])
    }

    @Test("A corpus that arrives while the run is queued becomes part of that run")
    func queuedRunIncludesNewCorpus() {
        var scheduler = Self.fresh()
        _ = scheduler.corpusAdmitted("x", for: ["a", "b"], now: Self.at(0))
        _ = scheduler.tick(now: Self.at(10))
        _ = scheduler.corpusAdmitted("y", for: ["b"], now: Self.at(11))
        #expect(scheduler.tick(now: Self.at(21)) == [])
        let started = Scheduler.Entry(run: "b-1", model: "b", corpora: ["x", "y"])
        #expect(scheduler.ended("a-1", published: true, now: Self.at(30)) == [.start(started, resumes: false)])
        #expect(scheduler.ended("b-1", published: true, now: Self.at(40)) == [])
    }

    @Test("Nothing is trained without a new corpus")
    func trainsOnlyOnNewCorpora() {
        var scheduler = Scheduler(models: [Self.model("a", eligibleCorpora: ["x"], learned: ["x"], attempted: ["x"])])
        #expect(scheduler.start(unfinished: [], now: Self.at(0)) == [])
        #expect(scheduler.corpusAdmitted("x", for: ["a"], now: Self.at(1)) == [])
        #expect(throws: Scheduler.Refusal.nothingNew) { try scheduler.train("a", force: false, now: Self.at(2)).get() }
        #expect(throws: Scheduler.Refusal.unknownModel) { try scheduler.train("c", force: true, now: Self.at(2)).get() }
        #expect((try? scheduler.train("a", force: true, now: Self.at(2)).get())?.run == "a-1")
    }

    @Test("A failed run is repeated only on request or when a new corpus arrives")
    func failedRunIsNotRepeatedWithoutReason() throws {
        var scheduler = Self.fresh([Self.model("a")])
        _ = scheduler.corpusAdmitted("x", for: ["a"], now: Self.at(0))
        _ = scheduler.tick(now: Self.at(10))
        #expect(scheduler.ended("a-1", published: false, now: Self.at(11)) == [])
        #expect(scheduler.nextRun("a", now: Self.at(11)) == nil)
        let (run, _) = try scheduler.train("a", force: false, now: Self.at(12)).get()
        #expect(run == "a-2")
        #expect(scheduler.ended("a-2", published: false, now: Self.at(13)) == [])
        #expect(scheduler.corpusAdmitted("y", for: ["a"], now: Self.at(20)) == [.wake(Self.at(30).time)])
    }

    @Test("Corpora that arrived while the service was down are trained on")
    func trainsOnCorporaThatArrivedWhileDown() {
        var scheduler = Scheduler(models: [
            Self.model("a", eligibleCorpora: ["x", "y"], learned: ["x"], attempted: ["x"])
        ])
        #expect(scheduler.start(unfinished: [], now: Self.at(0)) == [.wake(Self.at(10).time)])
        #expect(scheduler.nextRun("a", now: Self.at(4)) == .begins(Self.at(10).date))
    }

    @Test("An unfinished run resumes with its own corpora and is not queued twice")
    func unfinishedRunResumesWithItsCorpora() {
        var scheduler = Scheduler(models: [Self.model("a", eligibleCorpora: ["x", "y"])])
        let unfinished = Scheduler.Entry(run: "a-7", model: "a", corpora: ["x", "y"])
        #expect(
            scheduler.start(unfinished: [unfinished], now: Self.at(0)) == [
                .enqueued(unfinished), .start(unfinished, resumes: true), .wake(Self.at(10).time),
            ])
        #expect(scheduler.tick(now: Self.at(10)) == [])
        #expect(scheduler.ended("a-7", published: true, now: Self.at(20)) == [])
    }

    @Test("An early tick changes nothing")
    func earlyTick() {
        var scheduler = Self.fresh([Self.model("a")])
        _ = scheduler.corpusAdmitted("x", for: ["a"], now: Self.at(0))
        #expect(scheduler.tick(now: Self.at(9)) == [.wake(Self.at(10).time)])
        #expect(scheduler.tick(now: Self.at(10)).contains(.enqueued(.init(run: "a-1", model: "a"))))
    }

    @Test("Cancelling asks the active run to stop and drops a queued one")
    func cancelStopsActiveAndDropsQueuedRun() {
        var scheduler = Self.fresh()
        _ = scheduler.corpusAdmitted("x", for: ["a", "b"], now: Self.at(0))
        _ = scheduler.tick(now: Self.at(10))
        #expect(scheduler.cancel("c-1", now: Self.at(11)) == nil)
        let waiting = Scheduler.Entry(run: "b-1", model: "b")
        #expect(scheduler.cancel("b-1", now: Self.at(11)) == [.dropped(waiting)])
        let underWay = Scheduler.Entry(run: "a-1", model: "a", corpora: ["x"])
        #expect(scheduler.cancel("a-1", now: Self.at(11)) == [.stop(underWay)])
        #expect(scheduler.ended("a-1", published: false, now: Self.at(12)) == [])
    }

    @Test("A second request for a run returns the queued one")
    func secondRequestReturnsQueuedRun() throws {
        var scheduler = Self.fresh()
        _ = scheduler.corpusAdmitted("x", for: ["a", "b"], now: Self.at(0))
        #expect(try scheduler.train("a", force: true, now: Self.at(1)).get().run == "a-1")
        #expect(try scheduler.train("b", force: true, now: Self.at(1)).get().run == "b-1")
        #expect(try scheduler.train("b", force: true, now: Self.at(2)).get().run == "b-1")
        #expect(throws: Scheduler.Refusal.nothingNew) { try scheduler.train("a", force: false, now: Self.at(2)).get() }
    }

    @Test("Frequent arrivals postpone training by at most ten times settle, and at most an hour")
    func longestWait() throws {
        for (settle, longest) in [(10.0, 100.0), (600, 3600), (7200, 7200)] {
            let schedule = Self.settling(.seconds(settle))
            var scheduler = Self.fresh([.init(name: "a", schedule: schedule)])
            var began: Double?
            var seconds = 0.0
            while began == nil, seconds <= 2 * longest {
                let actions = scheduler.corpusAdmitted("x\(seconds)", for: ["a"], now: Self.at(seconds))
                if actions.contains(where: { if case .start = $0 { true } else { false } }) { began = seconds }
                seconds += settle / 2
            }
            #expect(began == longest, "\(settle)")
        }
    }

    @Test("The longest wait counts from the first corpus that no run has used yet")
    func longestWaitCountsFromFirstUnusedCorpus() {
        var scheduler = Self.fresh([Self.model("a")])
        _ = scheduler.corpusAdmitted("x", for: ["a"], now: Self.at(0))
        for second in stride(from: 5.0, through: 95, by: 5) {
            // From then on, the wake-up stays at the longest wait.
            let wakes = second <= 90 ? [Scheduler.Action.wake(Self.at(second + 10).time)] : []
            #expect(scheduler.corpusAdmitted("x\(second)", for: ["a"], now: Self.at(second)) == wakes)
        }
        #expect(scheduler.tick(now: Self.at(100)).first == .enqueued(.init(run: "a-1", model: "a")))
        #expect(scheduler.memory.waiting == [:])
        // The next wait starts during the run.
        _ = scheduler.corpusAdmitted("y", for: ["a"], now: Self.at(110))
        #expect(scheduler.memory.waiting == ["a": Self.at(110).date])
        #expect(scheduler.corpusAdmitted("z", for: ["a"], now: Self.at(119)) == [.wake(Self.at(129).time)])
        #expect(scheduler.corporaRemoved(["y"], now: Self.at(120)) == [])
        #expect(scheduler.corporaRemoved(["z"], now: Self.at(121)) == [])
        #expect(scheduler.memory.waiting == [:], "removed corpora do not wait")
        #expect(scheduler.nextRun("a", now: Self.at(121)) == nil)
    }

    @Test("Neither restarts nor clock changes postpone training forever")
    func restartsDoNotPostponeTrainingForever() throws {
        var memory = Scheduler.PersistedState()
        var began: Double?
        for life in 0..<30 where began == nil {
            let now = Self.at(Double(life) * 8)
            var scheduler = Scheduler(models: [Self.model("a", eligibleCorpora: ["x"])])
            let actions = scheduler.start(unfinished: [], memory: memory, now: now)
            if actions.contains(where: { if case .start = $0 { true } else { false } }) { began = Double(life) * 8 }
            // Through the file format.
            memory = try JobCoding.decode(Scheduler.PersistedState.self, from: JobCoding.encode(scheduler.memory))
        }
        #expect(began == 104)
        // The clock is set back by an hour, then ahead by a day.
        for (ahead, due) in [(-3600.0, 10.0), (86_400, 0)] {
            var scheduler = Scheduler(models: [Self.model("a", eligibleCorpora: ["x"])])
            let now = Scheduler.Timestamp(time: Self.start.time, date: Self.start.date.addingTimeInterval(ahead))
            _ = scheduler.start(
                unfinished: [], memory: .init(waiting: ["a": Self.start.date]), now: now)
            #expect(scheduler.running == nil || due == 0)
            #expect(scheduler.tick(now: Self.at(due)).isEmpty || due > 0)
            #expect(scheduler.running?.run == "a-1")
        }
    }

    @Test("A corpus that caused a failure is set aside, and the others are trained on at once")
    func setAside() throws {
        var scheduler = Self.fresh()
        _ = scheduler.corpusAdmitted("bad", for: ["a", "b"], now: Self.at(0))
        _ = scheduler.corpusAdmitted("good", for: ["a"], now: Self.at(1))
        _ = scheduler.tick(now: Self.at(11))
        #expect(scheduler.running?.corpora == ["bad", "good"] && scheduler.queue.map(\.run) == ["b-1"])
        let actions = scheduler.setAside("bad", run: "a-1", now: Self.at(20))
        let started = Scheduler.Entry(run: "a-2", model: "a", corpora: ["good"])
        #expect(
            actions == [
                .dropped(.init(run: "b-1", model: "b")), .enqueued(.init(run: "a-2", model: "a")),
                .start(started, resumes: false),
            ])
        #expect(scheduler.ended("a-2", published: true, now: Self.at(30)) == [])
        #expect(throws: Scheduler.Refusal.nothingNew) {
            try scheduler.train("a", force: false, now: Self.at(31)).get()
        }
        // If it is added again, it is new to its models.
        #expect(scheduler.corpusAdmitted("bad", for: ["a"], now: Self.at(40)) == [.wake(Self.at(50).time)])
        _ = scheduler.tick(now: Self.at(50))
        #expect(scheduler.running?.corpora == ["good", "bad"])
    }

    @Test("If the only corpus is set aside, nothing is trained until it is added again")
    func waitsIfTheOnlyCorpusIsSetAside() {
        var scheduler = Self.fresh([Self.model("a")])
        _ = scheduler.corpusAdmitted("bad", for: ["a"], now: Self.at(0))
        _ = scheduler.tick(now: Self.at(10))
        #expect(scheduler.setAside("bad", run: "a-1", now: Self.at(20)) == [])
        #expect(throws: Scheduler.Refusal.noCorpus) { try scheduler.train("a", force: true, now: Self.at(21)).get() }
        #expect(scheduler.corpusAdmitted("bad", for: ["a"], now: Self.at(40)) == [.wake(Self.at(50).time)])
    }

    @Test("If the remaining corpora were trained on before, nothing is trained")
    func skipsRetryIfRemainingCorporaWereTrainedOn() {
        var scheduler = Self.fresh([Self.model("a", eligibleCorpora: ["good"], learned: ["good"], attempted: ["good"])])
        _ = scheduler.corpusAdmitted("bad", for: ["a"], now: Self.at(0))
        _ = scheduler.tick(now: Self.at(10))
        #expect(scheduler.setAside("bad", run: "a-1", now: Self.at(20)) == [])
        #expect(scheduler.tick(now: Self.at(200)) == [] && scheduler.memory.waiting == [:])
    }

    @Test("A requested run that restarts without a corpus that was set aside still counts as requested")
    func requestedRunStaysRequestedAfterCorpusIsSetAside() throws {
        var scheduler = Self.fresh([Self.model("a", eligibleCorpora: ["bad", "good"], attempted: ["bad", "good"])])
        let run = try scheduler.train("a", force: true, now: Self.at(0)).get().run
        _ = scheduler.setAside("bad", run: run, now: Self.at(1))
        #expect(scheduler.running?.isManual == true && scheduler.running?.run == "a-2")
    }

    @Test("Decodes a state written before the longest wait existed")
    func decodesStateWithoutLongestWait() throws {
        let old = Data(#"{"by_hand":["a-1"],"elapsed":{"a":"2026-01-01T00:00:00.000Z"}}"#.utf8)
        let memory = try JobCoding.decode(Scheduler.PersistedState.self, from: old)
        #expect(memory.byHand == ["a-1"] && memory.waiting == [:] && memory.elapsed.count == 1)
    }
}
