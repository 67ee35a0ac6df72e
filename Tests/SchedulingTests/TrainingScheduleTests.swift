import Scheduling
import FoundationEssentials
import Testing

@Suite("Schedule: every, calendar, window")
struct TrainingScheduleTests {
    /// A Wednesday.
    static let midnight = CivilTime(2026, 11, 25).microseconds / 1_000_000
    static let clock = ContinuousClock.now

    /// The time `hours` after midnight.
    /// - Parameter wallAhead: by how many hours the wall clock has been set ahead
    static func at(_ hours: Double, wallAhead: Double = 0) -> Scheduler.Timestamp {
        .init(time: clock.advanced(by: .seconds(hours * 3600)), date: date(hours + wallAhead))
    }

    static func date(_ hours: Double) -> Date { Date(timeIntervalSince1970: Double(midnight) + hours * 3600) }

    static func schedule(
        every: Double? = nil, calendar: String? = nil, window: String? = nil, onArrival: Bool? = nil
    ) throws -> TrainingSchedule {
        TrainingSchedule(
            onArrival: onArrival ?? (every == nil && calendar == nil), settle: .seconds(60), everySeconds: every,
            calendar: try calendar.map { try CalendarExpression($0) },
            window: try window.map { try TrainingWindow($0) },
            local: .utc)
    }

    static func scheduler(
        _ schedule: TrainingSchedule, eligibleCorpora: [String] = [], attempted: Set<String> = [], number: Int = 1,
        other: TrainingSchedule? = nil
    ) -> Scheduler {
        let model = Scheduler.Model(
            name: "a", schedule: schedule, eligibleCorpora: eligibleCorpora, learned: attempted, attempted: attempted,
            nextNumber: number)
        return Scheduler(models: [model] + (other.map { [.init(name: "b", schedule: $0)] } ?? []))
    }

    static let queued = Scheduler.Entry(run: "a-1", model: "a")
    static func started(_ corpora: String..., run: String = "a-1", isManual: Bool = false) -> Scheduler.Action {
        .start(.init(run: run, model: "a", corpora: corpora, isManual: isManual), resumes: false)
    }

    static func withoutWakes(_ actions: [Scheduler.Action]) -> [Scheduler.Action] {
        actions.filter { if case .wake = $0 { false } else { true } }
    }

    /// Drives the scheduler from one time to another as the service does: calls `tick` when the scheduler asks for it.
    /// - Returns: the actions and their times, in hours after midnight
    static func live(
        _ scheduler: inout Scheduler, _ begun: [Scheduler.Action], from: Double, to: Double, wallAhead: Double = 0
    ) -> [(hours: Double, action: Scheduler.Action)] {
        var (happened, actions, hours) = ([(Double, Scheduler.Action)](), begun, from)
        while true {
            happened += withoutWakes(actions).map { (hours, $0) }
            guard case .wake(let time)? = actions.last(where: { if case .wake = $0 { true } else { false } }) else {
                break
            }
            hours = clock.duration(to: time) / .seconds(3600)
            guard hours <= to else { break }
            actions = scheduler.tick(now: at(hours, wallAhead: wallAhead))
        }
        return happened
    }

    @Test("An elapse of the calendar starts a run on new corpora, and is skipped if there are none")
    func calendar() throws {
        var scheduler = Self.scheduler(try Self.schedule(calendar: "02:00"))
        var begun = scheduler.start(unfinished: [], now: Self.at(0))
        #expect(scheduler.nextRun("a", now: Self.at(0)) == .looks(Self.date(2)))
        begun += scheduler.corpusAdmitted("x", for: ["a"], now: Self.at(1))
        #expect(scheduler.nextRun("a", now: Self.at(1)) == .begins(Self.date(2)))
        let night = Self.live(&scheduler, begun, from: 1, to: 3)
        #expect(night.map(\.action) == [.enqueued(Self.queued), Self.started("x")])
        #expect(night.allSatisfy { abs($0.hours - 2) < 1e-5 })
        let ended = scheduler.ended("a-1", published: true, now: Self.at(3))
        #expect(scheduler.nextRun("a", now: Self.at(3)) == .looks(Self.date(26)))
        let next = Self.live(&scheduler, ended, from: 3, to: 27)
        #expect(next.map(\.action) == [.skipped("a", .nothingNew)])
        #expect(abs(next[0].hours - 26) < 1e-5)
    }

    @Test("An elapse is skipped without any corpora, or if the active run trains on all of them")
    func skipsElapseWithoutNewCorpora() throws {
        var scheduler = Self.scheduler(try Self.schedule(every: 3600))
        let begun = scheduler.start(unfinished: [], now: Self.at(0))
        #expect(Self.live(&scheduler, begun, from: 0, to: 1.5).map(\.action) == [.skipped("a", .noCorpus)])
        _ = scheduler.corpusAdmitted("x", for: ["a"], now: Self.at(1.5))
        #expect(Self.withoutWakes(scheduler.tick(now: Self.at(2))) == [.enqueued(Self.queued), Self.started("x")])
        #expect(Self.withoutWakes(scheduler.tick(now: Self.at(3))) == [.skipped("a", .underWay("a-1"))])
        // A corpus that arrives during the run waits for the next elapse.
        _ = scheduler.corpusAdmitted("y", for: ["a"], now: Self.at(3.5))
        #expect(Self.withoutWakes(scheduler.ended("a-1", published: true, now: Self.at(3.6))) == [])
        let run = Scheduler.Entry(run: "a-2", model: "a")
        #expect(
            Self.withoutWakes(scheduler.tick(now: Self.at(4))) == [.enqueued(run), Self.started("x", "y", run: "a-2")])
    }

    @Test("Corpora that have just arrived at an elapse settle first, but a stream of corpora does not delay the run")
    func elapseWaitsForCorporaToSettle() throws {
        var scheduler = Self.scheduler(try Self.schedule(calendar: "02:00"))
        _ = scheduler.start(unfinished: [], now: Self.at(0))
        let second = 1 / 3600.0
        _ = scheduler.corpusAdmitted("x", for: ["a"], now: Self.at(2 - 10 * second))
        #expect(Self.withoutWakes(scheduler.tick(now: Self.at(2))) == [])
        #expect(Self.withoutWakes(scheduler.corpusAdmitted("y", for: ["a"], now: Self.at(2 + 40 * second))) == [])
        #expect(Self.withoutWakes(scheduler.tick(now: Self.at(2 + 49 * second))) == [])
        #expect(
            Self.withoutWakes(scheduler.tick(now: Self.at(2 + 50 * second))) == [
                .enqueued(Self.queued), Self.started("x", "y"),
            ])
    }

    @Test("Restarts do not postpone an elapse forever")
    func restartsDoNotPostponeElapses() throws {
        let schedule = try Self.schedule(calendar: "02:00")
        let second = 1 / 3600.0
        var memory = Scheduler.PersistedState(elapsed: ["a": Self.date(1)])
        var began: Int?
        // Each process lives 50 s, and `settle` is a minute.
        for life in 0..<20 where began == nil {
            var scheduler = Self.scheduler(schedule, eligibleCorpora: ["x"])
            let now = Self.at(2 + Double(life) * 50 * second)
            let actions = scheduler.start(unfinished: [], memory: memory, now: now)
            if actions.contains(Self.started("x")) { began = life }
            memory = scheduler.memory
        }
        #expect(began == 12)
    }

    @Test("An elapse missed while the machine was off is caught up on once, after new corpora have settled")
    func missedElapseIsCaughtUpOnOnce() throws {
        let schedule = try Self.schedule(calendar: "02:00")
        var scheduler = Self.scheduler(schedule, eligibleCorpora: ["x", "y"], attempted: ["x"])
        let memory = Scheduler.PersistedState(elapsed: ["a": Self.date(2)])
        // Three nights later.
        let begun = scheduler.start(unfinished: [], memory: memory, now: Self.at(80))
        let happened = Self.live(&scheduler, begun, from: 80, to: 97)
        #expect(happened.map(\.action) == [.enqueued(Self.queued), Self.started("x", "y")])
        #expect(happened.allSatisfy { abs($0.hours - 80 - 1 / 60.0) < 1e-5 })
        #expect(try #require(scheduler.memory.elapsed["a"]).timeIntervalSince(Self.date(80)) >= 60)
        // After a kill before the corpora settled, the elapse is still pending; once handled, it is not.
        var again = Self.scheduler(schedule, eligibleCorpora: ["x", "y"], attempted: ["x"])
        _ = again.start(unfinished: [], memory: memory, now: Self.at(80))
        #expect(again.memory.elapsed == memory.elapsed)
        var later = Self.scheduler(schedule, eligibleCorpora: ["x", "y"], attempted: ["x"])
        let quiet = later.start(unfinished: [], memory: scheduler.memory, now: Self.at(81))
        #expect(Self.live(&later, quiet, from: 81, to: 97).isEmpty)
    }

    @Test("A new schedule starts now and does not catch up on earlier elapses")
    func newScheduleDoesNotCatchUp() throws {
        var scheduler = Self.scheduler(try Self.schedule(every: 86_400, calendar: "02:00"), eligibleCorpora: ["x"])
        let begun = scheduler.start(unfinished: [], now: Self.at(3))
        #expect(Self.withoutWakes(begun) == [])
        #expect(scheduler.memory.elapsed == ["a": Self.date(3)])
        #expect(scheduler.nextRun("a", now: Self.at(3)) == .begins(Self.date(26)))
    }

    @Test(
        "Notices within a minute that the clock was set: skipped elapses are made up, repeated ones occur again"
    )
    func clockIsSet() throws {
        var scheduler = Self.scheduler(try Self.schedule(calendar: "*:00"), eligibleCorpora: ["x"], attempted: ["x"])
        let begun = scheduler.start(unfinished: [], now: Self.at(0.5))
        guard case .wake(let time)? = begun.last else { return #expect(Bool(false), "\(begun)") }
        #expect(time == Self.at(0.5).time.advanced(by: Scheduler.longestSleep))
        // Ten hours ahead: one elapse for all that were skipped.
        let forward = Self.live(
            &scheduler, scheduler.tick(now: Self.at(0.52, wallAhead: 10)), from: 0.52, to: 0.6, wallAhead: 10)
        #expect(forward.map(\.action) == [.skipped("a", .nothingNew)])
        // And back again.
        let back = Self.live(&scheduler, scheduler.tick(now: Self.at(0.6)), from: 0.6, to: 2.5)
        #expect(back.map { ($0.hours * 100).rounded() / 100 } == [1, 2])
    }

    @Test("With every or calendar, arrivals start no run unless on_arrival is set")
    func arrivalsStartNoRunUnlessOnArrivalIsSet() throws {
        for (onArrival, expected) in [(nil, 0), (false, 0), (true, 2)] as [(Bool?, Int)] {
            var scheduler = Self.scheduler(try Self.schedule(calendar: "02:00", onArrival: onArrival))
            var begun = scheduler.start(unfinished: [], now: Self.at(0))
            begun += scheduler.corpusAdmitted("x", for: ["a"], now: Self.at(0))
            #expect(Self.live(&scheduler, begun, from: 0, to: 1).count == expected)
        }
    }

    @Test("A run waits for its window, pauses when it closes, and resumes with its own corpora when it opens")
    func runPausesOutsideWindow() throws {
        var scheduler = Self.scheduler(try Self.schedule(window: "22:00-06:00"))
        var begun = scheduler.start(unfinished: [], now: Self.at(12))
        begun += scheduler.corpusAdmitted("x", for: ["a"], now: Self.at(12))
        #expect(scheduler.nextRun("a", now: Self.at(12)) == .begins(Self.date(22)))
        let day = Self.live(&scheduler, begun, from: 12, to: 23)
        #expect(day.map(\.action) == [.enqueued(Self.queued), Self.started("x")])
        #expect(day.map { ($0.hours * 60).rounded() } == [721, 1320])
        _ = scheduler.corpusAdmitted("y", for: ["a"], now: Self.at(23))
        let running = Scheduler.Entry(run: "a-1", model: "a", corpora: ["x"])
        let night = Self.live(&scheduler, scheduler.tick(now: Self.at(24)), from: 24, to: 31)
        let second = Scheduler.Entry(run: "a-2", model: "a")
        #expect(night.map(\.action) == [.enqueued(second), .pause(running)])
        #expect(abs(night[1].hours - 30) < 1e-5)
        // The run is asked to pause only once, no matter how long that takes.
        #expect(Self.withoutWakes(scheduler.tick(now: Self.at(30.01))) == [])
        let left = scheduler.paused("a-1", now: Self.at(30.1))
        #expect(scheduler.queue == [running, second])
        #expect(scheduler.nextRun("a", now: Self.at(31)) == .opens(Self.date(46), run: "a-1"))
        let evening = Self.live(&scheduler, left, from: 30.1, to: 47)
        #expect(evening.map(\.action) == [.start(running, resumes: true)])
        #expect(abs(evening[0].hours - 46) < 1e-5)
    }

    @Test("A paused run does not block other models, and resumes before the queued runs")
    func pausedRunDoesNotBlockOtherModels() throws {
        var scheduler = Self.scheduler(try Self.schedule(window: "22:00-06:00"), other: try Self.schedule())
        _ = scheduler.start(unfinished: [], now: Self.at(23))
        _ = scheduler.corpusAdmitted("x", for: ["a", "b"], now: Self.at(23))
        _ = scheduler.tick(now: Self.at(23.1))
        #expect(scheduler.running?.run == "a-1" && scheduler.queue.map(\.run) == ["b-1"])
        _ = scheduler.tick(now: Self.at(30))
        let b = Scheduler.Entry(run: "b-1", model: "b", corpora: ["x"])
        #expect(Self.withoutWakes(scheduler.paused("a-1", now: Self.at(30))) == [.start(b, resumes: false)])
        #expect(scheduler.queue.map(\.run) == ["a-1"])
        // Its window opens while the other run is active: only one run at a time.
        #expect(Self.withoutWakes(scheduler.tick(now: Self.at(46))) == [])
        let a = Scheduler.Entry(run: "a-1", model: "a", corpora: ["x"])
        #expect(
            Self.withoutWakes(scheduler.ended("b-1", published: true, now: Self.at(47))) == [.start(a, resumes: true)])
    }

    @Test("A requested run starts at once, outside the window and across a restart; a paused run resumes on request")
    func requestedRunStartsOutsideWindow() throws {
        let schedule = try Self.schedule(window: "22:00-06:00")
        var scheduler = Self.scheduler(schedule, eligibleCorpora: ["x"], attempted: ["x"])
        _ = scheduler.start(unfinished: [], now: Self.at(12))
        let (run, actions) = try scheduler.train("a", force: true, now: Self.at(12)).get()
        let byHand = Scheduler.Entry(run: run, model: "a", isManual: true)
        #expect(Self.withoutWakes(actions) == [.enqueued(byHand), Self.started("x", isManual: true)])
        #expect(Self.withoutWakes(scheduler.tick(now: Self.at(13))) == [])
        // The service starts again at noon of the next day.
        var next = Self.scheduler(schedule, eligibleCorpora: ["x"], attempted: ["x"], number: 2)
        let unfinished = Scheduler.Entry(run: run, model: "a", corpora: ["x"])
        var resumed = unfinished
        resumed.isManual = true
        #expect(
            Self.withoutWakes(next.start(unfinished: [unfinished], memory: scheduler.memory, now: Self.at(36)))
                == [.enqueued(resumed), .start(resumed, resumes: true)])
        // A scheduled run waits until a user asks for it.
        var paused = Self.scheduler(schedule, eligibleCorpora: ["x"], number: 2)
        #expect(Self.withoutWakes(paused.start(unfinished: [unfinished], now: Self.at(36))) == [.enqueued(unfinished)])
        let asked = try paused.train("a", force: false, now: Self.at(36)).get()
        #expect(asked.run == run)
        #expect(Self.withoutWakes(asked.actions) == [.start(resumed, resumes: true)])
        // The request is forgotten when the run has ended.
        _ = paused.ended(run, published: true, now: Self.at(37))
        #expect(paused.memory.byHand == [])
    }

    @Test("The service starts inside and outside the window")
    func startsInsideAndOutsideWindow() throws {
        let schedule = try Self.schedule(window: "22:00-06:00")
        let unfinished = Scheduler.Entry(run: "a-1", model: "a", corpora: ["x"])
        for (hours, expected) in [
            (23, [.enqueued(unfinished), .start(unfinished, resumes: true)]), (12, [.enqueued(unfinished)]),
        ]
            as [(Double, [Scheduler.Action])]
        {
            var scheduler = Self.scheduler(schedule, eligibleCorpora: ["x"])
            #expect(Self.withoutWakes(scheduler.start(unfinished: [unfinished], now: Self.at(hours))) == expected)
        }
    }

    @Test("A pausing run can be cancelled while it stops and afterwards")
    func pausingRunCanBeCancelled() throws {
        var scheduler = Self.scheduler(try Self.schedule(window: "22:00-06:00"), eligibleCorpora: ["x"])
        let running = Scheduler.Entry(run: "a-1", model: "a", corpora: ["x"])
        _ = scheduler.start(unfinished: [running], now: Self.at(23))
        #expect(Self.withoutWakes(scheduler.tick(now: Self.at(30))) == [.pause(running)])
        #expect(scheduler.cancel("a-1", now: Self.at(30)) == [.stop(running)])
        _ = scheduler.paused("a-1", now: Self.at(30))
        let dropped = scheduler.cancel("a-1", now: Self.at(31)) ?? []
        #expect(Self.withoutWakes(dropped) == [.dropped(running)])
        #expect(Self.withoutWakes(scheduler.tick(now: Self.at(46))) == [])
    }
}

@Suite("Training window")
struct TrainingWindowTests {
    /// The next changes of a window, in the local time of the zone.
    static func changes(_ text: String, _ zone: String, from: CivilTime, count: Int) throws -> [String] {
        let window = try TrainingWindow(text)
        let local = try #require(TimeZoneRules.named(zone))
        var date = Date(timeIntervalSince1970: Double(from.microseconds) / 1e6)
        return try (0..<count).map { _ in
            date = try #require(window.change(after: date, local: local))
            #expect(
                window.isOpen(at: date, local: local) != window.isOpen(at: date.addingTimeInterval(-1), local: local))
            let time = local.civil(at: Int(date.timeIntervalSince1970) * 1_000_000)
            return "\(time.day). \(time.hour):\(time.minute) "
                + (window.isOpen(at: date, local: local) ? "opens" : "closes")
        }
    }

    @Test("Windows past midnight, on some days, and for whole days")
    func changes() throws {
        let monday = CivilTime(2026, 11, 23)
        #expect(
            try Self.changes("22:00-06:00", "UTC", from: monday, count: 3) == [
                "23. 6:0 closes", "23. 22:0 opens", "24. 6:0 closes",
            ])
        #expect(
            try Self.changes("Fri,Sat 22:00-06:30", "UTC", from: monday, count: 5) == [
                "27. 22:0 opens", "28. 6:30 closes", "28. 22:0 opens", "29. 6:30 closes", "4. 22:0 opens",
            ])
        #expect(
            try Self.changes("Sat..Sun 00:00-24:00", "UTC", from: monday, count: 3) == [
                "28. 0:0 opens", "30. 0:0 closes", "5. 0:0 opens",
            ])
        let always = try TrainingWindow("00:00-24:00")
        #expect(always.isOpen(at: Date(), local: .utc) && always.change(after: Date(), local: .utc) == nil)
    }

    @Test("A window whose opening is skipped by a clock change opens then; one whose opening is repeated opens twice")
    func clockChangeShiftsOpening() throws {
        #expect(
            try Self.changes("02:30-04:00", "Europe/Berlin", from: CivilTime(2026, 3, 28, 12), count: 2) == [
                "29. 3:0 opens", "29. 4:0 closes",
            ])
        #expect(
            try Self.changes("02:30-04:00", "Europe/Berlin", from: CivilTime(2026, 10, 24, 12), count: 4) == [
                "25. 2:30 opens", "25. 2:0 closes", "25. 2:30 opens", "25. 4:0 closes",
            ])
    }

    @Test(
        "Rejects an invalid window",
        arguments: [
            "", "22:00", "22:00-", "22:00..06:00", "22-06", "24:00-06:00", "22:00-24:01", "22:60-06:00",
            "22:00-06:00 UTC",
            "06:00-06:00", "Fri..Mon 22:00-06:00", "Mon", "22:00 - 06:00",
        ])
    func wrong(_ text: String) {
        #expect(throws: CalendarError.self) { try TrainingWindow(text) }
    }
}
