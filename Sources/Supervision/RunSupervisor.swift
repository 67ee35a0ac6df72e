import AsyncSupport
import FoundationEssentials
import Jobs
import Synchronization

/// Sees one run through, whatever happens to its process.
package struct RunSupervisor: Sendable {
    package enum Outcome: Sendable, Equatable {
        /// What it was started for is done: the generation's directory stands.
        case published
        /// It was told to leave; the run can go on later.
        case left
        /// - Parameter corpus: SHA-256 of the one that is to blame
        case failed(reason: String, corpus: String? = nil)
        /// Its data are of no use, its checkpoints among them: the same again would end the same way.
        case refused(reason: String, corpus: String? = nil)
    }

    /// A process that died, and what is done about it.
    package struct Crash: Sendable, Equatable {
        package var cause: String
        package var lastLines: [String]
        /// Counted from 1.
        package var restart: Int
        package var waitSeconds: Double
        /// SHA-256 of the corpus that was being read.
        package var corpus: String?
    }

    /// How a run's processes are started, limited and restarted.
    package struct Configuration: Sendable, Equatable {
        /// How often a run whose process died is restarted from its checkpoint before the run fails.
        package var maxRestarts: Int
        /// The wait before the first restart; each later wait is four times as long, up to 64 times.
        package var restartWaitSeconds: Double
        /// How long a process that was told to leave may take to write its checkpoint.
        package var stopSeconds: Double
        /// How long a process may stay silent before it is killed as hung; nil: forever.
        package var stallSeconds: Double?
        /// The niceness of the process, from 0 to 19.
        package var nice: Int
        /// The OOM score adjustment of the process, from 0 to 1000.
        package var oomScoreAdjust: Int
        /// The bytes of private memory a process may hold; nil: what is free when it starts.
        package var memoryLimit: Int?
        /// The bytes that a run leaves free on the disk.
        package var diskReserve: Int

        package init(
            maxRestarts: Int, restartWaitSeconds: Double, stopSeconds: Double, stallSeconds: Double? = nil,
            nice: Int, oomScoreAdjust: Int, memoryLimit: Int? = nil, diskReserve: Int = 0
        ) {
            self.maxRestarts = maxRestarts
            self.restartWaitSeconds = restartWaitSeconds
            self.stopSeconds = stopSeconds
            self.stallSeconds = stallSeconds
            self.nice = nice
            self.oomScoreAdjust = oomScoreAdjust
            self.memoryLimit = memoryLimit
            self.diskReserve = diskReserve
        }
    }

    private let program: String
    private let configuration: Configuration

    /// Deaths in a row while the same corpus was read, after which it is to blame.
    private static let deathsToBlame = 2

    /// - Parameter program: the path of `kantaibert-train`
    package init(program: String, configuration: Configuration) {
        self.program = program
        self.configuration = configuration
    }

    /// Trains.
    /// - Parameters:
    ///   - leave: opened when the run is to checkpoint and leave
    ///   - onLine: gets what the run says
    ///   - onDeath: called before each restart
    package func supervise(
        _ job: Job, at path: String, leave: Latch,
        onLine: @escaping @Sendable (Result<RunEvent, MalformedEvent>) async -> Void,
        onCrash: @escaping @Sendable (Crash) async -> Void
    ) async -> Outcome {
        // A process killed between publishing and saying so has nothing left to do.
        await runWithRestarts(
            ["run", path], leave: leave, onLine: onLine, onCrash: onCrash, isDone: { Self.isPublished(job) })
    }

    /// Asks how model directories do on what is held out of a job.
    /// - Returns: what was said of each, in their order; nil where it could not be had, or was told to leave
    package func judge(
        _ directories: [String], jobAt path: String, leave: Latch,
        onCrash: @escaping @Sendable (Crash) async -> Void
    ) async -> (outcome: Outcome, verdicts: [RunEvent.EvaluationResult]) {
        let verdicts = Mutex<[String: RunEvent.EvaluationResult]>([:])
        let outcome = await runWithRestarts(["evaluate", path] + directories, leave: leave) { line in
            guard case .success(let event) = line, case .judged(let judged) = event.payload else { return }
            verdicts.withLock { $0[judged.directory] = judged }
        } onCrash: { death in
            await onCrash(death)
        } isDone: {
            verdicts.withLock { $0.count } == directories.count
        }
        return (outcome, verdicts.withLock { found in directories.compactMap { found[$0] } })
    }

    private func runWithRestarts(
        _ arguments: [String], leave: Latch,
        onLine: @escaping @Sendable (Result<RunEvent, MalformedEvent>) async -> Void,
        onCrash: @escaping @Sendable (Crash) async -> Void, isDone: @Sendable () -> Bool
    ) async -> Outcome {
        var restarts = 0
        var suspect: (corpus: String, deaths: Int)?
        while true {
            if isDone() { return .published }
            if leave.isOpen { return .left }
            let attempt = ProcessAttempt()
            let process = RunProcess(
                program: program, arguments: arguments + standing, stopSeconds: configuration.stopSeconds,
                stallSeconds: configuration.stallSeconds, memoryLimit: configuration.memoryLimit)
            let ending = await process.run(leave: leave) { line in
                if case .success(let event) = line { await attempt.note(event) }
                await onLine(line)
            }
            if isDone() { return .published }
            if leave.isOpen { return .left }
            let reason = await attempt.failure ?? "\(ending.cause)"
            // Bad data and a bad job are as bad the next time.
            let described = Self.describe(reason, ending.lastLines)
            let blamed = await attempt.blamed
            if ending.cause == .status(65) { return .refused(reason: described, corpus: blamed) }
            if ending.cause == .status(78) { return .failed(reason: described, corpus: blamed) }
            // One that has said why it failed has not named the corpus, and one that was told to end has not died of it.
            let corpus = await attempt.failure == nil && !ending.cause.isManual ? await attempt.corpus : nil
            suspect = corpus.map { ($0, $0 == suspect?.corpus ? suspect!.deaths + 1 : 1) }
            if let suspect, suspect.deaths >= Self.deathsToBlame {
                return .failed(
                    reason: Self.describe(
                        reason, times: ", \(suspect.deaths) times at the same text", ending.lastLines),
                    corpus: suspect.corpus)
            }
            // A run that gets on between its deaths is not given up.
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

    /// What the process is to take of the machine, for its command line.
    private var standing: [String] {
        ["--nice", "\(configuration.nice)", "--oom-score-adjust", "\(configuration.oomScoreAdjust)"]
            + (configuration.diskReserve > 0 ? ["--disk-reserve", "\(configuration.diskReserve)"] : [])
            + (configuration.memoryLimit.map { ["--memory-limit", "\($0)"] } ?? [])
    }

    /// What one process said about itself.
    private actor ProcessAttempt {
        private(set) var failure: String?
        /// The corpus that it says is to blame.
        private(set) var blamed: String?
        /// The corpus that it is reading.
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
            // Said of one corpus while the next has not begun.
            case .unitsCut: break
            default: corpus = nil
            }
        }
    }

    /// Whether the job's generation stands on disk, and this run made it. It was put there whole, by a rename.
    package static func isPublished(_ job: Job) -> Bool {
        (try? TrainingFacts.read(directory: job.outputDirectory))?.run == job.run
    }

    /// A reason, and the process's last line where that says more: mostly it says the same for who started it by hand.
    package static func describe(_ reason: String, times: String = "", _ lastLines: [String]) -> String {
        guard let last = lastLines.last, !last.hasSuffix(reason) else { return reason + times }
        return "\(reason)\(times): \(last)"
    }
}
