import AsyncSupport
import Supervision
import Durable
import Foundation
import Jobs
import Synchronization
import Testing

/// A run whose process is a shell script.
private final class ScriptedRun: Sendable {
    let folder: String
    let job: Job
    let program: String
    let received = Mutex<[Result<RunEvent, MalformedEvent>]>([])
    let deaths = Mutex<[RunSupervisor.Crash]>([])

    /// - Parameter script: can use `$LIFE`, the number of times it was started, `say`, which prints an event, and `publish`,
    ///   which puts the generation in place
    init(_ script: String) throws {
        folder = FileManager.default.temporaryDirectory.path + "/kantaibert-" + UUID().uuidString
        job = Job(
            run: "a-1", model: "a", generation: 1, objective: .mlm, architecture: Preset.tiny.architecture,
            recipe: RecipeName.default.recipe(for: .mlm),
            corpora: [JobCorpus(sha256: String(repeating: "0", count: 64), name: "x", path: "/x", bytes: 1)],
            samples: .lines, filters: [], tokenizer: nil, wordCountsDirectory: nil, runDirectory: folder,
            outputDirectory: folder + "/1")
        program = folder + "/train.sh"
        try Durable.makeDirectory(folder + "/made")
        let made = TrainingArguments(
            job: job, longestPosition: 8, steps: 1, trainingTokens: 1, tokenizerVocabulary: 300, evaluation: nil)
        try Durable.write(try JobCoding.encode(made), to: folder + "/made/training_args.json")
        // Written by another process: otherwise a child that another test starts meanwhile could inherit the descriptor, and
        // a file that is open for writing cannot be executed.
        try Self.write(
            """
            #!/bin/sh
            cd '\(folder)'
            echo x >> lives
            LIFE=$(wc -l < lives)
            publish() { mv made 1; }
            say() { echo "{\\"kind\\":\\"$1\\",\\"time\\":\\"2026-01-01T00:00:00.000Z\\",$2}"; }
            [ "$1" = run ] || [ "$1" = evaluate ] || exit 64
            \(script)
            """, toProgram: program)
    }

    private static func write(_ script: String, toProgram path: String) throws {
        let shell = Process()
        shell.executableURL = URL(filePath: "/bin/sh")
        shell.arguments = ["-c", "printf '%s' \"$1\" > \"$0\" && chmod 755 \"$0\"", path, script]
        try shell.run()
        shell.waitUntilExit()
        try #require(shell.terminationStatus == 0)
    }

    deinit { try? Durable.removeTree(folder) }

    var events: [RunEvent] { received.withLock { $0.compactMap { try? $0.get() } } }

    func supervise(
        restarts: Int = 3, stopSeconds: Double = 10, stallSeconds: Double? = nil, memoryLimit: Int? = nil,
        diskReserve: Int = 0, launcher: [String] = [], readingLimit: ReadingLimit? = nil, leave: Latch = Latch(),
        onEvent: (@Sendable () -> Void)? = nil
    ) async -> RunSupervisor.Outcome {
        let configuration = RunSupervisor.Configuration(
            maxRestarts: restarts, restartWaitSeconds: 0.01, stopSeconds: stopSeconds, stallSeconds: stallSeconds,
            nice: 19, oomScoreAdjust: 500, memoryLimit: memoryLimit, diskReserve: diskReserve,
            launcher: launcher)
        return await RunSupervisor(program: program, configuration: configuration).supervise(
            job, at: folder + "/job.json", readingLimit: readingLimit, leave: leave
        ) { line in
            self.received.withLock { $0.append(line) }
            onEvent?()
        } onCrash: { death in
            self.deaths.withLock { $0.append(death) }
        }
    }
}

@Suite("Run supervisor", .timeLimit(.minutes(15)))
struct RunSupervisorTests {
    @Test("Delivers events in order and reports the generation as published")
    func deliversEventsInOrder() async throws {
        let run = try ScriptedRun(
            """
            for step in 1 2 3; do say interrupted "\\"step\\":$step"; done
            echo 'no event'
            publish
            """)
        #expect(await run.supervise() == .published)
        #expect(run.events.map(\.payload) == [1, 2, 3].map { .interrupted(.init(step: $0)) })
        let strange = run.received.withLock { $0.last }
        guard case .failure(let error) = strange else {
            Issue.record("the line that is not an event is not reported")
            return
        }
        #expect(error.line.hasPrefix("no event"))
    }

    @Test("Starts a run by its launcher, which may be a name in PATH")
    func startsByLauncher() async throws {
        let run = try ScriptedRun(
            """
            case "$LAUNCHED $*" in "yes run "*" --stop-at-end-of-input") publish ;; *) echo "$LAUNCHED $*" >&2; exit 78 ;; esac
            """)
        #expect(await run.supervise(launcher: ["env", "LAUNCHED=yes"]) == .published)
        let other = try ScriptedRun(
            """
            case "$*" in *--stop-at-end-of-input*) exit 78 ;; *) publish ;; esac
            """)
        #expect(await other.supervise() == .published)
    }

    @Test("A launcher that does not exist fails the run and is named")
    func missingLauncher() async throws {
        let run = try ScriptedRun("publish")
        let outcome = await run.supervise(restarts: 0, launcher: ["no-such-mpirun", "-np", "2"])
        guard case .failed(let reason, nil) = outcome else {
            Issue.record("\(outcome)")
            return
        }
        #expect(reason.contains("no-such-mpirun"))
    }

    @Test("Restarts a killed run and reports its last lines")
    func restartsKilledRun() async throws {
        let run = try ScriptedRun(
            """
            if [ $LIFE = 1 ]; then echo 'first words' >&2; echo 'last words' >&2; kill -9 $$; fi
            publish
            """)
        #expect(await run.supervise() == .published)
        let deaths = run.deaths.withLock { $0 }
        #expect(deaths.map(\.cause) == ["SIGKILL"])
        #expect(deaths.map(\.lastLines) == [["first words", "last words"]])
    }

    @Test("Names the signal that ended the process", arguments: ["SEGV", "ABRT", "BUS", "PIPE", "TERM"])
    func namesFatalSignal(name: String) async throws {
        let run = try ScriptedRun("[ $LIFE = 1 ] && kill -\(name) $$; publish")
        #expect(await run.supervise() == .published)
        #expect(run.deaths.withLock { $0.map(\.cause) } == ["SIG\(name)"])
    }

    @Test("Kills and restarts a silent process")
    func restartsSilentProcess() async throws {
        let run = try ScriptedRun(
            """
            [ -e finished ] && publish && exit 0
            for step in 1 2 3 4 5 6 7 8; do say interrupted "\\"step\\":$step"; sleep 0.5; done
            touch finished
            exec sleep 1000
            """)
        // Longer than the pause between two events, shorter than all of them together. A busy machine may delay a process
        // for longer; the next attempt then tries again.
        #expect(await run.supervise(restarts: 6, stallSeconds: 3) == .published)
        let causes = run.deaths.withLock { $0.map(\.cause) }
        #expect(!causes.isEmpty && causes.allSatisfy { $0 == "hung: no output for 3 s (training.stall)" }, "\(causes)")
        #expect(run.events.suffix(8).map(\.payload) == (1...8).map { .interrupted(.init(step: $0)) })
    }

    @Test("Kills a process that exceeds its memory limit")
    func killsProcessOverMemoryLimit() async throws {
        let run = try ScriptedRun(
            """
            [ $LIFE = 2 ] && publish && exit 0
            held=$(head -c 60000000 /dev/zero | tr '\\0' a)
            sleep 1000
            """)
        #expect(await run.supervise(memoryLimit: 40_000_000) == .published)
        let causes = run.deaths.withLock { $0.map(\.cause) }
        #expect(causes.count == 1 && causes[0].contains("more than 40.0 MB (training.memory_limit)"), "\(causes)")
    }

    @Test("Passes the resource limits to the process")
    func passesResourceLimits() async throws {
        let run = try ScriptedRun("echo \"$@\" > arguments; publish")
        #expect(await run.supervise(memoryLimit: 4_000_000_000) == .published)
        let arguments = try String(contentsOf: URL(filePath: run.folder + "/arguments"), encoding: .utf8)
        #expect(
            arguments == "run \(run.folder)/job.json --nice 19 --oom-score-adjust 500 --memory-limit 4000000000\n")
    }

    @Test("Passes the disk reserve to the process")
    func diskReserve() async throws {
        let run = try ScriptedRun("echo \"$@\" > arguments; publish")
        #expect(await run.supervise(diskReserve: 1 << 30) == .published)
        let arguments = try String(contentsOf: URL(filePath: run.folder + "/arguments"), encoding: .utf8)
        #expect(arguments.contains(" --disk-reserve 1073741824"))
    }

    @Test("Does not restart a run that was killed after publishing")
    func killedAfterPublishing() async throws {
        let run = try ScriptedRun("publish; kill -9 $$")
        #expect(await run.supervise() == .published)
        #expect(run.deaths.withLock { $0.isEmpty })
    }

    @Test("Gives up after the maximum number of restarts")
    func givesUpAfterMaxRestarts() async throws {
        let run = try ScriptedRun("echo broken >&2; exit 70")
        #expect(await run.supervise(restarts: 2) == .failed(reason: "status 70, 3 times: broken"))
        #expect(run.deaths.withLock { $0.map(\.restart) } == [1, 2])
        #expect(run.deaths.withLock { $0.map(\.waitSeconds) } == [0.01, 0.04])
    }

    @Test("Does not give up as long as the run reaches checkpoints")
    func restartsAsLongAsRunMakesProgress() async throws {
        let run = try ScriptedRun(
            """
            [ $LIFE = 6 ] && publish && exit 0
            say checkpoint "\\"step\\":$LIFE,\\"path\\":\\"c\\""
            exit 70
            """)
        #expect(await run.supervise(restarts: 1) == .published)
        #expect(run.deaths.withLock { $0.count } == 5)
    }

    private static let sha256 = String(repeating: "ab", count: 32)

    @Test("Names the corpus after two deaths while reading it")
    func faultyCorpus() async throws {
        let other = String(repeating: "cd", count: 32)
        let run = try ScriptedRun(
            """
            say working '"activity":"tokenizes","corpus":"\(other)"'
            [ $LIFE = 1 ] && kill -9 $$
            say working '"activity":"tokenizes","corpus":"\(Self.sha256)"'
            kill -SEGV $$
            """)
        let outcome = await run.supervise(restarts: 9)
        #expect(outcome == .failed(reason: "SIGSEGV, 2 times while reading the same corpus", corpus: Self.sha256))
        #expect(run.deaths.withLock { $0.map(\.corpus) } == [other, Self.sha256])
    }

    @Test(
        "Blames no corpus if the run reports a failure, is ended by a user, or reads none",
        arguments: [
            #"say failed '"message":"the disk is full"'; exit 70"#, "kill -TERM $$",
            #"say working '"activity":"merges"'; kill -9 $$"#, #"say interrupted '"step":0'; kill -9 $$"#,
            "kill -9 $$; say nothing",
        ])
    func nobodyToBlame(_ end: String) async throws {
        let reads = end.hasSuffix("say nothing") ? "" : #"say working '"activity":"reads","corpus":"\#(Self.sha256)"'"#
        let run = try ScriptedRun("\(reads)\n\(end)")
        guard case .failed(let reason, let corpus) = await run.supervise(restarts: 2) else {
            Issue.record("the run did not fail")
            return
        }
        #expect(corpus == nil && reason.hasSuffix(", 3 times"), "\(reason)")
    }

    @Test("Ends a run that reads one corpus for too long, and names that corpus at once")
    func slowCorpus() async throws {
        let other = String(repeating: "cd", count: 32)
        let run = try ScriptedRun(
            """
            say working '"activity":"counting words","corpus":"\(other)"'
            say working '"activity":"tokenizing","corpus":"\(Self.sha256)"'
            while say working '"activity":"tokenizing","corpus":"\(Self.sha256)"'; do sleep 0.1; done
            """)
        let limit = ReadingLimit(seconds: 0.5, names: [other: "other.txt", Self.sha256: "slow.txt"])
        guard case .failed(let reason, Self.sha256) = await run.supervise(stallSeconds: 60, readingLimit: limit) else {
            Issue.record("the corpus is not named")
            return
        }
        #expect(reason.hasPrefix("the corpus slow.txt takes more than 1 s, half of max_time, to read"), "\(reason)")
        #expect(reason.contains("set a longer max_time"))
        #expect(run.deaths.withLock { $0.isEmpty })
    }

    @Test("Names a corpus that the run itself blames at once", arguments: [65, 78])
    func blamedCorpus(status: Int) async throws {
        let run = try ScriptedRun(
            #"say failed '"message":"bad bytes","corpus":"\#(Self.sha256)"'; exit \#(status)"#)
        let outcome = await run.supervise()
        #expect(
            outcome
                == (status == 65
                    ? .refused(reason: "bad bytes", corpus: Self.sha256)
                    : .failed(reason: "bad bytes", corpus: Self.sha256)))
    }

    @Test("Does not retry with bad data", arguments: [65, 78])
    func doesNotRetryWithBadData(status: Int) async throws {
        let run = try ScriptedRun("say failed '\"message\":\"nothing to learn\"'; exit \(status)")
        let outcome = await run.supervise()
        #expect(outcome == (status == 65 ? .refused(reason: "nothing to learn") : .failed(reason: "nothing to learn")))
        #expect(run.deaths.withLock { $0.isEmpty })
    }

    @Test("Appends the last line of standard error unless it repeats the reason")
    func appendsLastErrorLine() async throws {
        let failed = "say failed '\"message\":\"the disk is full\"'; echo"
        let same = try ScriptedRun("\(failed) 'kantaibert-train: the disk is full' >&2; exit 74")
        #expect(await same.supervise(restarts: 1) == .failed(reason: "the disk is full, 2 times"))
        let more = try ScriptedRun("\(failed) 'no space left' >&2; exit 78")
        #expect(await more.supervise() == .failed(reason: "the disk is full: no space left"))
    }

    @Test("Reports a program that does not exist")
    func reportsMissingProgram() async throws {
        let run = try ScriptedRun("")
        try Durable.removeTree(run.program)
        guard case .failed(let reason, _) = await run.supervise(restarts: 0) else {
            Issue.record("the run did not fail")
            return
        }
        #expect(reason.contains(run.program))
    }

    @Test("Lets a run that is asked to stop write a checkpoint")
    func letsStoppingRunWriteCheckpoint() async throws {
        let leave = Latch()
        let run = try ScriptedRun(
            """
            say interrupted '"step":0'
            cat > /dev/null
            touch checkpoint
            exit 75
            """)
        #expect(await run.supervise(leave: leave) { leave.open() } == .left)
        #expect(FileManager.default.fileExists(atPath: run.folder + "/checkpoint"))
        #expect(run.deaths.withLock { $0.isEmpty })
    }

    @Test("Kills a run that does not stop")
    func killsRunThatDoesNotStop() async throws {
        let leave = Latch()
        let run = try ScriptedRun("say interrupted '\"step\":0'; trap '' TERM; exec sleep 1000")
        #expect(await run.supervise(stopSeconds: 0.2, leave: leave) { leave.open() } == .left)
    }
}
