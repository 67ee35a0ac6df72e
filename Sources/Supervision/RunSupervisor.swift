import AsyncSupport
import FoundationEssentials
import Jobs
import Synchronization

/// Runs the process of one training run and restarts it from its checkpoint when it dies.
package struct RunSupervisor: Sendable {
    package enum Outcome: Sendable, Equatable {
        /// The work is done: the generation's directory exists.
        case published
        /// The run was asked to stop and can resume later.
        case left
        /// - Parameter corpus: SHA-256 of the corpus that caused the failure, if one did
        case failed(reason: String, corpus: String? = nil)
        /// The data of the run is unusable, including its checkpoints: a retry would fail the same way.
        case refused(reason: String, corpus: String? = nil)
    }

    /// A process that died, and the restart that follows.
    package struct Crash: Sendable, Equatable {
        package var cause: String
        package var lastLines: [String]
        /// The number of the restart, from 1.
        package var restart: Int
        package var waitSeconds: Double
        /// SHA-256 of the corpus that the process was reading.
        package var corpus: String?
    }

    /// How a run's processes are started, limited and restarted.
    package struct Configuration: Sendable, Equatable {
        /// How often a run whose process died is restarted from its checkpoint before the run fails.
        package var maxRestarts: Int
        /// The wait before the first restart; each later wait is four times as long, up to 64 times.
        package var restartWaitSeconds: Double
        /// How long a process that was asked to stop may take to write its checkpoint.
        package var stopSeconds: Double
        /// How long a process may stay silent before it is killed as hung; nil means forever.
        package var stallSeconds: Double?
        /// The niceness of the process, from 0 to 19.
        package var nice: Int
        /// The OOM score adjustment of the process, from 0 to 1000.
        package var oomScoreAdjust: Int
        /// The bytes of private memory a process may hold; nil means the memory that is free when it starts.
        package var memoryLimit: Int?
        /// The bytes that a run leaves free on the disk.
        package var diskReserve: Int
        /// The words before the program of a run, such as `mpirun -np 4`; empty starts the program itself. Evaluations always
        /// are one process.
        package var launcher: [String]

        package init(
            maxRestarts: Int, restartWaitSeconds: Double, stopSeconds: Double, stallSeconds: Double?,
            nice: Int, oomScoreAdjust: Int, memoryLimit: Int?, diskReserve: Int,
            launcher: [String] = []
        ) {
            self.maxRestarts = maxRestarts
            self.restartWaitSeconds = restartWaitSeconds
            self.stopSeconds = stopSeconds
            self.stallSeconds = stallSeconds
            self.nice = nice
            self.oomScoreAdjust = oomScoreAdjust
            self.memoryLimit = memoryLimit
            self.diskReserve = diskReserve
            self.launcher = launcher
        }
    }

    private let program: String
    private let configuration: Configuration

    /// Number of consecutive crashes while reading the same corpus after which that corpus is considered the cause.
    private static let deathsToBlame = 2

    /// - Parameter program: the path of `kantaibert-train`
    package init(program: String, configuration: Configuration) {
        self.program = program
        self.configuration = configuration
    }

    /// Trains until the run publishes, fails or stops.
    /// - Parameters:
    ///   - readingLimit: how long the run may take to read one corpus, after which that corpus is the cause of its failure
    ///   - leave: opened to make the run write a checkpoint and stop
    ///   - onLine: receives every line of the run's output
    ///   - onCrash: called before each restart
    package func supervise(
        _ job: Job, at path: String, readingLimit: ReadingLimit?, leave: Latch,
        onLine: @escaping @Sendable (Result<RunEvent, MalformedEvent>) async -> Void,
        onCrash: @escaping @Sendable (Crash) async -> Void
    ) async -> Outcome {
        // A process that was killed between publishing and reporting it has nothing left to do.
        await runWithRestarts(
            ["run", path], launcher: configuration.launcher, readingLimit: readingLimit, leave: leave, onLine: onLine,
            onCrash: onCrash, isDone: { Self.isPublished(job) })
    }

    /// Evaluates model directories on the held-out text of a job.
    /// - Returns: the outcome, the evaluations so far in the order of `directories`, and the precisions that were measured,
    ///   by directory
    package func judge(
        _ directories: [String], jobAt path: String, leave: Latch,
        onCrash: @escaping @Sendable (Crash) async -> Void
    ) async -> (
        outcome: Outcome, verdicts: [RunEvent.EvaluationResult], precisions: [String: MeasuredPrecisions]
    ) {
        let verdicts = Mutex<[String: RunEvent.EvaluationResult]>([:])
        let precisions = Mutex<[String: MeasuredPrecisions]>([:])
        let outcome = await runWithRestarts(
            ["evaluate", path] + directories, readingLimit: nil, leave: leave
        ) { line in
            guard case .success(let event) = line else { return }
            switch event.payload {
            case .judged(let judged): verdicts.withLock { $0[judged.directory] = judged }
            case .precisionsMeasured(let measured):
                guard measured.precisions.isPlausible else { return }
                precisions.withLock { $0[measured.directory] = measured.precisions }
            default: break
            }
        } onCrash: { death in
            await onCrash(death)
        } isDone: {
            verdicts.withLock { $0.count } == directories.count
        }
        return (
            outcome, verdicts.withLock { found in directories.compactMap { found[$0] } }, precisions.withLock { $0 }
        )
    }

    private func runWithRestarts(
        _ arguments: [String], launcher: [String] = [], readingLimit: ReadingLimit?, leave: Latch,
        onLine: @escaping @Sendable (Result<RunEvent, MalformedEvent>) async -> Void,
        onCrash: @escaping @Sendable (Crash) async -> Void, isDone: @Sendable () -> Bool
    ) async -> Outcome {
        var restarts = 0
        var suspect: (corpus: String, deaths: Int)?
        while true {
            if isDone() { return .published }
            if leave.isOpen { return .left }
            let attempt = ProcessAttempt()
            let reading = readingLimit.map { ReadingWatch($0) }
            let command = launcher + [program] + arguments + standing
            let process = RunProcess(
                // Without it, a launched run ignores its standard input.
                program: command[0],
                arguments: command.dropFirst() + (launcher.isEmpty ? [] : ["--stop-at-end-of-input"]),
                stopSeconds: configuration.stopSeconds,
                stallSeconds: configuration.stallSeconds, memoryLimit: configuration.memoryLimit, reading: reading)
            let ending = await process.run(leave: leave) { line in
                if case .success(let event) = line {
                    reading?.note(event.payload)
                    await attempt.note(event)
                }
                await onLine(line)
            }
            if isDone() { return .published }
            if leave.isOpen { return .left }
            // A restart would read the corpus as slowly.
            if case .readTooLong(let corpus, let reason) = ending.cause {
                return .failed(reason: reason, corpus: corpus)
            }
            let reason = await attempt.failure ?? "\(ending.cause)"
            // With bad data or a bad job, a retry would fail again.
            let described = Self.describe(reason, ending.lastLines)
            let blamed = await attempt.blamed
            if ending.cause == .status(65) { return .refused(reason: described, corpus: blamed) }
            if ending.cause == .status(78) { return .failed(reason: described, corpus: blamed) }
            // A process that reported its failure would have named the corpus, and a process that a user ended did not
            // crash because of it.
            let corpus = await attempt.failure == nil && !ending.cause.isManual ? await attempt.corpus : nil
            suspect = corpus.map { ($0, $0 == suspect?.corpus ? suspect!.deaths + 1 : 1) }
            if let suspect, suspect.deaths >= Self.deathsToBlame {
                return .failed(
                    reason: Self.describe(
                        reason, times: ", \(suspect.deaths) times while reading the same corpus", ending.lastLines),
                    corpus: suspect.corpus)
            }
            // A run that makes progress between crashes is always restarted.
            if await attempt.reachedCheckpoint { restarts = 0 }
            guard restarts < configuration.maxRestarts else {
                return .failed(reason: Self.describe(reason, times: ", \(restarts + 1) times", ending.lastLines))
            }
            let wait = configuration.restartWaitSeconds * [1, 4, 16, 64][min(restarts, 3)]
            restarts += 1
            await onCrash(
                Crash(
                    cause: reason, lastLines: ending.lastLines, restart: restarts, waitSeconds: wait, corpus: corpus))
            if await leave.wait(atMost: .seconds(wait)) { return .left }
        }
    }

    /// The resource limits of the process, as command-line arguments.
    private var standing: [String] {
        ["--nice", "\(configuration.nice)", "--oom-score-adjust", "\(configuration.oomScoreAdjust)"]
            + (configuration.diskReserve > 0 ? ["--disk-reserve", "\(configuration.diskReserve)"] : [])
            + (configuration.memoryLimit.map { ["--memory-limit", "\($0)"] } ?? [])
    }

    /// What one process reported about itself.
    private actor ProcessAttempt {
        private(set) var failure: String?
        /// The corpus that the process named as the cause of its failure.
        private(set) var blamed: String?
        /// The corpus that the process is reading.
        private(set) var corpus: String?
        private(set) var reachedCheckpoint = false

        func note(_ event: RunEvent) {
            switch event.payload {
            case .failed(let failed):
                failure = failed.message
                blamed = failed.corpus
            case .checkpoint:
                reachedCheckpoint = true
                corpus = nil
            case .working(let working): corpus = working.corpus
            default: corpus = nil
            }
        }
    }

    /// Returns whether the job's generation exists on disk and was made by this run. It is complete, because a rename
    /// published it.
    package static func isPublished(_ job: Job) -> Bool {
        (try? TrainingFacts.read(directory: job.outputDirectory))?.run == job.run
    }

    /// Returns a reason, followed by the last line of the process's standard error unless that repeats the reason.
    package static func describe(_ reason: String, times: String = "", _ lastLines: [String]) -> String {
        guard let last = lastLines.last, !last.hasSuffix(reason) else { return reason + times }
        return "\(reason)\(times): \(last)"
    }
}
