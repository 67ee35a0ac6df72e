import Foundation
import Interface
import Testing
import Varlink

@Suite(
    "Scheduled training", .serialized, .timeLimit(.minutes(30)),
    .enabled(if: Programs.areBuilt, "\(Programs.missing)"))
struct ScheduleTests {
    /// Returns a TZ variable for which the local time is now `hour`:`minute`, minus some seconds.
    static func zone(_ hour: Int, _ minute: Int, lessSeconds: Int = 0) -> [String: String] {
        let wanted = hour * 3600 + minute * 60 - lessSeconds
        let west = (Int(Date().timeIntervalSince1970) - wanted) % 86_400
        return ["TZ": "TST\(west / 3600):\(west / 60 % 60):\(west % 60)"]
    }

    static func status(_ service: RunningService) throws -> ManagerInterface.GetStatus.Reply {
        try service.client().call(ManagerInterface.GetStatus.self, .init())
    }

    @Test("A run pauses at a checkpoint when its window closes, also across restarts, and resumes within the window")
    func pausesOutsideWindow() throws {
        let service = try RunningService(
            settings: EndToEndTests.endless.replacing("schedule:\n", with: "schedule:\n  window: 22:00-06:00\n"))
        service.environment = Self.zone(6, 0, lessSeconds: 40)
        try service.start()
        var events = try service.watch()
        try service.drop("grammar.txt", Grammar.text(lines: 500, seed: 4).utf8)
        #expect(try events.first("run_started").runState == .running)
        let pause = try events.first("run_paused")
        #expect(pause.runState == .interrupted)
        let paused = try #require(pause.number("step"))
        #expect(paused > 0)
        for hour in [6, 12] {
            let status = try Self.status(service)
            #expect(status.run == nil && status.queued.map(\.id) == ["kantaibert-1"])
            #expect(status.queued.map(\.step) == [paused] && status.queued.map(\.state) == [.interrupted])
            let model = try #require(status.models.first)
            #expect(model.state == .waiting && model.nextTraining != nil)
            #expect(model.reason?.contains("kantaibert-1 resumes when its training window opens") == true, "\(model)")
            #expect(try service.stop().status == 0)
            // First outside the window, then within it.
            service.environment = Self.zone(hour == 6 ? 12 : 23, 0)
            try service.start()
        }
        events = try service.watch()
        let later = try events.first("a step after the pause") { $0.kind == "step" }
        #expect(try #require(later.number("step")) > paused)
        _ = try service.client().call(ManagerInterface.CancelRun.self, .init(run: "kantaibert-1"))
        #expect(try events.first("run_cancelled").runState == .cancelled)
        #expect(try service.stop().status == 0)
    }

    @Test("A manual run ignores the window, also across a restart; a skipped schedule is reported with the reason")
    func manualRunsIgnoreWindowAndSkipsAreReported() throws {
        let service = try RunningService(
            settings: EndToEndTests.endless.replacing(
                "schedule:\n", with: "schedule:\n  window: 22:00-06:00\n  calendar: '*:*:*'\n"))
        service.environment = Self.zone(12, 0)
        try service.start()
        var events = try service.watch()
        let skipped = try events.first("schedule_skipped")
        #expect(skipped.message.contains("there are no corpora"), "\(skipped.message)")
        try service.drop("grammar.txt", Grammar.text(lines: 500, seed: 5).utf8)
        let queued = try events.first("run_queued")
        #expect(queued.run == "kantaibert-1" && queued.runState == .queued)
        #expect(try Self.status(service).run == nil)
        let asked = try service.client().call(ManagerInterface.Train.self, .init(model: "kantaibert"))
        #expect(asked.runs == ["kantaibert-1"])
        _ = try events.first("checkpoint")
        #expect(try service.stop().status == 0)
        service.environment = Self.zone(13, 0)
        try service.start()
        events = try service.watch()
        #expect(try events.first("a step") { $0.kind == "step" }.run == "kantaibert-1")
        _ = try service.client().call(ManagerInterface.CancelRun.self, .init(run: "kantaibert-1"))
        _ = try events.first("run_cancelled")
        let nothingNew = try events.first("nothing new") {
            $0.kind == "schedule_skipped" && $0.message.contains("there is no new corpus since kantaibert-1")
        }
        #expect(nothingNew.model == "kantaibert")
        #expect(try service.stop().status == 0)
    }
}
