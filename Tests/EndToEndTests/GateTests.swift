import Foundation
import Glibc
import Interface
import Testing
import Varlink

/// Tests interrupted runs and worse models with the programs as a user runs them.
@Suite(
    "Supervision and promotion", .serialized, .timeLimit(.minutes(30)),
    .enabled(if: Programs.areBuilt, "\(Programs.missing)"))
struct GateTests {
    /// One model that trains in one or two seconds, reproducibly.
    static func settings(steps: Int, more: String = "") -> String {
        """
        models: [kantaibert]
        kantaibert:
          objective: mlm
          preset: tiny
          precision: float32
          per_device_train_batch_size: 16
          num_train_epochs: 100000
          max_steps: \(steps)
          eval_steps: 1000
          save_steps: 50
          learning_rate: 0.003
          load_best_model_at_end: false
        inbox:
          stable: 200ms
        schedule:
          settle: 100ms
        \(more)
        """
    }

    private func set(_ settings: String, _ service: RunningService) throws {
        try Data(settings.utf8).write(to: URL(filePath: service.folder + "/kantaibert.yaml"))
    }

    private func generations(_ service: RunningService) throws -> [ManagerInterface.Generation] {
        try service.client().call(ManagerInterface.ListGenerations.self, .init(model: "kantaibert")).generations
            .sorted { $0.number < $1.number }
    }

    private func receipt(_ service: RunningService) throws -> InferenceInterface.Provenance {
        try service.client().call(InferenceInterface.FillMask.self, .init(text: "the old <mask>")).receipt
    }

    @Test("A worse generation is rejected; an administrator can promote it and go back")
    func rejectsWorseGeneration() throws {
        let service = try RunningService(settings: Self.settings(steps: 400))
        try service.start()
        var events = try service.watch()
        try service.drop("a.txt", Grammar.text(lines: 1000, seed: 3).utf8)
        #expect(try events.first("generation_serves").number("generation") == 1)
        #expect(try service.stop().status == 0)

        // Three steps are not enough to match the first generation.
        try set(Self.settings(steps: 3), service)
        try service.start()
        events = try service.watch()
        try service.drop("b.txt", Grammar.text(lines: 1000, seed: 4).utf8)
        let judged = try events.first("generation_judged")
        #expect(judged.number("generation") == 2 && judged.number("incumbent") == 1)
        #expect(judged.fields["passes"] == .bool(false))
        _ = try events.first("generation_rejected")
        #expect(try receipt(service).generation == 1)
        var found = try generations(service)
        #expect(found.map(\.state) == [.serving, .rejected])
        let (ours, theirs) = (try #require(found[1].judgedBitsPerByte), try #require(found[1].incumbentBitsPerByte))
        #expect(ours > theirs * 1.02 && found[1].incumbent == 1)
        #expect(found[1].reason?.contains("promotion.tolerance") == true)

        // Promote it manually and go back, across a restart.
        _ = try service.client().call(ManagerInterface.Promote.self, .init(model: "kantaibert", generation: 2))
        #expect(try receipt(service).generation == 2)
        #expect(try service.stop().status == 0)
        // The next generation is as good as the first again.
        try set(Self.settings(steps: 400), service)
        try service.start()
        #expect(try receipt(service).generation == 2)
        #expect(try generations(service).map(\.state) == [.retired, .serving])
        _ = try service.client().call(ManagerInterface.Promote.self, .init(model: "kantaibert", generation: 1))
        #expect(try receipt(service).generation == 1)
        events = try service.watch()
        try service.drop("c.txt", Grammar.text(lines: 1000, seed: 5).utf8)
        #expect(try events.first("generation_serves").number("generation") == 3)
        found = try generations(service)
        #expect(found.map(\.state) == [.retired, .retired, .serving])
        #expect(try receipt(service).modelSha256 == found[2].modelSha256)
        _ = try events.first("pruned")

        // Imports pass the same check: first the bad generation, then the good one.
        for (from, number, passes) in [("2", 4, false), ("3", 5, true)] {
            let source = service.folder + "/models/kantaibert/" + from
            let imported = try service.kbctl("import", source, "--model", "kantaibert")
            #expect(imported.status == 0 && imported.output.contains("kantaibert \(number): "), "\(imported)")
            let judged = try events.first("generation_judged")
            #expect(judged.number("generation") == number && judged.number("incumbent") == 3)
            #expect(judged.fields["passes"] == .bool(passes))
            _ = try events.first(passes ? "generation_serves" : "generation_rejected")
            #expect(try receipt(service).generation == (passes ? 5 : 3))
        }
        // The service deletes retired files after the event, but before it answers this call.
        _ = try service.client().call(ManagerInterface.GetStatus.self, .init())
        // Only the serving generation keeps packed weights, and finished runs keep no checkpoints.
        let left = try FileManager.default.subpathsOfDirectory(atPath: service.folder)
        #expect(left.filter { $0.contains("/.packed-") }.allSatisfy { $0.hasPrefix("models/kantaibert/5/") })
        #expect(left.filter { $0.contains("/checkpoint-") || $0.contains("/shards") } == [])
        #expect(try service.stop().status == 0)
    }

    @Test("A candidate that was not evaluated before a kill is evaluated afterwards")
    func evaluatesPendingCandidateAfterKill() throws {
        let service = try RunningService(settings: Self.settings(steps: 200))
        try service.start()
        var events = try service.watch()
        try service.drop("a.txt", Grammar.text(lines: 1000, seed: 3).utf8)
        _ = try events.first("generation_serves")
        try service.drop("b.txt", Grammar.text(lines: 1000, seed: 4).utf8)
        // Wait until the candidate exists but has not been evaluated.
        let candidate = service.folder + "/models/kantaibert/2"
        let deadline = Date(timeIntervalSinceNow: 300)
        while !FileManager.default.fileExists(atPath: candidate), Date() < deadline { usleep(500) }
        try service.kill()
        #expect(!FileManager.default.fileExists(atPath: candidate + "/promotion.json"))
        try service.start()
        events = try service.watch()
        while try generations(service).last?.state != .serving, Date() < deadline { usleep(50_000) }
        #expect(try generations(service).map(\.state) == [.retired, .serving])
        #expect(FileManager.default.fileExists(atPath: candidate + "/promotion.json"))
        #expect(
            try service.client().call(ManagerInterface.ListRuns.self, .init()).runs.allSatisfy { $0.state == .finished }
        )
        #expect(try service.stop().status == 0)
    }

    enum ImportMoment: CaseIterable {
        /// As soon as the generation's folder exists; its record may or may not exist.
        case named
        /// After the reply to the import.
        case answered
        /// A folder without a record, as left by a kill between the two.
        case unrecorded
    }

    @Test("An import that was not evaluated before a kill is evaluated afterwards", arguments: ImportMoment.allCases)
    func evaluatesPendingImportAfterKill(_ moment: ImportMoment) throws {
        let service = try RunningService(settings: Self.settings(steps: 200))
        try service.start()
        let events = try service.watch()
        try service.drop("a.txt", Grammar.text(lines: 1000, seed: 3).utf8)
        _ = try events.first("generation_serves")
        let models = service.folder + "/models/kantaibert/"
        let source = service.folder + "/elsewhere"
        try FileManager.default.copyItem(atPath: models + "1", toPath: source)
        try? FileManager.default.removeItem(atPath: source + "/promotion.json")
        let deadline = Date(timeIntervalSinceNow: 300)
        switch moment {
        case .named:
            let arguments = ["import", source, "--model", "kantaibert", "--socket", service.socket]
            _ = try Programs.run("kbctl", arguments) { _ in
                while !FileManager.default.fileExists(atPath: models + "2"), Date() < deadline { usleep(100) }
                try service.kill()
            }
        case .answered:
            let reply = try service.client().importModel("kantaibert", files: NamedFile.all(in: source))
            #expect(reply.generation == 2)
            try service.kill()
        case .unrecorded:
            try service.kill()
            try FileManager.default.copyItem(atPath: source, toPath: models + "2")
        }
        #expect(FileManager.default.fileExists(atPath: models + "2"))
        #expect(!FileManager.default.fileExists(atPath: models + "2/promotion.json"))

        try service.start()
        while try generations(service).last?.state != .serving, Date() < deadline { usleep(20_000) }
        let found = try generations(service)
        #expect(found.map(\.state) == [.retired, .serving], "\(service.logText)")
        #expect(found.last?.incumbent == 1 && found.last?.judgedBitsPerByte == found.last?.incumbentBitsPerByte)
        #expect(found.last?.modelSha256 == found.first?.modelSha256)
        #expect(try receipt(service).generation == 2)

        // An evaluated generation is not evaluated again, and a rollback persists.
        _ = try service.client().call(ManagerInterface.Promote.self, .init(model: "kantaibert", generation: 1))
        #expect(try service.stop().status == 0)
        try service.start()
        #expect(try receipt(service).generation == 1)
        #expect(try generations(service).map(\.state) == [.serving, .retired])
        #expect(try service.stop().status == 0)
    }

    @Test(
        "A manual promotion supersedes a candidate that is being evaluated, also across a kill",
        arguments: [false, true])
    func manualPromotionSupersedesPendingCandidate(isKilled: Bool) throws {
        let service = try RunningService(settings: Self.settings(steps: 200))
        try service.start()
        var events = try service.watch()
        try service.drop("a.txt", Grammar.text(lines: 1000, seed: 3).utf8)
        _ = try events.first("generation_serves")
        let models = service.folder + "/models/kantaibert/"
        let source = service.folder + "/elsewhere"
        try FileManager.default.copyItem(atPath: models + "1", toPath: source)
        #expect(try service.kbctl("import", source, "--model", "kantaibert").status == 0)
        #expect(try events.first("generation_serves").number("generation") == 2)
        let made = try generations(service).map(\.created)

        // Hold a third generation in evaluation by stopping the evaluating process.
        let judge = try service.stopChild(running: "evaluate")
        #expect(try service.kbctl("import", source, "--model", "kantaibert").status == 0)
        let stopped = try #require(judge.wait())
        _ = try service.client().call(ManagerInterface.Promote.self, .init(model: "kantaibert", generation: 1))
        let rejected = try events.first("generation_rejected")
        #expect(rejected.number("generation") == 3)
        #expect(rejected.message.contains("generation 1 was promoted manually in the meantime"))
        if isKilled {
            try service.kill()
            kill(stopped, SIGKILL)
            try service.start()
            events = try service.watch()
        } else {
            kill(stopped, SIGCONT)
        }
        // Once the next candidate has been evaluated, so have all earlier ones.
        #expect(try service.kbctl("import", source, "--model", "kantaibert").status == 0)
        let judged = try events.first("generation 4 is judged") {
            $0.kind == "generation_judged" && $0.number("generation") == 4
        }
        #expect(judged.number("incumbent") == 1)
        #expect(try events.first("generation_serves").number("generation") == 4)
        let found = try generations(service)
        #expect(found.map(\.state) == [.retired, .retired, .rejected, .serving], "\(service.logText)")
        #expect(found[2].reason == "generation 1 was promoted manually in the meantime")
        // Promotion, evaluation and recovery do not change the creation time.
        #expect(found.prefix(2).map(\.created) == made)
        #expect(try service.stop().status == 0)

        // The state is restored without the database and without the files' original times.
        for name in ["metrics.db", "metrics.db-wal", "metrics.db-shm"] {
            try? FileManager.default.removeItem(atPath: service.folder + "/" + name)
        }
        for number in 1...4 {
            let weights = models + "\(number)/model.safetensors"
            try FileManager.default.setAttributes([.modificationDate: Date()], ofItemAtPath: weights)
        }
        try service.start()
        let again = try generations(service)
        #expect(again.map(\.created) == found.map(\.created))
        #expect(again.map(\.state) == found.map(\.state))
        #expect(again[2].reason == found[2].reason)
        #expect(try service.stop().status == 0)
    }

    enum Disturbance: CaseIterable {
        case serviceStops, serviceIsKilled, runIsKilled, runHangs, runIsCancelled
    }

    static let undisturbed: Result<String, any Error> = Result {
        let service = try RunningService(settings: settings(steps: 600))
        try service.start()
        let events = try service.watch()
        try service.drop("a.txt", Grammar.text(lines: 1000, seed: 3).utf8)
        let event = try events.first("generation_serves")
        _ = try service.stop()
        guard case .string(let sha256)? = event.fields["model_sha256"] else { throw POSIXError(.EINVAL) }
        return sha256
    }

    @Test("A disturbed run resumes and gives the same bytes", arguments: Disturbance.allCases)
    func disturbedRunGivesSameBytes(_ disturbance: Disturbance) throws {
        let expected = try Self.undisturbed.get()
        let stall =
            disturbance == .runHangs
            ? "training:\n  restart_wait: 100ms\n  stall: 2s" : "training:\n  restart_wait: 100ms"
        let service = try RunningService(settings: Self.settings(steps: 600, more: stall))
        try service.start()
        var events = try service.watch()
        try service.drop("a.txt", Grammar.text(lines: 1000, seed: 3).utf8)
        _ = try events.first("a step past a checkpoint") { $0.kind == "step" && ($0.number("step") ?? 0) > 120 }
        switch disturbance {
        case .serviceStops:
            #expect(try service.stop().status == 0)
            try service.start()
        case .serviceIsKilled:
            // The orphaned run still uses its folder when the next service starts.
            try service.kill()
            try service.start()
        case .runIsKilled:
            kill(try service.trainingProcess(), SIGKILL)
            #expect(try events.first("run_died").message.contains("SIGKILL"))
        case .runHangs:
            kill(try service.trainingProcess(), SIGSTOP)
            #expect(try events.first("run_died").message.contains("no output for 2 s"))
        case .runIsCancelled:
            _ = try service.client().call(ManagerInterface.CancelRun.self, .init(run: "kantaibert-1"))
            _ = try events.first("run_cancelled")
            let runs = try service.client().call(ManagerInterface.Train.self, .init(model: "kantaibert")).runs
            #expect(runs == ["kantaibert-2"])
            #expect(try events.first("run_resumed").message.contains("continues kantaibert-1, which was cancelled"))
            #expect(try #require(try events.first("run_started").number("resumed_step")) >= 120)
        }
        if disturbance == .serviceStops || disturbance == .serviceIsKilled { events = try service.watch() }
        let deadline = Date(timeIntervalSinceNow: 300)
        while try generations(service).isEmpty, Date() < deadline { usleep(50_000) }
        while try generations(service).last?.state != .serving, Date() < deadline { usleep(50_000) }
        #expect(try generations(service).map(\.modelSha256) == [expected], "\(service.logText)")
        #expect(try service.stop().status == 0)
    }

    @Test("A run has the configured niceness, batch scheduling and oom_score_adj")
    func runHasLowPriority() throws {
        let service = try RunningService(settings: EndToEndTests.endless)
        try service.start()
        let events = try service.watch()
        try service.drop("a.txt", Grammar.text(lines: 500, seed: 3).utf8)
        _ = try events.first("a step") { $0.kind == "step" }
        let process = try service.trainingProcess()
        let batch: Int32 = 3
        let threads = try FileManager.default.contentsOfDirectory(atPath: "/proc/\(process)/task").compactMap {
            pid_t($0)
        }
        // Threads that only wait for signals or commands belong to libdispatch, which sets their niceness itself.
        let working = try threads.filter { try ticks("\(process)/task/\($0)") > 0 }
        #expect(!working.isEmpty)
        for thread in working {
            #expect(getpriority(__priority_which_t(PRIO_PROCESS.rawValue), id_t(thread)) == 19, "thread \(thread)")
        }
        for thread in threads { #expect(sched_getscheduler(thread) == batch, "thread \(thread)") }
        /// Returns the CPU time of a thread in clock ticks.
        func ticks(_ thread: String) throws -> Int {
            let stat = try String(contentsOfFile: "/proc/\(thread)/stat", encoding: .utf8)
            let fields = stat[stat.lastIndex(of: ")")!...].split(separator: " ")
            return (Int(fields[12]) ?? 0) + (Int(fields[13]) ?? 0)
        }
        func score(_ process: String) throws -> Int? {
            Int(try String(contentsOfFile: "/proc/\(process)/oom_score_adj", encoding: .utf8).filter { !$0.isNewline })
        }
        #expect(try score("\(process)") == 500)
        #expect(try score("\(service.processIdentifier)") == score("self"))
        #expect(try service.stop().status == 0)
    }

    @Test("A run that exceeds its memory limit fails once, and the error names the setting to change")
    func rejectsRunExceedingMemoryLimit() throws {
        let service = try RunningService(
            settings: Self.settings(steps: 100, more: "training:\n  memory_limit: 8M"))
        try service.start()
        let events = try service.watch()
        try service.drop("a.txt", Grammar.text(lines: 500, seed: 3).utf8)
        let failed = try events.first("the end") { ["run_failed", "run_died", "run_started"].contains($0.kind) }
        #expect(failed.kind == "run_failed")
        #expect(
            failed.message.contains("training.memory_limit") && failed.message.contains("hidden_size"),
            "\(failed.message)")
        #expect(try service.client().call(ManagerInterface.ListRuns.self, .init()).runs.map(\.state) == [.failed])
        #expect(try service.stop().status == 0)
    }

    @Test("A damaged or missing database is recreated from the files on disk")
    func recoversFromDamagedDatabase() throws {
        let service = try RunningService(settings: Self.settings(steps: 200))
        try service.start()
        let events = try service.watch()
        try FileManager.default.createDirectory(
            atPath: service.inbox + "/kantaibert", withIntermediateDirectories: true)
        try service.drop("kantaibert/a.txt", Grammar.text(lines: 1000, seed: 3).utf8)
        _ = try events.first("generation_serves")
        let before = try generations(service)
        let corpora = try service.client().call(ManagerInterface.ListCorpora.self, .init()).corpora
        #expect(try service.stop().status == 0)
        for round in 0...3 {
            let url = URL(filePath: service.folder + "/metrics.db")
            // While the write-ahead log holds all pages, SQLite could restore the database from it.
            for suffix in ["-wal", "-shm"] { try? FileManager.default.removeItem(atPath: url.path + suffix) }
            let size = try Data(contentsOf: url).count
            try FileManager.default.removeItem(at: url)
            if round > 0 { try Data((0..<size / round).map { _ in UInt8.random(in: 0...255) }).write(to: url) }
            try service.start()
            #expect(try receipt(service).generation == 1)
            let after = try generations(service)
            #expect(after.map(\.modelSha256) == before.map(\.modelSha256))
            #expect(after.map(\.state) == [.serving] && after.map(\.run) == before.map(\.run))
            let found = try service.client().call(ManagerInterface.ListCorpora.self, .init()).corpora
            #expect(found.map(\.name) == corpora.map(\.name) && found.map(\.models) == [["kantaibert"]])
            let runs = try service.client().call(ManagerInterface.ListRuns.self, .init()).runs
            #expect(runs.map(\.state) == [.finished])
            // Nothing is trained a second time.
            #expect(throws: ManagerInterface.NothingToTrain.self) {
                try service.client().call(ManagerInterface.Train.self, .init(model: "kantaibert"))
            }
            let aside = try FileManager.default.contentsOfDirectory(atPath: service.folder).filter {
                $0.hasPrefix("metrics.db.damaged-") && !$0.hasSuffix("-wal") && !$0.hasSuffix("-shm")
            }
            #expect(aside.count == round)
            #expect(service.logText.contains("a new one was created"))
            #expect(try service.stop().status == 0)
        }
    }
}
