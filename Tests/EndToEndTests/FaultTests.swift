import Foundation
import Glibc
import Interface
import Jobs
import Testing
import Varlink

/// Injects a full disk, an I/O error or a crash at each file operation of the programs, from a text to a serving model.
/// Afterwards the service must recover, and the model must equal that of an undisturbed run byte for byte.
///
/// KANTAIBERT_TEST_FAULTS sets the number of operations to test for each kind of fault, or `all` (`make test-faults`,
/// half an hour). KANTAIBERT_TEST_FAULT selects one kind or one operation, KANTAIBERT_TEST_SEED the random seed
/// (default 1).
@Suite(
    "File system faults", .serialized, .timeLimit(.minutes(180)),
    .enabled(if: Programs.areBuilt, "\(Programs.missing)"))
struct FaultTests {
    private static let seed = ProcessInfo.processInfo.environment["KANTAIBERT_TEST_SEED"].flatMap(UInt64.init) ?? 1

    /// Returns the number of operations to test.
    /// - Parameter usual: the default
    /// - Returns: nil for all
    private static func wanted(_ usual: Int) -> Int? {
        let wish = ProcessInfo.processInfo.environment["KANTAIBERT_TEST_FAULTS"]
        return wish == "all" ? nil : wish.flatMap(Int.init) ?? usual
    }

    @Test("A run recovers from a fault and gives the same bytes", arguments: Fault.kinds)
    func runRecoversFromFaults(how: Fault.How) throws {
        let tiny = try TinyJob(.mlm) { job in
            job.recipe.maxSteps = 4
            job.recipe.saveSteps = 2
            job.recipe.evalSteps = 2
        }
        let undisturbed = try tiny.traced()
        let numbers = undisturbed.trace.numbers(for: how)
        var random = SplitMix64(state: Self.seed)
        var happened = 0
        for number in Fault.sample(numbers, Self.wanted(12), &random) {
            let fault = Fault(program: "kantaibert-train", number: number, how: how)
            try tiny.startOver()
            Fault.forget(below: tiny.folder)
            defer { Fault.forget(below: tiny.folder) }
            let ended = try tiny.run(threads: 2, environment: fault.environment(below: tiny.folder))
            let place: Comment = "\(fault), seed \(Self.seed): \(ended.error)"
            if Fault.hasHappened(below: tiny.folder) { happened += 1 } else { #expect(ended.status == 0, place) }
            switch how {
            case .crash, .tornWrite: #expect([0, 128 + SIGKILL].contains(ended.status), place)
            // Statuses 65 and 78 would tell the service not to retry.
            case .failure, .fullDisk: #expect([0, 70, 74].contains(ended.status), place)
            }
            let published = try tiny.published()
            #expect(published == nil || published == undisturbed.published, place)

            let again = try tiny.run(threads: 2)
            #expect(again.status == 0, "\(place) \(again.error)")
            #expect(!again.error.contains("damaged checkpoint"), "\(place) \(again.error)")
            #expect(try tiny.published() == undisturbed.published, place)
            #expect(try leftovers(in: tiny.folder) == [], place)
        }
        print("runs: \(how.rawValue) at \(happened) of \(numbers.count) operations, seed \(Self.seed)")
        #expect(happened > 0)
    }

    @Test("A power failure cannot undo the results of a run")
    func runSyncsItsFiles() throws {
        let tiny = try TinyJob(.mlm)
        let trace = try tiny.traced().trace
        #expect(trace.operations.count > 100)
        // Cached word counts have a checksum, and are counted again if it does not match.
        #expect(trace.unforced { $0.hasSuffix("/lock") || $0.contains("/word-counts/") } == [])
    }

    @Test(
        "A service recovers from a fault and gives the same bytes", arguments: ["kantaibertd", "kantaibert-train"],
        Fault.kinds)
    func serviceRecoversFromFaults(program: String, how: Fault.How) throws {
        let undisturbed = try FaultyService()
        let (trace, digest) = try undisturbed.traced(program)
        let numbers = trace.numbers(for: how)
        var random = SplitMix64(state: Self.seed)
        var happened = 0
        // The operations of a run are tested above, which is much faster.
        let usual = program == "kantaibertd" ? 4 : 1
        let count = program == "kantaibertd" ? Self.wanted(usual) : min(Self.wanted(usual) ?? 10, 10)
        for number in Fault.sample(numbers, count, &random) {
            let faulty = try FaultyService()
            let fault = Fault(program: program, number: number, how: how)
            let place = "\(fault), seed \(Self.seed)"
            do {
                try faulty.disturb(fault)
                if faulty.hasHappened { happened += 1 }
                let flaws = try faulty.recover(digest)
                #expect(flaws == [], "\(place): \(faulty.service.logText)")
            } catch {
                Issue.record(error, "\(place)")
            }
        }
        print(
            "services: \(how.rawValue) at \(happened) of \(numbers.count) operations of \(program), seed \(Self.seed)")
        #expect(happened > 0)
    }

    @Test("A power failure cannot undo the results of a service")
    func serviceSyncsItsFiles() throws {
        let (trace, _) = try FaultyService().traced("kantaibertd")
        #expect(trace.operations.count > 100)
        // SQLite syncs its own files.
        #expect(trace.unforced { $0.hasSuffix("/lock") || $0.contains("/metrics.db") } == [])
        // The text may leave the inbox only once its contents, its name and its record are synced.
        let leaves = try #require(trace.index { $0.name == "unlink" && $0.path.hasSuffix("/inbox/text.txt") })
        let named = try #require(trace.index { $0.name == "rename" && $0.second.contains("/corpus/") })
        let forced = try #require(trace.index(after: named) { $0.name == "fsync" && $0.path.hasSuffix("/corpus") })
        let recorded = trace.index(after: forced) { $0.name == "fsync" && $0.path.hasSuffix("/metrics.db-wal") }
        #expect(try #require(recorded) < leaves)
    }
}

extension TinyJob {
    fileprivate func traced() throws -> (trace: Trace, published: [String: String]) {
        let file = folder + ".trace"
        defer { try? FileManager.default.removeItem(atPath: file) }
        let ended = try run(
            threads: 2, environment: Fault.tracing("kantaibert-train", below: folder, to: file))
        try #require(ended.status == 0, "\(ended.error)")
        return (try Trace(path: file), try #require(try published()))
    }
}

/// A service with a text in its inbox, from which it trains a model in one or two seconds.
private final class FaultyService {
    let service: RunningService
    private let text = Array(Grammar.text(lines: 200, seed: 9).utf8)

    private static let settings = """
        models: [kantaibert]
        kantaibert:
          objective: mlm
          preset: tiny
          precision: float32
          max_steps: 4
          save_steps: 2
          eval_steps: 2
          logging_steps: 1
          per_device_train_batch_size: 8
        inbox:
          stable: 50ms
        schedule:
          settle: 50ms
        training:
          restart_wait: 50ms
          max_restarts: 3
        """

    init() throws {
        service = try RunningService(settings: Self.settings)
        try FileManager.default.createDirectory(atPath: service.inbox, withIntermediateDirectories: true)
        try service.drop("text.txt", text)
    }

    deinit { Fault.forget(below: service.folder) }

    var hasHappened: Bool { Fault.hasHappened(below: service.folder) }

    func traced(_ program: String) throws -> (Trace, digest: String) {
        let file = service.folder + ".trace"
        defer { try? FileManager.default.removeItem(atPath: file) }
        service.environment = Fault.tracing(program, below: service.folder, to: file)
        try service.start()
        try waitUntilServed()
        #expect(try service.stop().status == 0)
        return (try Trace(path: file), try servingDigest())
    }

    /// Starts the service with the fault, waits for its effects and stops the service if it is still running.
    func disturb(_ fault: Fault) throws {
        service.environment = fault.environment(below: service.folder)
        try service.launch()
        var deadline = ContinuousClock.now + .seconds(60)
        var isOver = false
        while service.isRunning, ContinuousClock.now < deadline, !isServed {
            usleep(20_000)
            // After a full disk the service has nothing left to do; it may recover from a single failure.
            if hasHappened, !isOver {
                isOver = true
                deadline = min(deadline, ContinuousClock.now + .milliseconds(1500))
            }
        }
        service.environment = [:]
        let status = try service.stop().status
        #expect([0, EX_SOFTWARE, EX_CANTCREAT, 128 + SIGKILL].contains(status), "\(fault): \(service.logText)")
    }

    /// Starts the service without faults and stops it once the model serves.
    /// - Parameter digest: SHA-256 of the model of an undisturbed service
    /// - Returns: all differences from the state of an undisturbed service
    func recover(_ digest: String) throws -> [String] {
        try service.start()
        let client = try service.client()
        // A run that was given up because of the full disk has failed with the reason; start another one manually.
        let first = try client.call(ManagerInterface.ListRuns.self, .init()).runs.last
        let givenUp = first?.state == .failed && first?.reason?.contains("No space left on device") == true
        if givenUp { _ = try? client.call(ManagerInterface.Train.self, .init()) }
        try waitUntilServed()

        func names(_ path: String) throws -> [String] {
            try FileManager.default.contentsOfDirectory(atPath: service.folder + path).sorted()
        }
        var flaws: [String] = []
        func expect(_ name: String, _ found: [String], _ wanted: [String]) {
            if found != wanted { flaws.append("\(name): \(found) instead of \(wanted)") }
        }
        let stored = try names("/corpus")
        let sha256 = try sha256(ofFile: "\(service.folder)/corpus/\(stored.first ?? "")")
        expect("the model", [try servingDigest()], [digest])
        expect("the inbox", try names("/inbox"), [".rejected", "kantaibert"])
        expect("what is rejected", try names("/inbox/.rejected"), [])
        expect("the store", stored, [sha256])
        expect("the models", try names("/models/kantaibert"), ["1", "current"])
        let corpora = try client.call(ManagerInterface.ListCorpora.self, .init()).corpora
        expect("the corpora", corpora.map { "\($0.sha256) \($0.state.rawValue)" }, ["\(sha256) admitted"])
        let runs = try client.call(ManagerInterface.ListRuns.self, .init()).runs
        expect(
            "the runs", runs.map { "\($0.id) \($0.state.rawValue)" },
            givenUp ? ["kantaibert-2 finished", "kantaibert-1 failed"] : ["kantaibert-1 finished"])
        let generations = try client.call(ManagerInterface.ListGenerations.self, .init(model: "kantaibert")).generations
        expect("the generations", generations.map { "\($0.number) \($0.state.rawValue)" }, ["1 serving"])
        let stop = try service.stop()
        expect("the end", ["\(stop.status)"], ["0"])
        expect("leftovers", try leftovers(in: service.folder), [])
        return flaws
    }

    /// Whether the generation serves and its run is recorded as finished.
    private var isServed: Bool {
        guard let client = try? service.client() else { return false }
        let models = try? client.call(ManagerInterface.ListModels.self, .init()).models
        let status = try? client.call(ManagerInterface.GetStatus.self, .init())
        return models?.first?.generation != nil && status?.run == nil && status?.inboxPending == 0
    }

    private func waitUntilServed() throws {
        let deadline = ContinuousClock.now + .seconds(300)
        while !isServed {
            try #require(ContinuousClock.now < deadline && service.isRunning, "no model serves; \(service.logText)")
            usleep(20_000)
        }
    }

    private func servingDigest() throws -> String {
        try sha256(ofFile: service.folder + "/models/kantaibert/current/model.safetensors")
    }
}
