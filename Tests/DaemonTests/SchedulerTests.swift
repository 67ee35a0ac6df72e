import Daemon
import FoundationEssentials
import Testing

@Suite("Scheduler")
struct SchedulerTests {
    static let start = Scheduler.Moment.now
    static func at(_ seconds: Double) -> Scheduler.Moment {
        .init(time: start.time.advanced(by: .seconds(seconds)), date: start.date.addingTimeInterval(seconds))
    }
    static let settling = {
        var settings = ScheduleSettings()
        settings.settleSeconds = 10
        return Schedule(settings, local: .utc)
    }()

    static func model(
        _ name: String, fed: [String] = [], learned: Set<String> = [], attempted: Set<String> = []
    ) -> Scheduler.Model {
        Scheduler.Model(name: name, schedule: settling, fed: fed, learned: learned, attempted: attempted)
    }

    /// The scheduler of two models, begun at 0.
    static func fresh(_ models: [Scheduler.Model] = [model("a"), model("b")]) -> Scheduler {
        var scheduler = Scheduler(models: models)
        _ = scheduler.start(unfinished: [], now: at(0))
        return scheduler
    }

    @Test("A run starts when no corpus has come for as long as settle says, for each model it feeds, in turn")
    func settles() {
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

    @Test("What is removed is not learned from, and is by itself no reason to train")
    func removed() {
        var scheduler = Self.fresh([Self.model("a", fed: ["x", "y"], learned: ["x", "y"], attempted: ["x", "y"])])
        #expect(scheduler.corpusRemoved("y", now: Self.at(99)) == [])
        #expect(scheduler.tick(now: Self.at(100)) == [])
        var again = Self.fresh([Self.model("a", fed: ["x"], learned: ["x", "y"], attempted: ["x", "y"])])
        #expect(again.tick(now: Self.at(100)) == [], "nor after a restart")
        let started = Scheduler.Entry(run: "a-1", model: "a", corpora: ["x"], isByHand: true)
        guard case .success((_, let actions)) = scheduler.train("a", force: false, now: Self.at(101)) else {
            Issue.record("refused")
            return
        }
        #expect(actions.last == .start(started, resumes: false))
    }

    @Test("A run that waits is dropped with its last text, and the next one has its turn")
    func removedBeforeItsTurn() {
        var scheduler = Self.fresh([Self.model("a"), Self.model("b"), Self.model("c")])
        _ = scheduler.corpusAdmitted("x", for: ["a"], now: Self.at(0))
        _ = scheduler.corpusAdmitted("y", for: ["b"], now: Self.at(1))
        _ = scheduler.tick(now: Self.at(200))
        #expect(scheduler.running?.run == "a-1")
        #expect(scheduler.queue.map(\.run) == ["b-1"])
        #expect(scheduler.corpusRemoved("x", now: Self.at(201)) == [], "a run that has its turn keeps what it reads")
        let dropped = scheduler.corpusRemoved("y", now: Self.at(202))
        #expect(dropped.first == .dropped(Scheduler.Entry(run: "b-1", model: "b")))
        #expect(scheduler.queue.isEmpty)
        let next = scheduler.ended("a-1", published: true, now: Self.at(203))
        #expect(!next.contains { if case .start = $0 { true } else { false } })
    }

    @Test("A corpus of one model's inbox trains that model alone")
    func onlyOne() {
        var scheduler = Self.fresh()
        _ = scheduler.corpusAdmitted("x", for: ["b"], now: Self.at(0))
        let started = Scheduler.Entry(run: "b-1", model: "b", corpora: ["x"])
        #expect(
            scheduler.tick(now: Self.at(10)) == [
                .enqueued(.init(run: "b-1", model: "b")), .start(started, resumes: false),
            ])
        #expect(scheduler.queue.isEmpty)
    }

    @Test("What comes during a run is trained on after it, once it has settled")
    func duringARun() {
        var scheduler = Self.fresh()
        _ = scheduler.corpusAdmitted("x", for: ["a"], now: Self.at(0))
        _ = scheduler.tick(now: Self.at(10))
        _ = scheduler.corpusAdmitted("y", for: ["a"], now: Self.at(15))
        #expect(scheduler.tick(now: Self.at(25)) == [.enqueued(.init(run: "a-2", model: "a"))])
        let started = Scheduler.Entry(run: "a-2", model: "a", corpora: ["x", "y"])
        #expect(scheduler.ended("a-1", published: true, now: Self.at(30)) == [.start(started, resumes: false)])
    }

    @Test("A corpus that comes while its run waits is part of that run")
    func whileWaiting() {
        var scheduler = Self.fresh()
        _ = scheduler.corpusAdmitted("x", for: ["a", "b"], now: Self.at(0))
        _ = scheduler.tick(now: Self.at(10))
        _ = scheduler.corpusAdmitted("y", for: ["b"], now: Self.at(11))
        #expect(scheduler.tick(now: Self.at(21)) == [])
        let started = Scheduler.Entry(run: "b-1", model: "b", corpora: ["x", "y"])
        #expect(scheduler.ended("a-1", published: true, now: Self.at(30)) == [.start(started, resumes: false)])
        #expect(scheduler.ended("b-1", published: true, now: Self.at(40)) == [])
    }

    @Test("Nothing new, nothing trained")
    func nothingNew() {
        var scheduler = Scheduler(models: [Self.model("a", fed: ["x"], learned: ["x"], attempted: ["x"])])
        #expect(scheduler.start(unfinished: [], now: Self.at(0)) == [])
        #expect(scheduler.corpusAdmitted("x", for: ["a"], now: Self.at(1)) == [])
        #expect(throws: Scheduler.Refusal.nothingNew) { try scheduler.train("a", force: false, now: Self.at(2)).get() }
        #expect(throws: Scheduler.Refusal.unknownModel) { try scheduler.train("c", force: true, now: Self.at(2)).get() }
        #expect((try? scheduler.train("a", force: true, now: Self.at(2)).get())?.run == "a-1")
    }

    @Test("A run that failed is not repeated by itself, but on demand, and when something new comes")
    func afterFailure() throws {
        var scheduler = Self.fresh([Self.model("a")])
        _ = scheduler.corpusAdmitted("x", for: ["a"], now: Self.at(0))
        _ = scheduler.tick(now: Self.at(10))
        #expect(scheduler.ended("a-1", published: false, now: Self.at(11)) == [])
        #expect(scheduler.outlook("a", now: Self.at(11)) == nil)
        let (run, _) = try scheduler.train("a", force: false, now: Self.at(12)).get()
        #expect(run == "a-2")
        #expect(scheduler.ended("a-2", published: false, now: Self.at(13)) == [])
        #expect(scheduler.corpusAdmitted("y", for: ["a"], now: Self.at(20)) == [.wake(Self.at(30).time)])
    }

    @Test("What came while the service was away is trained on")
    func whileAway() {
        var scheduler = Scheduler(models: [Self.model("a", fed: ["x", "y"], learned: ["x"], attempted: ["x"])])
        #expect(scheduler.start(unfinished: [], now: Self.at(0)) == [.wake(Self.at(10).time)])
        #expect(scheduler.outlook("a", now: Self.at(4)) == .begins(Self.at(10).date))
    }

    @Test("An unfinished run goes on, with its own corpora, and is not begun a second time")
    func resumes() {
        var scheduler = Scheduler(models: [Self.model("a", fed: ["x", "y"])])
        let unfinished = Scheduler.Entry(run: "a-7", model: "a", corpora: ["x", "y"])
        #expect(
            scheduler.start(unfinished: [unfinished], now: Self.at(0)) == [
                .enqueued(unfinished), .start(unfinished, resumes: true), .wake(Self.at(10).time),
            ])
        #expect(scheduler.tick(now: Self.at(10)) == [])
        #expect(scheduler.ended("a-7", published: true, now: Self.at(20)) == [])
    }

    @Test("An early tick loses nothing")
    func earlyTick() {
        var scheduler = Self.fresh([Self.model("a")])
        _ = scheduler.corpusAdmitted("x", for: ["a"], now: Self.at(0))
        #expect(scheduler.tick(now: Self.at(9)) == [.wake(Self.at(10).time)])
        #expect(scheduler.tick(now: Self.at(10)).contains(.enqueued(.init(run: "a-1", model: "a"))))
    }

    @Test("Cancelling: the run under way is told to leave, one that waits is dropped")
    func cancelling() {
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

    @Test("Asking twice for a run gives the one that waits")
    func askedTwice() throws {
        var scheduler = Self.fresh()
        _ = scheduler.corpusAdmitted("x", for: ["a", "b"], now: Self.at(0))
        #expect(try scheduler.train("a", force: true, now: Self.at(1)).get().run == "a-1")
        #expect(try scheduler.train("b", force: true, now: Self.at(1)).get().run == "b-1")
        #expect(try scheduler.train("b", force: true, now: Self.at(2)).get().run == "b-1")
        #expect(throws: Scheduler.Refusal.nothingNew) { try scheduler.train("a", force: false, now: Self.at(2)).get() }
    }
}
