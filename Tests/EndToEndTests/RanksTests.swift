import Distribution
import Foundation
import Glibc
import Interface
import Jobs
import TestSupport
import Testing

/// An MPI implementation of this machine, with a plugin that is compiled into a folder of its own.
private struct Implementation: CustomTestStringConvertible {
    let launcher: Launcher

    var testDescription: String { launcher.name }

    static let all = Launcher.allCases.map(Implementation.init)

    var compiler: String { "/usr/bin/mpicc.\(launcher.rawValue)" }
    var mpirun: String { "/usr/bin/mpirun.\(launcher.rawValue)" }

    /// Why it cannot be tested, or nil.
    var missing: String? {
        [compiler, mpirun].first { !FileManager.default.isExecutableFile(atPath: $0) }.map { "\($0) is not installed" }
    }

    /// The words before the program. TCP is forced: between hosts there is no shared memory.
    func words(ranks: Int) -> [String] {
        switch launcher {
        case .openMPI:
            [
                "--allow-run-as-root", "--oversubscribe", "--bind-to", "none", "--mca", "btl", "tcp,self", "-np",
                "\(ranks)",
            ]
        case .mpich: ["-bind-to", "none", "-genv", "UCX_TLS", "tcp,self", "-np", "\(ranks)"]
        }
    }
}

/// A folder with `kantaibert-train` and the plugins, as it is installed.
private final class Installation {
    let folder = "/tmp/kantaibert-test-\(getpid())-\(UInt32.random(in: 0 ..< .max))"
    var program: String { "\(folder)/kantaibert-train" }

    init() throws {
        try FileManager.default.createDirectory(atPath: folder, withIntermediateDirectories: true)
        // Not a symbolic link: the plugins are next to the file itself.
        try FileManager.default.copyItem(atPath: BuiltProgram.path(of: "kantaibert-train"), toPath: program)
    }

    func build(_ implementation: Implementation) throws {
        let source = URL(filePath: #filePath).deletingLastPathComponent().appending(
            path: "../../Sources/CMPIPlugin/plugin.c"
        ).standardized.path
        let status = try Programs.command([
            implementation.compiler, "-std=gnu17", "-O2", "-fPIC", "-shared", "-o",
            "\(folder)/\(implementation.launcher.pluginFile)", source,
        ])
        try #require(status == 0)
    }

    deinit { try? FileManager.default.removeItem(atPath: folder) }

    func run(
        _ tiny: TinyJob, _ implementation: Implementation, ranks: Int, environment: [String: String] = [:],
        meanwhile: (Process) throws -> Void = { _ in }
    ) throws -> Programs.Output {
        try Programs.run(
            implementation.mpirun, implementation.words(ranks: ranks) + [program, "run", tiny.jobFile],
            environment: environment.merging(["KANTAIBERT_THREADS": "1"]) { $1 }, meanwhile: meanwhile)
    }
}

private func ranksJob(_ objective: Objective = .clm, change: (inout Job) -> Void = { _ in }) throws -> TinyJob {
    try TinyJob(objective) { job in
        job.recipe.logicalWorkers = 4
        change(&job)
    }
}

/// Runs real MPI libraries over the loopback interface.
@Suite(
    "Several processes", .serialized, .timeLimit(.minutes(30)),
    .enabled(if: Programs.areBuilt, "\(Programs.missing)"))
struct RanksTests {
    @Test("One, two and four processes publish the same bytes", arguments: Implementation.all)
    private func sameBytes(implementation: Implementation) throws {
        if let missing = implementation.missing { return print("skipped \(implementation.launcher.name): \(missing)") }
        let installation = try Installation()
        try installation.build(implementation)
        let tiny = try ranksJob()
        let alone = try tiny.run(threads: 2)
        try #require(alone.status == 0, "\(alone.error)")
        let expected = try #require(try tiny.published())
        for ranks in [1, 2, 4] {
            try tiny.startOver()
            let ended = try installation.run(tiny, implementation, ranks: ranks)
            try #require(ended.status == 0, "\(ended.error)")
            let published = try tiny.published()
            #expect(published?["model.safetensors"] == expected["model.safetensors"], "\(ranks) ranks")
            let joined = try ended.runEvents().compactMap {
                if case .ranksJoined(let joined) = $0.payload { joined } else { nil }
            }
            #expect(joined.map(\.ranks) == (ranks == 1 ? [] : [ranks]))
        }
    }

    @Test(
        "A killed process ends the others, and another number of them resumes to the same bytes",
        arguments: Implementation.all)
    private func killedRank(implementation: Implementation) throws {
        if let missing = implementation.missing { return print("skipped \(implementation.launcher.name): \(missing)") }
        let installation = try Installation()
        try installation.build(implementation)
        let tiny = try ranksJob { $0.recipe.maxSteps = 200 }
        let alone = try tiny.run(threads: 2)
        try #require(alone.status == 0, "\(alone.error)")
        let expected = try #require(try tiny.published()?["model.safetensors"])
        try tiny.startOver()
        for (ranks, victim) in [(4, 3), (2, 0), (3, 1)] {
            let before = Self.newestCheckpoint(tiny)
            let ended = try installation.run(tiny, implementation, ranks: ranks) { launcher in
                // After the next checkpoint, so that each run makes progress.
                while launcher.isRunning, Self.newestCheckpoint(tiny) <= before { usleep(1000) }
                let processes = Self.ranks(of: installation.program)
                if processes.indices.contains(victim) { kill(processes[victim], SIGKILL) }
            }
            #expect(ended.status != 0)
            #expect(Self.ranks(of: installation.program).isEmpty, "a process remains")
            #expect(try tiny.published() == nil)
        }
        let ended = try installation.run(tiny, implementation, ranks: 2)
        try #require(ended.status == 0, "\(ended.error)")
        #expect(try tiny.published()?["model.safetensors"] == expected)
        #expect(try leftovers(in: tiny.job.runDirectory).isEmpty)
    }

    @Test("A stopped run writes a checkpoint and has its exit status", arguments: Implementation.all)
    private func interrupted(implementation: Implementation) throws {
        if let missing = implementation.missing { return print("skipped \(implementation.launcher.name): \(missing)") }
        let installation = try Installation()
        try installation.build(implementation)
        let tiny = try ranksJob { job in
            job.recipe.maxSteps = 20_000
            job.recipe.numTrainEpochs = 10_000
        }
        let ended = try installation.run(tiny, implementation, ranks: 2) { launcher in
            while launcher.isRunning, Self.newestCheckpoint(tiny) < 0 { usleep(1000) }
            for process in Self.ranks(of: installation.program) { kill(process, SIGTERM) }
        }
        #expect(ended.status == EX_TEMPFAIL, "\(ended.error)")
        #expect(ended.output.contains("\"kind\":\"interrupted\""))
        #expect(Self.ranks(of: installation.program).isEmpty)
    }

    @Test("A launcher without its plugin is one clear line", arguments: Implementation.all)
    private func missingPlugin(implementation: Implementation) throws {
        if let missing = implementation.missing { return print("skipped \(implementation.launcher.name): \(missing)") }
        let installation = try Installation()
        let tiny = try ranksJob()
        let missing = try installation.run(tiny, implementation, ranks: 2)
        #expect(missing.status == EX_CONFIG)
        #expect(missing.error.contains("started by a launcher of \(implementation.launcher.name), but "))
        #expect(missing.error.contains("run ‘make mpi’"))
        #expect(!FileManager.default.fileExists(atPath: "\(tiny.job.runDirectory)/tokenizer"))
    }

    @Test("Two MPI implementations mixed are refused before anything is written")
    func mixedImplementations() throws {
        let (first, second) = (Implementation(launcher: .openMPI), Implementation(launcher: .mpich))
        if let missing = first.missing ?? second.missing { return print("skipped: \(missing)") }
        let installation = try Installation()
        for implementation in [first, second] { try installation.build(implementation) }
        let tiny = try ranksJob()
        let ended = try installation.run(tiny, first, ranks: 2, environment: ["KANTAIBERT_MPI": "mpich"])
        #expect(ended.status == EX_CONFIG)
        #expect(ended.error.contains("the launcher started 2 ranks, but MPICH"), "\(ended.error)")
        #expect(!FileManager.default.fileExists(atPath: "\(tiny.job.runDirectory)/tokenizer"))
    }

    @Test("More processes than logical workers are refused", arguments: Implementation.all)
    private func tooManyRanks(implementation: Implementation) throws {
        if let missing = implementation.missing { return print("skipped \(implementation.launcher.name): \(missing)") }
        let installation = try Installation()
        try installation.build(implementation)
        let tiny = try ranksJob { $0.recipe.logicalWorkers = 1 }
        let ended = try installation.run(tiny, implementation, ranks: 2)
        #expect(ended.status == EX_CONFIG, "\(ended.error)")
        #expect(ended.output.contains("2 ranks cannot share 1 logical workers"))
    }

    @Test("A rank with another job file is refused", arguments: Implementation.all)
    private func mixedJobs(implementation: Implementation) throws {
        if let missing = implementation.missing { return print("skipped \(implementation.launcher.name): \(missing)") }
        let installation = try Installation()
        try installation.build(implementation)
        let tiny = try ranksJob()
        let other = "\(tiny.folder)/other.json"
        var job = tiny.job
        job.recipe.seed += 1
        try JobCoding.encode(job, pretty: true).write(to: URL(filePath: other))
        let program = [installation.program, "run"]
        let words = implementation.words(ranks: 1) + program + [tiny.jobFile, ":", "-np", "1"] + program + [other]
        let ended = try Programs.run(implementation.mpirun, words, environment: ["KANTAIBERT_THREADS": "1"])
        #expect(ended.status == EX_CONFIG, "\(ended.error)")
        #expect(ended.output.contains("has a job file with SHA-256"), "\(ended.output)")
        #expect(!FileManager.default.fileExists(atPath: "\(tiny.job.runDirectory)/tokenizer"))
    }

    @Test("The service starts a run by its launcher, interrupts it and resumes it", arguments: Implementation.all)
    private func service(implementation: Implementation) throws {
        if let missing = implementation.missing { return print("skipped \(implementation.launcher.name): \(missing)") }
        // Next to the program that the service starts, as `make mpi` does.
        let plugin = BuiltProgram.path(of: implementation.launcher.pluginFile)
        if !FileManager.default.fileExists(atPath: plugin) {
            let installation = try Installation()
            try installation.build(implementation)
            try FileManager.default.copyItem(
                atPath: "\(installation.folder)/\(implementation.launcher.pluginFile)", toPath: plugin)
        }
        let launcher = [implementation.mpirun] + implementation.words(ranks: 2)
        let service = try RunningService(
            settings: GateTests.settings(steps: 400).replacing(
                "preset: tiny", with: "preset: tiny\n  logical_workers: 2")
                + "\ntraining:\n  launcher: [\(launcher.map { "\"\($0)\"" }.joined(separator: ", "))]\n")
        service.environment["KANTAIBERT_THREADS"] = "1"
        try service.start()
        var events = try service.watch()
        try service.drop("a.txt", Grammar.text(lines: 3000, seed: 3).utf8)
        let joined = try events.first("ranks_joined")
        #expect(joined.number("ranks") == 2 && joined.message.contains("2 processes train together"), "\(joined)")
        _ = try events.first("checkpoint")
        #expect(try service.stop().status == 0, "\(service.logText)")
        // Other tests run the same program.
        let remaining = Self.ranks(of: BuiltProgram.path(of: "kantaibert-train")).filter { process in
            let words = FileManager.default.contents(atPath: "/proc/\(process)/cmdline") ?? Data()
            return String(decoding: words, as: UTF8.self).contains(service.folder)
        }
        #expect(remaining.isEmpty)
        try service.start()
        events = try service.watch()
        let communication = try events.first("communication")
        #expect(communication.message.contains("was communication"))
        #expect(try events.first("generation_serves").number("generation") == 1)
        #expect(try service.stop().status == 0)
    }

    /// Returns the step of the newest checkpoint, or -1.
    private static func newestCheckpoint(_ tiny: TinyJob) -> Int {
        let names = (try? FileManager.default.contentsOfDirectory(atPath: tiny.job.runDirectory)) ?? []
        return names.compactMap { $0.hasPrefix("checkpoint-") ? Int($0.dropFirst(11)) : nil }.max() ?? -1
    }

    /// Returns the processes of a program in the order of their identifiers, which is that of their ranks on one host.
    private static func ranks(of program: String) -> [pid_t] {
        let names = (try? FileManager.default.contentsOfDirectory(atPath: "/proc")) ?? []
        return names.compactMap { pid_t($0) }.filter { process in
            (try? FileManager.default.destinationOfSymbolicLink(atPath: "/proc/\(process)/exe")) == program
        }.sorted()
    }
}
